"""Which rows are written: keys, multisets and predicates."""

from __future__ import annotations

import math
from collections import Counter
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ematix_flow.backends.delta import load
from ematix_flow.plan import ColumnRange
from ematix_flow.spec import Column, Table
from ematix_flow.types import DataType, Scalar

SCHEMA = pa.schema(
    [("id", pa.int64()), ("name", pa.string()), ("x", pa.float64()), ("tags", pa.list_(pa.string()))]
)


def batch(*rows: tuple[Any, ...]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([dict(zip(SCHEMA.names, row, strict=False)) for row in rows], SCHEMA)


# --- predicates --------------------------------------------------------------------------------------


def test_keys_are_quoted_and_joined() -> None:
    assert load.merge_predicate(["id", 'a "b"']) == '"t"."id" = "s"."id" and "t"."a ""b""" = "s"."a ""b"""'


def window(lower: str | None, type_: DataType) -> ColumnRange:
    return ColumnRange(column="at", type=type_, lower=lower, lookback=timedelta(0), bound=None)


def held(type_: DataType) -> Table:
    return Table(schema="shop", name="events", columns=(Column(name="at", type=type_),))


@pytest.mark.parametrize(
    ("lower", "type_", "predicate"),
    [
        ("2024-01-01 00:00:00+00", Scalar.TIMESTAMPTZ, "\"at\" >= '2024-01-01 00:00:00+00'"),
        ("2024-01-01", Scalar.DATE, "\"at\" >= '2024-01-01'"),
        ("7", Scalar.INTEGER, '"at" >= 7'),
        ("-7", Scalar.BIGINT, '"at" >= -7'),
    ],
)
def test_the_slice_begins_at_the_lower_bound(lower: str, type_: DataType, predicate: str) -> None:
    found = load.slice_predicate(window(lower, type_), held(type_))
    assert found is not None
    assert " ".join(found.split()) == predicate


@pytest.mark.parametrize(
    ("asked", "table"),
    [
        (window(None, Scalar.DATE), held(Scalar.DATE)),
        (window("2024-01-01", Scalar.DATE), held(Scalar.TIMESTAMP)),
        (window("2024-01-01", Scalar.DATE), Table(schema="shop", name="events", columns=())),
    ],
    ids=["no watermark", "another type", "no such column"],
)
def test_every_row_is_in_the_slice_where_it_cannot_be_bounded(asked: ColumnRange, table: Table) -> None:
    assert load.slice_predicate(asked, table) is None


# --- keys --------------------------------------------------------------------------------------------


def test_rows_with_a_null_in_any_key_column_are_found() -> None:
    rows = batch((1, "a"), (None, "b"), (2, None), (None, None))
    assert load.null_keys(rows, ["id", "name"]).column("id").to_pylist() == [None, 2, None]


@given(keys=st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["a", "b", None]))))
def test_repeated_rows_are_the_groups_of_more_than_one(keys: list[tuple[int, str | None]]) -> None:
    table = pa.Table.from_pylist(
        [{"row": one, "row_list": other} for one, other in keys],
        pa.schema([("row", pa.int64()), ("row_list", pa.string())]),
    )
    groups = [[n for n, key in enumerate(keys) if key == wanted] for wanted in dict.fromkeys(keys)]
    assert sorted(load.repeated_rows(table)) == sorted(group for group in groups if len(group) > 1)


def test_identical_rows_are_not_different() -> None:
    twin = (1, "a", math.nan, ["x", None])
    assert load.different_rows([batch(twin), batch((2, "b"), twin)], [[0, 2]]) == ()


@pytest.mark.parametrize(
    "other", [(1, "b", 1.0, ["x"]), (1, None, 1.0, ["x"]), (1, "a", 2.0, ["x"]), (1, "a", 1.0, ["y"])]
)
def test_rows_that_differ_in_one_column_are_different(other: tuple[Any, ...]) -> None:
    (rows,) = load.different_rows([batch((1, "a", 1.0, ["x"]), other)], [[0, 1]])
    assert len(rows) == 2


def test_dates_beyond_the_calendar_compare() -> None:
    far = pa.record_batch({"at": pa.array([2**60, 2**60], pa.timestamp("us"))})
    assert load.different_rows([far], [[0, 1]]) == ()


def test_rows_are_dropped_by_number_across_batches() -> None:
    kept = load.without([batch((0, "a"), (1, "b")), batch((2, "c"))], pa.array([1, 2], pa.int64()))
    assert [found.column("id").to_pylist() for found in kept] == [[0], []]


def test_a_shown_row_names_its_columns_and_cuts_long_values() -> None:
    assert load.shown(("1", None, "x" * 100), ["id", "name", "note"]) == f"id=1, name=null, note={'x' * 80}"


# --- multisets ---------------------------------------------------------------------------------------

rows = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.sampled_from(["a", None]),
        st.sampled_from([0.5, None, math.nan]),
        st.sampled_from([None, (), ("x",), (None,)]),
    ),
    max_size=12,
)


def table(values: list[tuple[Any, ...]]) -> pa.Table:
    dicts = [dict(zip(SCHEMA.names, row, strict=True)) for row in values]
    return pa.Table.from_pylist(dicts, SCHEMA)


def multiset(found: pa.Table) -> Counter[str]:
    return Counter(repr(row) for row in found.to_pylist())


@given(given_rows=rows, held_rows=rows)
def test_missing_rows_are_the_difference_of_multisets(
    given_rows: list[tuple[Any, ...]], held_rows: list[tuple[Any, ...]]
) -> None:
    found = load.missing_rows(table(given_rows), table(held_rows))
    assert found.schema == SCHEMA
    assert multiset(found) == multiset(table(given_rows)) - multiset(table(held_rows))
