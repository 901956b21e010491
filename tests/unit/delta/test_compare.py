"""Values that differ: NULL, NaN, lists, and every type that a Delta table stores."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ematix_flow.backends.delta.compare import any_distinct, distinct


def differ(type_: pa.DataType, one: Any, other: Any) -> bool:
    found = distinct(pa.chunked_array([[one]], type_), pa.chunked_array([[other]], type_)).to_pylist()
    assert found == distinct(pa.chunked_array([[other]], type_), pa.chunked_array([[one]], type_)).to_pylist()
    return bool(found[0])


VALUES = [
    (pa.int16(), 1, 2),
    (pa.int64(), -(2**63), 2**63 - 1),
    (pa.float32(), 0.1, 0.2),
    (pa.float64(), math.inf, -math.inf),
    (pa.float64(), math.nan, 0.0),
    (pa.bool_(), True, False),
    (pa.string(), "", "a"),
    (pa.binary(), b"", b"\x00"),
    (pa.decimal128(38, 10), Decimal("1.1"), Decimal("1.2")),
    (pa.date32(), date(1, 1, 1), date(9999, 12, 31)),
    (pa.timestamp("us"), datetime(2024, 1, 1), datetime(2024, 1, 1, 0, 0, 0, 1)),
    (pa.timestamp("us", "UTC"), datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC)),
    (pa.timestamp("us"), 2**62, 2**62 + 1),
    (pa.list_(pa.int64()), [1, 2], [1, 3]),
    (pa.list_(pa.int64()), [], [None]),
    (pa.list_(pa.string()), ["a"], ["a", "a"]),
    (pa.list_(pa.string()), ["a", None], ["a", "b"]),
    (pa.list_(pa.float64()), [math.nan], [1.0]),
    (pa.list_(pa.binary()), [b"a"], [b"b"]),
    (pa.list_(pa.timestamp("us")), [2**62], [2**62 + 1]),
]


@pytest.mark.parametrize(("type_", "one", "other"), VALUES, ids=str)
def test_a_value_equals_itself_and_differs_from_another_and_from_null(
    type_: pa.DataType, one: Any, other: Any
) -> None:
    assert not differ(type_, one, one)
    assert differ(type_, one, other)
    assert differ(type_, one, None)
    assert not differ(type_, None, None)


def test_the_two_zeros_are_equal() -> None:
    assert not differ(pa.float64(), 0.0, -0.0)
    assert not differ(pa.list_(pa.float64()), [0.0], [-0.0])


lists = st.none() | st.lists(st.none() | st.integers(0, 2), max_size=3)


@given(rows=st.lists(st.tuples(lists, lists)), start=st.integers(0, 3))
def test_lists_differ_as_python_says_in_slices_too(
    rows: list[tuple[list[int | None] | None, list[int | None] | None]], start: int
) -> None:
    one, other = (
        pa.chunked_array([pa.array([row[side] for row in rows], pa.list_(pa.int8()))]) for side in (0, 1)
    )
    found = distinct(one.slice(start), other.slice(start))
    assert found.to_pylist() == [left != right for left, right in rows[start:]]


def test_rows_differ_in_any_of_the_columns_asked_for() -> None:
    one = pa.table({"a": [1, 1, 1], "b": ["x", "x", None], "c": [1, 2, 3]})
    other = pa.table({"a": [1, 2, 1], "b": ["x", "x", None], "c": [0, 0, 0]})
    assert any_distinct(one, other, ["a", "b"]).to_pylist() == [False, True, False]
    assert any_distinct(one, other, []).to_pylist() == [False, False, False]
