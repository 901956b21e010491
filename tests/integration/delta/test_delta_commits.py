"""One commit or none: watermarks, crashes, other writers, cancellation."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from psycopg import sql

from ematix_flow.errors import LoadError, WatermarkError
from ematix_flow.plan import (
    Action,
    AddNewKeys,
    AddRows,
    MergeRows,
    Proven,
    ReplaceRows,
    TargetPlan,
    Uniqueness,
    Unproven,
)
from ematix_flow.spec import Column, Deletes, Table
from ematix_flow.state import Watermark
from ematix_flow.streams import Batches, ServerSelect, StreamCancelledError
from ematix_flow.types import Scalar

ORDERS = Table(
    schema="shop",
    name="orders",
    columns=(
        Column(name="id", type=Scalar.BIGINT, nullable=False, primary_key=True),
        Column(name="city", type=Scalar.TEXT),
    ),
)
CURSOR = "column at TimestampTZ"
PROVEN = Proven(why="a test")
UNPROVEN = Unproven(why="a test")


def merge(deletes: Deletes | None, uniqueness: Uniqueness) -> MergeRows:
    return MergeRows(
        keys=("id",), update=("city",), deletes=deletes, allow_empty_source=True, uniqueness=uniqueness
    )


ACTIONS = [
    pytest.param(AddRows(), id="add rows"),
    pytest.param(AddNewKeys(keys=("id",), uniqueness=PROVEN), id="add new keys"),
    pytest.param(AddNewKeys(keys=("id",), uniqueness=UNPROVEN), id="add checked keys"),
    pytest.param(ReplaceRows(keys=("id",), uniqueness=PROVEN), id="replace rows"),
    pytest.param(ReplaceRows(keys=("id",), uniqueness=UNPROVEN), id="replace checked rows"),
    pytest.param(merge(None, PROVEN), id="merge rows"),
    pytest.param(merge(None, UNPROVEN), id="merge checked rows"),
    pytest.param(merge(Deletes.HARD, UNPROVEN), id="merge rows and delete"),
]


def order(id_: int) -> dict[str, Any]:
    return {"id": id_, "city": f"city {id_}"}


def mark(day: int) -> Watermark:
    return Watermark(cursor=CURSOR, value=f"2024-01-{day:02} 00:00:00+00", type=Scalar.TIMESTAMPTZ)


# --- watermarks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ACTIONS)
def test_the_watermark_rides_in_the_commit_of_the_rows(lake: Any, action: Action) -> None:
    lake.load(ORDERS, action, [order(1)], watermark=mark(1))
    before = lake.version(ORDERS)
    lake.load(ORDERS, action, [order(2)], watermark=mark(2))
    assert lake.version(ORDERS) == before + 1
    assert lake.stored(ORDERS, CURSOR, mark(1)) == mark(2).value


@pytest.mark.parametrize("action", ACTIONS)
def test_a_changed_watermark_is_kept_though_no_row_came(lake: Any, action: Action) -> None:
    lake.load(ORDERS, action, [order(1)], watermark=mark(1))
    lake.load(ORDERS, action, watermark=mark(2))
    assert lake.stored(ORDERS, CURSOR, mark(1)) == mark(2).value


def test_a_changed_watermark_is_kept_though_every_key_was_there(lake: Any) -> None:
    action = AddNewKeys(keys=("id",), uniqueness=PROVEN)
    lake.load(ORDERS, action, [order(1)], watermark=mark(1))
    lake.load(ORDERS, action, [order(1)], watermark=mark(2))
    assert lake.stored(ORDERS, CURSOR, mark(1)) == mark(2).value
    assert lake.rows(ORDERS) == [order(1)]


@pytest.mark.parametrize("day", [1, 2], ids=["lower", "equal"])
def test_a_watermark_that_is_not_higher_makes_no_commit(lake: Any, day: int) -> None:
    lake.load(ORDERS, AddRows(), [order(1)], watermark=mark(2))
    before = lake.version(ORDERS)
    lake.load(ORDERS, AddRows(), watermark=mark(day))
    assert lake.version(ORDERS) == before
    assert lake.stored(ORDERS, CURSOR, mark(1)) == mark(2).value


def test_a_watermark_never_moves_backwards_with_rows(lake: Any) -> None:
    lake.load(ORDERS, AddRows(), [order(1)], watermark=mark(2))
    lake.load(ORDERS, AddRows(), [order(2)], watermark=mark(1))
    assert lake.stored(ORDERS, CURSOR, mark(1)) == mark(2).value
    assert lake.rows(ORDERS) == [order(1), order(2)]


def test_only_the_watermark_of_the_last_run_counts(lake: Any) -> None:
    other = Watermark(cursor="transaction 0123", value="4294967296", type=Scalar.BIGINT)
    lake.load(ORDERS, AddRows(), [order(1)], watermark=mark(1))
    lake.load(ORDERS, AddRows(), [order(2)], watermark=other)
    assert lake.stored(ORDERS, CURSOR, mark(1)) is None
    assert lake.stored(ORDERS, other.cursor, other) == other.value


def test_a_table_that_does_not_exist_has_no_watermark(lake: Any) -> None:
    assert lake.stored(ORDERS, CURSOR, mark(1)) is None


def test_a_watermark_survives_checkpoint_and_overwrite(lake: Any) -> None:
    lake.load(ORDERS, AddRows(), [order(1)], watermark=mark(1))
    handle = lake.handle(ORDERS)
    handle.create_checkpoint()
    write_deltalake(
        handle,
        pa.table({"id": [9], "city": ["x"]}, schema=pa.schema(handle.schema().to_arrow())),
        mode="overwrite",
    )
    handle.optimize.compact()
    assert lake.stored(ORDERS, CURSOR, mark(1)) == mark(1).value


def test_a_watermark_whose_rows_were_taken_back_counts_no_more(lake: Any) -> None:
    lake.load(ORDERS, AddRows(), [order(1)])
    lake.load(ORDERS, AddRows(), [order(2)], watermark=mark(2))
    lake.handle(ORDERS).restore(0)
    lake.load(ORDERS, AddRows(), [order(3)])
    assert lake.stored(ORDERS, CURSOR, mark(1)) is None


@pytest.mark.parametrize("day", [1, 2], ids=["lower", "equal"])
def test_after_a_restore_any_watermark_is_written_anew(lake: Any, day: int) -> None:
    lake.load(ORDERS, AddRows())
    lake.load(ORDERS, AddRows(), [order(1)], watermark=mark(2))
    lake.handle(ORDERS).restore(0)
    lake.load(ORDERS, AddRows(), [order(1)], watermark=mark(day))
    assert lake.stored(ORDERS, CURSOR, mark(1)) == mark(day).value


def test_a_watermark_survives_a_restore_that_came_before_it(lake: Any) -> None:
    lake.load(ORDERS, AddRows())
    lake.load(ORDERS, AddRows(), [order(1)])
    lake.handle(ORDERS).restore(0)
    lake.load(ORDERS, AddRows(), [order(2)], watermark=mark(1))
    lake.load(ORDERS, AddRows(), [order(3)])
    assert lake.stored(ORDERS, CURSOR, mark(1)) == mark(1).value


def test_a_watermark_before_1970_is_kept(lake: Any) -> None:
    early = Watermark(cursor=CURSOR, value="1969-12-31 23:59:59.5+00", type=Scalar.TIMESTAMPTZ)
    lake.load(ORDERS, AddRows(), [order(1)], watermark=early)
    assert lake.stored(ORDERS, CURSOR, early) == early.value


def test_a_watermark_beyond_the_calendar_is_refused_before_any_row(lake: Any) -> None:
    lake.load(ORDERS, AddRows(), [order(1)])
    far = Watermark(cursor=CURSOR, value="10000-01-01 00:00:00+00", type=Scalar.TIMESTAMPTZ)
    with pytest.raises(WatermarkError, match=r"table shop\.orders: the watermark cannot be kept"):
        lake.load(ORDERS, AddRows(), [order(2)], watermark=far)
    assert lake.rows(ORDERS) == [order(1)]


# --- a source that fails half-way --------------------------------------------------------------------


class SourceDiedError(Exception):
    pass


@pytest.mark.parametrize("action", ACTIONS)
def test_a_stream_that_raises_leaves_the_version_and_is_told_itself(
    lake: Any, action: Action, plan_for: Callable[..., TargetPlan], as_batches: Callable[..., Batches]
) -> None:
    lake.load(ORDERS, AddRows(), [order(1)], watermark=mark(1))
    before = lake.version(ORDERS)
    with lake.sink() as sink:
        plan = plan_for(sink.observe(ORDERS), ORDERS, action, mark(2))
        first = as_batches(plan, [[order(2)], [order(3)]])

        def rows() -> Iterator[pa.RecordBatch]:
            yield from first.rows
            raise SourceDiedError("at row 3") from OSError("the network")

        with pytest.raises(SourceDiedError, match="at row 3") as caught:
            sink.load(plan, Batches(first.schema, rows()))
    assert isinstance(caught.value.__cause__, OSError)
    assert lake.version(ORDERS) == before
    assert lake.rows(ORDERS) == [order(1)]
    assert lake.stored(ORDERS, CURSOR, mark(1)) == mark(1).value


@pytest.mark.parametrize("action", ACTIONS)
def test_a_cancelled_load_commits_nothing(
    lake: Any, action: Action, plan_for: Callable[..., TargetPlan], as_batches: Callable[..., Batches]
) -> None:
    lake.load(ORDERS, AddRows(), [order(1)])
    before = lake.version(ORDERS)
    with lake.sink() as sink:
        plan = plan_for(sink.observe(ORDERS), ORDERS, action)
        given = as_batches(plan, [[order(2)], [order(3)]])

        def rows() -> Iterator[pa.RecordBatch]:
            yield next(given.rows)
            sink.cancel()
            yield next(given.rows)

        with pytest.raises(StreamCancelledError):
            sink.load(plan, Batches(given.schema, rows()))
    assert lake.version(ORDERS) == before


def test_a_load_cancelled_after_its_last_batch_commits_nothing(
    lake: Any, plan_for: Callable[..., TargetPlan], as_batches: Callable[..., Batches]
) -> None:
    lake.load(ORDERS, AddRows(), [order(1)])
    with lake.sink() as sink:
        plan = plan_for(sink.observe(ORDERS), ORDERS, AddRows())
        given = as_batches(plan, [[order(2)]])

        def rows() -> Iterator[pa.RecordBatch]:
            yield next(given.rows)
            sink.cancel()

        with pytest.raises(StreamCancelledError):
            sink.load(plan, Batches(given.schema, rows()))
    assert lake.rows(ORDERS) == [order(1)]


def test_a_constraint_of_the_table_that_refuses_a_row_is_told_and_nothing_changes(lake: Any) -> None:
    lake.load(ORDERS, AddRows(), [order(1)])
    lake.handle(ORDERS).alter.add_constraint({"positive": "id > 0"})
    with pytest.raises(LoadError, match=r"table shop\.orders: .*1 rows failed validation check\.$"):
        lake.load(ORDERS, AddRows(), [order(2)], [order(-1)], watermark=mark(1))
    assert lake.rows(ORDERS) == [order(1)]
    assert lake.stored(ORDERS, CURSOR, mark(1)) is None


def test_a_select_of_a_server_is_refused(lake: Any, plan_for: Callable[..., TargetPlan]) -> None:
    with lake.sink() as sink:
        plan = plan_for(sink.observe(ORDERS), ORDERS, AddRows())
        with pytest.raises(LoadError, match="from record batches"):
            sink.load(plan, ServerSelect(sql.SQL("select {}").format(1), lambda: None))


# --- other writers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ACTIONS)
def test_a_commit_of_another_writer_fails_the_load_and_loses_nothing(
    lake: Any, action: Action, plan_for: Callable[..., TargetPlan], as_batches: Callable[..., Batches]
) -> None:
    lake.load(ORDERS, AddRows(), [order(1)], watermark=mark(1))
    with lake.sink() as sink:
        plan = plan_for(sink.observe(ORDERS), ORDERS, action, mark(2))
        lake.load(ORDERS, AddRows(), [order(2)])
        with pytest.raises(LoadError, match="another writer committed to the table meanwhile"):
            sink.load(plan, as_batches(plan, [[order(3)]]))
    assert lake.rows(ORDERS) == [order(1), order(2)]
    assert lake.stored(ORDERS, CURSOR, mark(1)) == mark(1).value


def test_a_table_that_another_writer_made_and_filled_is_not_written(
    lake: Any, plan_for: Callable[..., TargetPlan], as_batches: Callable[..., Batches]
) -> None:
    with lake.sink() as sink:
        plan = plan_for(sink.observe(ORDERS), ORDERS, AddRows())
        lake.load(ORDERS, AddRows(), [order(1)])
        with pytest.raises(LoadError, match="another writer"):
            sink.load(plan, as_batches(plan, [[order(2)]]))
    assert lake.rows(ORDERS) == [order(1)]


def test_a_table_that_another_writer_made_otherwise_is_not_written(
    lake: Any, plan_for: Callable[..., TargetPlan], as_batches: Callable[..., Batches]
) -> None:
    with lake.sink() as sink:
        plan = plan_for(sink.observe(ORDERS), ORDERS, AddRows())
        lake.load(Table(schema="shop", name="orders", columns=ORDERS.columns[:1]), AddRows())
        with pytest.raises(LoadError, match="another writer"):
            sink.load(plan, as_batches(plan, [[order(2)]]))
    assert lake.rows(ORDERS) == []


def test_of_writers_that_race_to_create_a_table_one_loads_and_the_rest_are_told(
    lake: Any, plan_for: Callable[..., TargetPlan], as_batches: Callable[..., Batches]
) -> None:
    writers = 6
    together = threading.Barrier(writers)
    loaded: list[int] = []
    told: list[str] = []

    def run(number: int) -> None:
        with lake.sink() as sink:
            plan = plan_for(sink.observe(ORDERS), ORDERS, AddRows())
            together.wait()
            try:
                sink.load(plan, as_batches(plan, [[order(number)]]))
            except LoadError as error:
                told.append(error.reason)
            else:
                loaded.append(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loaded) == 1
    assert all(reason.startswith("another writer committed") for reason in told)
    assert len(told) == writers - 1
    assert lake.rows(ORDERS) == [order(loaded[0])]
