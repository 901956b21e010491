"""A table's first load makes it and fills it in one commit; what an earlier, dead load left lies in nobody's way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ematix_flow.errors import LoadError
from ematix_flow.plan import (
    Action,
    AddNewKeys,
    AddRows,
    AddVersions,
    MergeRows,
    Proven,
    ReplaceRows,
    ReplaceSlice,
    Slice,
    TargetPlan,
    Unproven,
)
from ematix_flow.spec import Column, Deletes, Table
from ematix_flow.state import Watermark
from ematix_flow.streams import Batches
from ematix_flow.types import Scalar

ORDERS = Table(
    schema="shop",
    name="orders",
    columns=(
        Column(name="id", type=Scalar.BIGINT, nullable=False, primary_key=True, comment="what the shop says"),
        Column(name="city", type=Scalar.TEXT),
        Column(name="noon", type=Scalar.TIMESTAMP),
    ),
    comment="Orders of the shop.",
)
PROVEN, UNPROVEN = Proven(why="a test"), Unproven(why="a test")
MARK = Watermark(cursor="column id BigInt", value="7", type=Scalar.BIGINT)
ACTIONS: dict[str, Action] = {
    "append": AddRows(),
    "append by key": AddNewKeys(keys=("id",), uniqueness=UNPROVEN),
    "truncate": ReplaceRows(keys=(), uniqueness=PROVEN),
    "slice": ReplaceSlice(
        window=Slice(column="id", type=Scalar.BIGINT, start="0", end="99"), keys=("id",), uniqueness=PROVEN
    ),
    "merge": MergeRows(
        keys=("id",),
        update=("city", "noon"),
        deletes=Deletes.SOFT,
        allow_empty_source=True,
        uniqueness=UNPROVEN,
    ),
    "scd2": AddVersions(
        keys=("id",),
        compare=("city", "noon"),
        valid_from=None,
        deletes=None,
        allow_empty_source=False,
        uniqueness=UNPROVEN,
    ),
}


@pytest.fixture(params=["lake", "s3_lake"])
def any_lake(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


@pytest.fixture(params=ACTIONS)
def action(request: pytest.FixtureRequest) -> Action:
    return ACTIONS[request.param]


def order(id_: int) -> dict[str, Any]:
    return {"id": id_, "city": f"city {id_}", "noon": datetime(2024, 1, id_ % 27 + 1, 12)}


def ids(lake: Any) -> list[int] | None:
    """The keys that a reader sees, or None where there is no table."""
    return sorted(row["id"] for row in lake.rows(ORDERS)) if lake.exists(ORDERS) else None


def elsewhere(call: Callable[[], Any]) -> None:
    """Call in another thread: deltalake does not let its own stream call it."""
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()


# --- one commit --------------------------------------------------------------------------------------


def test_rows_watermark_and_the_whole_table_are_one_commit(any_lake: Any, action: Action) -> None:
    found = any_lake.load(ORDERS, action, [order(1)], [order(2)], watermark=MARK)
    handle = any_lake.handle(ORDERS)
    assert (found.read, found.inserted, found.deleted) == (2, 2, 0)
    assert handle.version() == 0
    assert len(handle.history()) == 1
    assert ids(any_lake) == [1, 2]
    assert any_lake.stored(ORDERS, MARK.cursor, MARK) == "7"


def test_the_first_commit_says_all_that_was_declared(any_lake: Any, action: Action) -> None:
    any_lake.load(ORDERS, action, [order(1)])
    handle = any_lake.handle(ORDERS)
    id_, city, noon, *_ = handle.schema().fields
    assert handle.metadata().description == "Orders of the shop."
    assert (id_.name, id_.nullable, id_.metadata) == ("id", False, {"comment": "what the shop says"})
    assert (city.nullable, city.metadata) == (True, {})
    assert noon.type.type == "timestamp_ntz"
    assert handle.protocol().writer_features == ["timestampNtz"]


def test_a_first_load_without_rows_makes_the_empty_table(any_lake: Any, action: Action) -> None:
    any_lake.load(ORDERS, action, watermark=MARK)
    assert any_lake.version(ORDERS) == 0
    assert ids(any_lake) == []
    assert any_lake.stored(ORDERS, MARK.cursor, MARK) == "7"


def test_the_second_load_goes_on_from_the_first(any_lake: Any, action: Action) -> None:
    any_lake.load(ORDERS, action, [order(1)], watermark=MARK)
    any_lake.load(ORDERS, action, [order(2)], watermark=MARK)
    assert any_lake.version(ORDERS) == 1
    assert ids(any_lake) == ([2] if isinstance(action, ReplaceRows | ReplaceSlice) else [1, 2])


def test_a_reader_never_sees_the_table_empty(
    lake: Any, action: Action, plan_for: Callable[..., TargetPlan], as_batches: Callable[..., Batches]
) -> None:
    seen: list[list[int] | None] = []
    stop = threading.Event()

    def poll() -> None:
        while not stop.is_set():
            seen.append(ids(lake))

    reader = threading.Thread(target=poll)
    with lake.sink() as sink:
        plan = plan_for(sink.observe(lake.physical(ORDERS, action)), ORDERS, action)
        given = as_batches(plan, [[order(id_)] for id_ in range(20)])

        def slowly() -> Iterator[pa.RecordBatch]:
            for batch in given.rows:
                yield batch
                stop.wait(0.02)

        reader.start()
        sink.load(plan, Batches(given.schema, slowly()))
    seen.append(ids(lake))
    stop.set()
    reader.join()
    assert len(seen) > 10
    assert [seen[0], seen[-1]] == [None, [*range(20)]]
    assert all(each in (None, [*range(20)]) for each in seen)


# --- two first loads ---------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", ["before its first row", "before its last row", "after its last row"])
def test_of_two_first_loads_the_later_commit_fails_and_can_be_tried_again(
    any_lake: Any,
    action: Action,
    moment: str,
    plan_for: Callable[..., TargetPlan],
    as_batches: Callable[..., Batches],
) -> None:
    with any_lake.sink() as sink:
        plan = plan_for(sink.observe(any_lake.physical(ORDERS, action)), ORDERS, action, MARK)
        given = as_batches(plan, [[order(2)], [order(3)]])

        def rows() -> Iterator[pa.RecordBatch]:
            for place in ("before its first row", "before its last row", "after its last row"):
                if place == moment:
                    elsewhere(lambda: any_lake.load(ORDERS, AddRows(), [order(1)]))
                if batch := next(given.rows, None):
                    yield batch

        with pytest.raises(LoadError, match=r"shop\.orders: another writer committed") as caught:
            sink.load(plan, Batches(given.schema, rows()))
    assert caught.value.transient
    assert ids(any_lake) == [1]
    assert any_lake.stored(ORDERS, MARK.cursor, MARK) is None


def test_a_table_made_before_the_first_row_is_asked_for_fails_the_load_too(
    any_lake: Any, action: Action, plan_for: Callable[..., TargetPlan], as_batches: Callable[..., Batches]
) -> None:
    with any_lake.sink() as sink:
        plan = plan_for(sink.observe(any_lake.physical(ORDERS, action)), ORDERS, action)
        any_lake.load(ORDERS, AddRows())
        with pytest.raises(LoadError, match=r"shop\.orders: another writer committed") as caught:
            sink.load(plan, as_batches(plan, [[order(2)]]))
    assert caught.value.transient
    assert ids(any_lake) == []


# --- what a dead load left ---------------------------------------------------------------------------


def litter(lake: Any) -> None:
    """What a load that was killed leaves: a data file that no commit names, and a commit that was never made."""
    folder = Path(lake.location) / "shop" / "orders"
    (folder / "_delta_log").mkdir(parents=True, exist_ok=True)
    orphan = pa.table({"id": [99], "city": ["nowhere"], "noon": [datetime(2024, 1, 1)]})
    pq.write_table(orphan, folder / "part-00000-aaaaaaaa-c000.snappy.parquet")
    (folder / "_delta_log" / "_commit_aaaaaaaa.json.tmp").write_text('{"add": {"path": "part-00000-')


def test_what_a_dead_first_load_left_does_not_hinder_the_next(lake: Any, action: Action) -> None:
    litter(lake)
    lake.load(ORDERS, action, [order(1)], watermark=MARK)
    assert lake.version(ORDERS) == 0
    assert ids(lake) == [1]
    assert lake.stored(ORDERS, MARK.cursor, MARK) == "7"


def test_what_a_dead_later_load_left_does_not_hinder_the_next(lake: Any, action: Action) -> None:
    lake.load(ORDERS, action, [order(1)])
    litter(lake)
    lake.load(ORDERS, action, [order(1), order(2)], clock=datetime(2030, 1, 1, tzinfo=UTC))
    assert lake.version(ORDERS) == 1
    assert ids(lake) == ([1, 1, 2] if isinstance(action, AddRows) else [1, 2])


def test_a_first_load_that_fails_leaves_no_table_and_does_not_hinder_the_next(
    lake: Any, action: Action, plan_for: Callable[..., TargetPlan], as_batches: Callable[..., Batches]
) -> None:
    with lake.sink() as sink:
        plan = plan_for(sink.observe(lake.physical(ORDERS, action)), ORDERS, action)
        given = as_batches(plan, [[order(1)]])

        def rows() -> Iterator[pa.RecordBatch]:
            yield next(given.rows)
            raise RuntimeError("the source died")

        with pytest.raises(RuntimeError, match="the source died"):
            sink.load(plan, Batches(given.schema, rows()))
    assert not lake.exists(ORDERS)
    lake.load(ORDERS, action, [order(1)])
    assert ids(lake) == [1]
