"""Rows by their key: which have none, which share one, and which are new to the target. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from ematix_flow.backends.delta.text import Row, text_rows

_ROW = "row"  # a column that numbers rows, beside key columns that are numbered too: no user's name can clash


def null_keys(batch: pa.RecordBatch, keys: Sequence[str]) -> pa.RecordBatch:
    """The rows that have NULL in a key column."""
    return batch.filter(reduce(pc.or_, [batch.column(key).is_null() for key in keys]))


# --- keys that repeat --------------------------------------------------------------------------------


def repeated_rows(keys: pa.Table) -> list[list[int]]:
    """For each key that stands in several rows, the numbers of those rows, ascending. No key is NULL."""
    numbered = _numbered(keys)
    names = numbered.column_names[:-1]
    # One thread: with more, each builds a hash table of its own.
    groups = numbered.group_by(names, use_threads=False)
    if groups.aggregate([]).num_rows == keys.num_rows:
        return []
    counts = groups.aggregate([(_ROW, "count")])
    repeated = counts.filter(pc.greater(counts.column(f"{_ROW}_count"), 1)).select(names)
    rows = numbered.join(repeated, names, join_type="left semi").group_by(names).aggregate([(_ROW, "list")])
    return [sorted(group) for group in rows.column(f"{_ROW}_list").to_pylist()]


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
        places = [place for place in range(batch.num_rows) if start + place in wanted]
        if places:
            rows = text_rows(batch.take(pa.array(places)))
            yield from ((start + place, row) for place, row in zip(places, rows, strict=True))
        start += batch.num_rows


def without(batches: Iterable[pa.RecordBatch], dropped: pa.Array) -> Iterator[pa.RecordBatch]:
    """The batches without the rows of the given numbers (int64)."""
    start = 0
    for batch in batches:
        numbers = pa.array(range(start, start + batch.num_rows), pa.int64())
        start += batch.num_rows
        yield batch.filter(pc.invert(pc.is_in(numbers, value_set=dropped)))


# --- keys that are new to the target -----------------------------------------------------------------


def new_rows(rows: pa.Table, held: Iterable[pa.Table], keys: Sequence[str]) -> pa.Table:
    """The rows whose key is in none of the blocks of held keys, which have just the key columns."""
    numbered = _numbered(rows.select(list(keys)))
    names = numbered.column_names[:-1]
    for block in held:
        numbered = numbered.join(block.rename_columns(names), names, join_type="left anti")
    return rows.take(numbered.sort_by(_ROW).column(_ROW))


def range_predicate(rows: pa.Table, keys: Sequence[str]) -> str | None:
    """A condition that every held row with one of these keys meets; None where the types give none.

    It spares the scan the files whose statistics lie outside. Only numbers are bounded: text and times gain less,
    and their literals would have to be spelled as DataFusion reads them.
    """
    bounds = []
    for key in keys:
        column = rows.column(key)
        if pa.types.is_integer(column.type):
            limits = pc.min_max(column).as_py()
            bounds.append(
                sql.SQL("{} between {} and {}").format(sql.Identifier(key), limits["min"], limits["max"])
            )
    return sql.SQL(" and ").join(bounds).as_string() if bounds else None


def _numbered(keys: pa.Table) -> pa.Table:
    """The key columns under numbers for names, and the number of each row."""
    names = [str(number) for number in range(keys.num_columns)]
    return keys.rename_columns(names).append_column(_ROW, pa.array(range(keys.num_rows), pa.int64()))
