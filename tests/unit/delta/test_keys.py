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
    distinct_keys,
    key_numbers,
    near,
    new_rows,
    null_keys,
    repeated_rows,
    same_keys,
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


# --- keys that are looked for ------------------------------------------------------------------------


@given(rows=st.lists(pairs), others=st.lists(pairs))
def test_same_keys_pairs_every_row_with_every_other_of_its_key(
    rows: list[tuple[int, str]], others: list[tuple[int, str]]
) -> None:
    found = same_keys(keyed(rows), keyed(others), KEYS.names)
    wanted = [(i, j) for i, row in enumerate(rows) for j, other in enumerate(others) if row == other]
    assert list(zip(*(column.to_pylist() for column in found), strict=True)) == wanted


@given(rows=st.lists(pairs, min_size=1))
def test_key_numbers_number_the_distinct_keys(rows: list[tuple[int, str]]) -> None:
    numbers = key_numbers(keyed(rows)).to_pylist()
    assert len(set(zip(numbers, rows, strict=True))) == len(set(numbers)) == len(set(rows))
    assert set(numbers) == set(range(len(set(rows))))
    assert distinct_keys(keyed(rows), KEYS.names).num_rows == len(set(rows))


# --- where they can lie ------------------------------------------------------------------------------


def condition(*groups: pa.Table, keys: tuple[str, ...] = ("a.b c", "name")) -> str | None:
    found = near(groups, keys)
    return None if found is None else " ".join(found.split())


def test_few_numbers_and_texts_are_listed() -> None:
    rows = pa.table({"a.b c": pa.array([3, -1, 3], pa.int32()), "name": ["x", "it's", "x"]})
    assert condition(rows) == """("a.b c" in (3, -1) and "name" in ('x', 'it''s'))"""


def test_many_numbers_are_bounded_and_many_texts_are_not() -> None:
    rows = pa.table({"a.b c": range(1001), "name": [str(n) for n in range(1001)]})
    assert condition(rows) == """("a.b c" between 0 and 1000)"""
    assert condition(rows, keys=("name",)) is None


def test_keys_lie_in_either_group_and_an_empty_one_has_none() -> None:
    group = pa.table({"id": [1]})
    assert (
        condition(group, group.slice(1), pa.table({"id": [7]}), keys=("id",))
        == '("id" in (1)) or ("id" in (7))'
    )


def test_one_group_that_may_lie_anywhere_bounds_nothing() -> None:
    numbers, texts = pa.table({"id": [1], "name": ["x"]}), pa.table({"id": [2], "name": ["nul \0"]})
    assert condition(numbers, texts, keys=("name",)) is None


@pytest.mark.parametrize("values", [[1.5], [True], [b"x"]])
def test_other_types_bound_nothing(values: list[Any]) -> None:
    assert condition(pa.table({"id": values}), keys=("id",)) is None
