"""Random histories of merge and scd2 on a Delta table, beside the meaning of the modes on plain rows."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ematix_flow.plan import Action, AddVersions, MergeRows, Unproven
from ematix_flow.spec import Column, Deletes, Table
from ematix_flow.testing import load_rows
from ematix_flow.types import ListOf, Scalar

TABLE = Table(
    schema="shop",
    name="history",
    columns=(
        Column(name="region", type=Scalar.TEXT, nullable=False),
        Column(name="id", type=Scalar.BIGINT, nullable=False),
        Column(name="v", type=Scalar.TEXT),
        Column(name="tags", type=ListOf(Scalar.BIGINT)),
        Column(name="at", type=Scalar.TIMESTAMPTZ, nullable=False),
    ),
)
KEYS = ("region", "id")
START = datetime(2024, 1, 1, tzinfo=UTC)


def merge(deletes: Deletes | None = None, update: tuple[str, ...] = ("v", "tags", "at")) -> MergeRows:
    return MergeRows(
        keys=KEYS, update=update, deletes=deletes, allow_empty_source=True, uniqueness=Unproven(why="a test")
    )


def versions(
    valid_from: str | None, deletes: Deletes | None = None, compare: tuple[str, ...] = ("v", "tags")
) -> AddVersions:
    return AddVersions(
        keys=KEYS,
        compare=compare,
        valid_from=valid_from,
        deletes=deletes,
        allow_empty_source=True,
        uniqueness=Unproven(why="a test"),
    )


hours = st.integers(0, 6).map(lambda number: START + timedelta(hours=number))
rows = st.fixed_dictionaries(
    {
        "region": st.sampled_from(["a", "it's"]),
        "id": st.integers(1, 2),
        "v": st.sampled_from(["x", "y", None]),
        "tags": st.sampled_from([None, [], [1, None]]),
        "at": hours,
    }
)


def reads(identity: Sequence[str]) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(rows, max_size=8, unique_by=lambda row: tuple(row[name] for name in identity))


def in_order(rows: Sequence[Any]) -> list[Any]:
    return sorted(map(dict, rows), key=lambda row: (row["region"], row["id"], str(row.get("valid_from"))))


@pytest.mark.parametrize(
    "action",
    [
        pytest.param(merge(), id="merge"),
        pytest.param(merge(Deletes.HARD), id="merge, hard deletes"),
        pytest.param(merge(Deletes.SOFT), id="merge, soft deletes"),
        pytest.param(merge(Deletes.SOFT, update=("v",)), id="merge of one column"),
        pytest.param(versions(None), id="scd2"),
        pytest.param(versions(None, Deletes.SOFT), id="scd2, deletes"),
        pytest.param(versions(None, compare=("tags",)), id="scd2 by one column"),
        pytest.param(versions("at"), id="scd2 by time"),
        pytest.param(versions("at", Deletes.SOFT), id="scd2 by time, deletes"),
        pytest.param(versions("at", compare=("v",)), id="scd2 by time and one column"),
    ],
)
@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_a_history_is_what_the_specification_says(
    make_lake: Any, action: Action, data: st.DataObject
) -> None:
    assert isinstance(action, MergeRows | AddVersions)
    identity = action.identity if isinstance(action, AddVersions) else action.keys
    before: Sequence[Any] = ()
    with tempfile.TemporaryDirectory() as home:
        lake = make_lake(home)
        for _ in range(4):
            given_rows, clock = data.draw(reads(identity)), data.draw(hours)
            half = data.draw(st.integers(0, len(given_rows)))
            counts = lake.load(TABLE, action, given_rows[:half], given_rows[half:], clock=clock)
            expected = load_rows(lake.mode(action), before, given_rows, clock)
            before = lake.rows(TABLE)
            assert in_order(before) == in_order(expected.rows)
            assert replace(counts, bytes=0) == expected.counts
