"""A slice read again, compared as multisets."""

from __future__ import annotations

import math
from collections import Counter
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ematix_flow.backends.delta.slices import missing_rows, slice_predicate
from ematix_flow.plan import ColumnRange
from ematix_flow.spec import Column, Table
from ematix_flow.types import DataType, Scalar

SCHEMA = pa.schema(
    [("id", pa.int64()), ("name", pa.string()), ("x", pa.float64()), ("tags", pa.list_(pa.string()))]
)


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
    found = slice_predicate(window(lower, type_), held(type_))
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
    assert slice_predicate(asked, table) is None


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
    found = missing_rows(table(given_rows), table(held_rows))
    assert found.schema == SCHEMA
    assert multiset(found) == multiset(table(given_rows)) - multiset(table(held_rows))
