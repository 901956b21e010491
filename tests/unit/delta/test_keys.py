"""Rows by their key: nulls, repetitions, and what is new to the target."""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ematix_flow.backends.delta.keys import (
    different_rows,
    new_rows,
    null_keys,
    range_predicate,
    repeated_rows,
    without,
)
from ematix_flow.backends.delta.text import shown

SCHEMA = pa.schema(
    [("id", pa.int64()), ("name", pa.string()), ("x", pa.float64()), ("tags", pa.list_(pa.string()))]
)


def batch(*rows: tuple[Any, ...]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([dict(zip(SCHEMA.names, row, strict=False)) for row in rows], SCHEMA)


def test_rows_with_a_null_in_any_key_column_are_found() -> None:
    rows = batch((1, "a"), (None, "b"), (2, None), (None, None))
    assert null_keys(rows, ["id", "name"]).column("id").to_pylist() == [None, 2, None]


@given(keys=st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["a", "b"]))))
def test_repeated_rows_are_the_groups_of_more_than_one(keys: list[tuple[int, str]]) -> None:
    table = pa.Table.from_pylist(
        [{"row": one, "row_list": other} for one, other in keys],
        pa.schema([("row", pa.int64()), ("row_list", pa.string())]),
    )
    groups = [[n for n, key in enumerate(keys) if key == wanted] for wanted in dict.fromkeys(keys)]
    assert sorted(repeated_rows(table)) == sorted(group for group in groups if len(group) > 1)


def test_identical_rows_are_not_different() -> None:
    twin = (1, "a", math.nan, ["x", None])
    assert different_rows([batch(twin), batch((2, "b"), twin)], [[0, 2]]) == ()


@pytest.mark.parametrize(
    "other", [(1, "b", 1.0, ["x"]), (1, None, 1.0, ["x"]), (1, "a", 2.0, ["x"]), (1, "a", 1.0, ["y"])]
)
def test_rows_that_differ_in_one_column_are_different(other: tuple[Any, ...]) -> None:
    (rows,) = different_rows([batch((1, "a", 1.0, ["x"]), other)], [[0, 1]])
    assert len(rows) == 2


def test_dates_beyond_the_calendar_compare() -> None:
    far = pa.record_batch({"at": pa.array([2**60, 2**60], pa.timestamp("us"))})
    assert different_rows([far], [[0, 1]]) == ()


def test_rows_are_dropped_by_number_across_batches() -> None:
    kept = without([batch((0, "a"), (1, "b")), batch((2, "c"))], pa.array([1, 2], pa.int64()))
    assert [found.column("id").to_pylist() for found in kept] == [[0], []]


def test_a_shown_row_names_its_columns_and_cuts_long_values() -> None:
    assert shown(("1", None, "x" * 100), ["id", "name", "note"]) == f"id=1, name=null, note={'x' * 80}"


# --- keys that are new -------------------------------------------------------------------------------

KEYS = pa.schema([("row", pa.int64()), ("name", pa.string())])
pairs = st.tuples(st.integers(0, 4), st.sampled_from(["a", "b"]))


def keyed(values: list[tuple[int, str]], schema: pa.Schema = KEYS) -> pa.Table:
    return pa.Table.from_pylist([dict(zip(KEYS.names, value, strict=True)) for value in values], schema)


@given(rows=st.lists(pairs, unique=True), held=st.lists(st.lists(pairs), max_size=3))
def test_new_rows_are_those_whose_key_no_block_holds(
    rows: list[tuple[int, str]], held: list[list[tuple[int, str]]]
) -> None:
    found = new_rows(keyed(rows), [keyed(block) for block in held], KEYS.names)
    there = {pair for block in held for pair in block}
    assert [tuple(row.values()) for row in found.to_pylist()] == [row for row in rows if row not in there]


def test_a_row_travels_whole_arrays_included() -> None:
    rows = pa.Table.from_batches([batch((1, "a", 0.5, ["x"]), (2, "b", None, None))])
    held = pa.table({"id": pa.array([1, None], pa.int64())})
    assert new_rows(rows, [held], ["id"]).to_pylist() == [{"id": 2, "name": "b", "x": None, "tags": None}]


def test_the_scan_is_bounded_by_numbers() -> None:
    rows = pa.table({'a "b"': pa.array([3, -1, 7], pa.int32()), "name": ["x", "y", "z"]})
    found = range_predicate(rows, ['a "b"', "name"])
    assert found is not None
    assert " ".join(found.split()) == '"a ""b""" between -1 and 7'


def test_a_key_without_numbers_bounds_nothing() -> None:
    assert range_predicate(pa.table({"name": ["x"]}), ["name"]) is None
