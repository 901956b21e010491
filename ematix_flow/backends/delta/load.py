"""Which rows to write, computed from rows and keys in Arrow; and the predicates that delta-rs evaluates. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from ematix_flow.backends.delta.watermarks import lower_bound
from ematix_flow.plan import ColumnRange
from ematix_flow.spec import Table
from ematix_flow.types import Scalar

Row: TypeAlias = tuple[
    Any, ...
]  # a row's values as text (bytes as bytes, arrays as lists), fit to compare and show
SAMPLES = 5
_SHOWN_CHARACTERS = 80
_ROW = "row"  # the column that numbers rows; all others are numbered too, so no user's name can clash


# --- predicates --------------------------------------------------------------------------------------


def merge_predicate(keys: Sequence[str]) -> str:
    """The condition under which a source row `s` and a target row `t` have one key."""
    conditions = [
        sql.SQL("{} = {}").format(sql.Identifier("t", key), sql.Identifier("s", key)) for key in keys
    ]
    return sql.SQL(" and ").join(conditions).as_string()


def slice_predicate(window: ColumnRange, held: Table) -> str | None:
    """The condition for the rows of the target's own slice; None when all of them are in it.

    Rows that are equal in every column agree in the window's column too, so a slice that is a little too wide (a
    look-back of hours on a date) compares no row wrongly.

    Raises:
        ValueError: the window's lower bound lies outside the years 1 to 9999.
    """
    column = held.column(window.column)
    if column is None or column.type != window.type or window.lower is None:
        return None
    lower = lower_bound(window.lower, window.lookback, window.type)
    is_number = window.type in (Scalar.SMALLINT, Scalar.INTEGER, Scalar.BIGINT)
    value = sql.Literal(int(lower) if is_number else lower)
    return sql.SQL("{} >= {}").format(sql.Identifier(column.name), value).as_string()


# --- keys --------------------------------------------------------------------------------------------


def null_keys(batch: pa.RecordBatch, keys: Sequence[str]) -> pa.RecordBatch:
    """The rows that have NULL in a key column."""
    return batch.filter(reduce(pc.or_, [batch.column(key).is_null() for key in keys]))


def repeated_rows(keys: pa.Table) -> list[list[int]]:
    """For each key that stands in several rows, the numbers of those rows, ascending."""
    names = [str(number) for number in range(keys.num_columns)]
    numbered = keys.rename_columns(names).append_column(_ROW, pa.array(range(keys.num_rows), pa.int64()))
    rows = numbered.group_by(names).aggregate([(_ROW, "list")]).column(f"{_ROW}_list")
    return [sorted(group) for group in rows.filter(pc.greater(pc.list_value_length(rows), 1)).to_pylist()]


def different_rows(
    batches: Iterable[pa.RecordBatch], groups: Sequence[Sequence[int]]
) -> tuple[tuple[Row, ...], ...]:
    """Of each group of row numbers that are not all one and the same row: its distinct rows."""
    group_of = {number: group for group, numbers in enumerate(groups) for number in numbers}
    distinct: dict[int, list[Row]] = {}
    for number, row in _chosen_rows(batches, group_of):
        met = distinct.setdefault(group_of[number], [])
        if row not in met:
            met.append(row)
    return tuple(tuple(rows) for rows in distinct.values() if len(rows) > 1)


def _chosen_rows(batches: Iterable[pa.RecordBatch], wanted: Mapping[int, int]) -> Iterator[tuple[int, Row]]:
    start = 0
    for batch in batches:
        numbers = [number for number in range(start, start + batch.num_rows) if number in wanted]
        start += batch.num_rows
        if numbers:
            chosen = batch.take(pa.array([number - start + batch.num_rows for number in numbers]))
            yield from zip(numbers, text_rows(chosen), strict=True)


def without(batches: Iterable[pa.RecordBatch], dropped: pa.Array) -> Iterator[pa.RecordBatch]:
    """The batches without the rows of the given numbers (int64)."""
    start = 0
    for batch in batches:
        numbers = pa.array(range(start, start + batch.num_rows), pa.int64())
        start += batch.num_rows
        yield batch.filter(pc.invert(pc.is_in(numbers, value_set=dropped))) if len(dropped) else batch


# --- multisets ---------------------------------------------------------------------------------------


def missing_rows(given: pa.Table, held: pa.Table) -> pa.Table:
    """The rows that stand in `given` more often than in `held`, as many times more. One schema; order is free."""
    both = pa.concat_tables([held, given])
    names = [str(number) for number in range(both.num_columns)]
    columns = [_groupable(column) for column in both.columns]
    is_given = pa.array([0] * held.num_rows + [1] * given.num_rows, pa.int64())
    numbered = pa.table([*columns, is_given], names=[*names, "given"])
    numbered = numbered.append_column(_ROW, pa.array(range(both.num_rows), pa.int64()))
    # The held rows stand first, so the last row of a group that lacks rows is a given one.
    groups = numbered.group_by(names).aggregate([("given", "sum"), ("given", "count"), (_ROW, "max")])
    surplus = pc.subtract(pc.multiply(groups.column("given_sum"), 2), groups.column("given_count"))
    lacking = groups.append_column("surplus", surplus).filter(pc.greater(surplus, 0))
    pairs = zip(lacking.column(f"{_ROW}_max").to_pylist(), lacking.column("surplus").to_pylist(), strict=True)
    return both.take(pa.array([row for row, times in pairs for _ in range(times)], pa.int64()))


def _groupable(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Arrow groups by no list; the text of one groups alike."""
    if not pa.types.is_list(column.type):
        return column
    return pa.chunked_array(
        [[None if v is None else repr(v) for v in _as_text(column).to_pylist()]], pa.string()
    )


# --- rows as text ------------------------------------------------------------------------------------


def text_rows(batch: pa.RecordBatch) -> list[Row]:
    """The rows of a batch, fit to compare (NaN equals NaN) and to show; dates of any year."""
    columns = [_as_text(column).to_pylist() for column in batch.columns]
    return list(zip(*columns, strict=True))


def _as_text(array: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    is_list = pa.types.is_list(array.type)
    if pa.types.is_binary(array.type.value_type if is_list else array.type):
        return array
    return array.cast(pa.list_(pa.string()) if is_list else pa.string())


def shown(row: Row, names: Sequence[str]) -> str:
    """A row for an error message: `id=1, name=null`, long values cut."""
    values = ("null" if value is None else str(value)[:_SHOWN_CHARACTERS] for value in row)
    return ", ".join(f"{name}={value}" for name, value in zip(names, values, strict=True))
