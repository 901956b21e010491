"""Keeping versions in a Delta table: exact histories, counts and commits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from deltalake import Field
from deltalake.schema import PrimitiveType

from ematix_flow.errors import DuplicateKeyError, EmptySourceError, LoadError, NullKeyError
from ematix_flow.plan import AddVersions, TargetPlan, Unproven
from ematix_flow.results import LoadCounts
from ematix_flow.spec import Column, Deletes, Table
from ematix_flow.state import Watermark
from ematix_flow.streams import Batches
from ematix_flow.types import Scalar

ITEMS = Table(
    schema="shop",
    name="items",
    columns=(
        Column(name="id", type=Scalar.BIGINT, nullable=False),
        Column(name="v", type=Scalar.TEXT),
        Column(name="at", type=Scalar.TIMESTAMPTZ, nullable=False),
    ),
)
CLOCKED = AddVersions(
    keys=("id",),
    compare=("v",),
    valid_from=None,
    deletes=None,
    allow_empty_source=False,
    uniqueness=Unproven(why="a test"),
)
DATED = replace(CLOCKED, valid_from="at")
MICROSECOND = timedelta(microseconds=1)


def hour(number: int) -> datetime:
    return datetime(2024, 1, 1, number, tzinfo=UTC)


def item(id_: int | None, v: str | None, at: int | None = 0) -> dict[str, Any]:
    return {"id": id_, "v": v, "at": None if at is None else hour(at)}


def counts(found: LoadCounts) -> tuple[int, int, int, int, int]:
    assert found.deleted == 0
    return found.read, found.inserted, found.updated, found.unchanged, found.closed


def history(lake: Any) -> list[tuple[Any, ...]]:
    """Each version as id, value, since and until."""
    rows = sorted(lake.rows(ITEMS), key=lambda row: (row["id"], row["valid_from"]))
    assert all(row["is_current"] == (row["valid_to"] is None) for row in rows)
    return [(row["id"], row["v"], row["valid_from"], row["valid_to"]) for row in rows]


# --- by the run's clock ------------------------------------------------------------------------------


def test_a_change_closes_the_version_and_opens_one_and_a_return_is_a_third(lake: Any) -> None:
    assert counts(lake.load(ITEMS, CLOCKED, [item(1, "a"), item(2, None)], clock=hour(1))) == (2, 2, 0, 0, 0)
    before = lake.version(ITEMS)
    assert counts(lake.load(ITEMS, CLOCKED, [item(1, "b"), item(2, None)], clock=hour(2))) == (2, 1, 0, 1, 1)
    assert lake.version(ITEMS) == before + 1
    assert counts(lake.load(ITEMS, CLOCKED, [item(1, "a"), item(3, "c")], clock=hour(3))) == (2, 2, 0, 0, 1)
    assert history(lake) == [
        (1, "a", hour(1), hour(2)),
        (1, "b", hour(2), hour(3)),
        (1, "a", hour(3), None),
        (2, None, hour(1), None),
        (3, "c", hour(3), None),
    ]


def test_a_version_starts_after_the_last_one_though_the_clock_went_back(lake: Any) -> None:
    lake.load(ITEMS, CLOCKED, [item(1, "a")], clock=hour(5))
    lake.load(ITEMS, CLOCKED, [item(1, "b")], clock=hour(2))
    then = hour(5) + MICROSECOND
    assert history(lake) == [(1, "a", hour(5), then), (1, "b", then, None)]


def test_a_key_that_is_gone_is_closed_and_its_return_leaves_a_gap(lake: Any) -> None:
    action = replace(CLOCKED, deletes=Deletes.SOFT)
    lake.load(ITEMS, action, [item(1, "a"), item(2, "b")], clock=hour(1))
    assert counts(lake.load(ITEMS, action, [item(2, "b")], clock=hour(2))) == (1, 0, 0, 1, 1)
    assert counts(lake.load(ITEMS, action, [item(2, "b")], clock=hour(3))) == (1, 0, 0, 1, 0)
    assert counts(lake.load(ITEMS, action, [item(1, "a"), item(2, "b")], clock=hour(4))) == (2, 1, 0, 1, 0)
    assert history(lake) == [
        (1, "a", hour(1), hour(2)),
        (1, "a", hour(4), None),
        (2, "b", hour(1), None),
    ]


def test_a_key_is_not_closed_before_it_began(lake: Any) -> None:
    action = replace(CLOCKED, deletes=Deletes.SOFT)
    lake.load(ITEMS, action, [item(1, "a"), item(2, "b")], clock=hour(5))
    lake.load(ITEMS, action, [item(2, "b")], clock=hour(2))
    assert history(lake)[0] == (1, "a", hour(5), hour(5) + MICROSECOND)


def test_a_column_that_is_not_compared_makes_no_version(lake: Any) -> None:
    lake.load(ITEMS, CLOCKED, [item(1, "a", 0)], clock=hour(1))
    before = lake.version(ITEMS)
    assert counts(lake.load(ITEMS, CLOCKED, [item(1, "a", 9)], clock=hour(2))) == (1, 0, 0, 1, 0)
    assert lake.version(ITEMS) == before


# --- by a column of the data -------------------------------------------------------------------------


def test_several_versions_of_a_key_in_one_batch_become_history(lake: Any) -> None:
    rows = [item(1, "c", 3), item(1, "a", 1), item(2, "x", 1)], [item(1, "b", 2), item(1, "b", 2)]
    assert counts(lake.load(ITEMS, DATED, *rows)) == (5, 4, 0, 1, 0)
    assert history(lake) == [
        (1, "a", hour(1), hour(2)),
        (1, "b", hour(2), hour(3)),
        (1, "c", hour(3), None),
        (2, "x", hour(1), None),
    ]


def test_a_late_version_is_spliced_into_its_place(lake: Any) -> None:
    lake.load(ITEMS, DATED, [item(1, "a", 1), item(1, "c", 5)])
    assert counts(lake.load(ITEMS, DATED, [item(1, "b", 3), item(1, "z", 0)])) == (2, 2, 0, 0, 0)
    assert history(lake) == [
        (1, "z", hour(0), hour(1)),
        (1, "a", hour(1), hour(3)),
        (1, "b", hour(3), hour(5)),
        (1, "c", hour(5), None),
    ]


def test_the_same_instant_with_other_values_corrects_in_place(lake: Any) -> None:
    lake.load(ITEMS, DATED, [item(1, "a", 1), item(1, "c", 5)])
    assert counts(lake.load(ITEMS, DATED, [item(1, "b", 1)])) == (1, 0, 1, 0, 0)
    assert history(lake) == [(1, "b", hour(1), hour(5)), (1, "c", hour(5), None)]


def test_a_correction_and_a_later_version_close_the_corrected_one(lake: Any) -> None:
    lake.load(ITEMS, DATED, [item(1, "a", 1)])
    assert counts(lake.load(ITEMS, DATED, [item(1, "b", 1), item(1, "c", 2), item(1, "c", 3)])) == (
        3,
        1,
        1,
        1,
        1,
    )
    assert history(lake) == [(1, "b", hour(1), hour(2)), (1, "c", hour(2), None)]


def test_a_version_that_ended_is_not_prolonged_by_what_equals_it(lake: Any) -> None:
    action = replace(DATED, deletes=Deletes.SOFT)
    lake.load(ITEMS, action, [item(1, "a", 1), item(2, "x", 1)])
    assert counts(lake.load(ITEMS, action, [item(2, "x", 1)], clock=hour(4))) == (1, 0, 0, 1, 1)
    found = lake.load(ITEMS, action, [item(1, "a", 4), item(1, "a", 6), item(1, "a", 2), item(2, "x", 1)])
    assert counts(found) == (4, 1, 0, 3, 0)
    assert history(lake)[:2] == [(1, "a", hour(1), hour(4)), (1, "a", hour(4), None)]


def test_histories_that_do_not_fit_into_one_chunk_come_to_the_same(
    lake: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ematix_flow.backends.delta.portions.CHUNK_BYTES", 1)
    lake.load(ITEMS, DATED, [item(id_, "a", 5) for id_ in range(6)])
    given = [[item(id_, v, at) for id_ in range(6)] for at, v in [(7, "c"), (6, "b"), (8, "c"), (3, "z")]]
    assert counts(lake.load(ITEMS, DATED, *given)) == (24, 18, 0, 6, 6)
    one = [("z", hour(3), hour(5)), ("a", hour(5), hour(6)), ("b", hour(6), hour(7)), ("c", hour(7), None)]
    assert history(lake) == [(id_, *version) for id_ in range(6) for version in one]


@pytest.mark.parametrize(
    ("rows", "error"),
    [
        ([item(1, "a", 1), item(1, "b", 1)], DuplicateKeyError),
        ([item(None, "a", 1)], NullKeyError),
        ([item(1, "a", None)], NullKeyError),
    ],
)
def test_an_instant_that_is_told_in_two_ways_or_missing_is_refused(
    lake: Any, rows: list[dict[str, Any]], error: type[LoadError]
) -> None:
    with pytest.raises(error):
        lake.load(ITEMS, DATED, rows)
    assert not lake.exists(ITEMS)


def test_columns_that_nobody_declared_stay_with_their_version(lake: Any) -> None:
    lake.load(ITEMS, DATED, [item(1, "a", 1), item(2, "x", 1)])
    handle = lake.handle(ITEMS)
    handle.alter.add_columns([Field("extra", PrimitiveType("string"))])
    handle.update(updates={"extra": "'kept'"})
    lake.load(ITEMS, DATED, [item(1, "b", 3), item(2, "y", 1)])
    rows = sorted(lake.rows(ITEMS), key=lambda row: (row["id"], row["at"]))
    assert [(row["v"], row["extra"]) for row in rows] == [("a", "kept"), ("b", None), ("y", "kept")]


# --- one commit or none ------------------------------------------------------------------------------


def mark(day: int) -> Watermark:
    return Watermark(cursor="at", value=f"2024-01-{day:02} 00:00:00+00", type=Scalar.TIMESTAMPTZ)


def test_a_changed_watermark_is_kept_though_nothing_changed(lake: Any) -> None:
    lake.load(ITEMS, DATED, [item(1, "a", 1)], watermark=mark(1))
    before = lake.version(ITEMS)
    assert counts(lake.load(ITEMS, DATED, [item(1, "a", 1)], watermark=mark(2))) == (1, 0, 0, 1, 0)
    assert lake.stored(ITEMS, "at", mark(1)) == mark(2).value
    assert lake.version(ITEMS) == before + 1
    assert history(lake) == [(1, "a", hour(1), None)]


def test_an_empty_source_is_refused_before_anything_is_closed(lake: Any) -> None:
    action = replace(CLOCKED, deletes=Deletes.SOFT)
    lake.load(ITEMS, action, [item(1, "a")])
    before = lake.version(ITEMS)
    with pytest.raises(EmptySourceError):
        lake.load(ITEMS, action)
    assert lake.version(ITEMS) == before
    assert counts(lake.load(ITEMS, replace(action, allow_empty_source=True))) == (0, 0, 0, 0, 1)


@pytest.mark.parametrize("action", [CLOCKED, DATED, replace(DATED, deletes=Deletes.SOFT)], ids=str)
def test_a_commit_of_another_writer_fails_the_load_and_loses_nothing(
    lake: Any, action: AddVersions, plan_for: Callable[..., TargetPlan], as_batches: Callable[..., Batches]
) -> None:
    lake.load(ITEMS, action, [item(1, "a", 1)], watermark=mark(1))
    with lake.sink() as sink:
        plan = plan_for(sink.observe(lake.physical(ITEMS, action)), ITEMS, action, mark(2))
        lake.load(ITEMS, replace(action, deletes=None), [item(2, "b", 1)])
        before = history(lake)
        with pytest.raises(LoadError, match="another writer committed to the table meanwhile") as caught:
            sink.load(plan, as_batches(plan, [[item(1, "b", 3)]]))
    assert caught.value.transient
    assert history(lake) == before
    assert lake.stored(ITEMS, "at", mark(1)) == mark(1).value


class SourceDiedError(Exception):
    pass


@pytest.mark.parametrize("action", [CLOCKED, DATED, replace(DATED, deletes=Deletes.SOFT)], ids=str)
def test_a_stream_that_raises_leaves_the_version(
    lake: Any, action: AddVersions, plan_for: Callable[..., TargetPlan], as_batches: Callable[..., Batches]
) -> None:
    lake.load(ITEMS, action, [item(1, "a", 1)])
    before = lake.version(ITEMS)
    with lake.sink() as sink:
        plan = plan_for(sink.observe(lake.physical(ITEMS, action)), ITEMS, action)
        first = as_batches(plan, [[item(1, "b", 2)], [item(2, "c", 2)]])

        def rows() -> Iterator[pa.RecordBatch]:
            yield from first.rows
            raise SourceDiedError("at row 3")

        with pytest.raises(SourceDiedError, match="at row 3"):
            sink.load(plan, Batches(first.schema, rows()))
    assert lake.version(ITEMS) == before
