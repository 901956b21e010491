"""Rows by their key: which have none, which share one, which are new to the target, and where they lie. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from ematix_flow.backends.delta.text import Row, text_rows

# Columns that number rows, beside key columns that are numbered too: no user's name can clash.
_ROW, _OTHER = "row", "other"
_LISTED = 1_000


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


# --- keys that are looked for ------------------------------------------------------------------------


def distinct_keys(rows: pa.Table, keys: Sequence[str]) -> pa.Table:
    """Each key once."""
    numbered = _numbered(rows.select(list(keys)))
    names = numbered.column_names[:-1]
    return numbered.group_by(names, use_threads=False).aggregate([]).rename_columns(list(keys))


def key_numbers(keys: pa.Table) -> pa.Array:
    """For each row the number of its key (int64): from 0 on, without a gap, in no order."""
    return same_keys(keys, distinct_keys(keys, keys.column_names), keys.column_names)[1]


def same_keys(rows: pa.Table, others: pa.Table, keys: Sequence[str]) -> tuple[pa.Array, pa.Array]:
    """The numbers of the rows whose key the others have, ascending, and beside each the other's number (int64)."""
    one, other = _numbered(rows.select(list(keys))), _numbered(others.select(list(keys)))
    names = one.column_names[:-1]
    pairs = one.join(other.rename_columns([*names, _OTHER]), names, join_type="inner")
    pairs = pairs.sort_by([(_ROW, "ascending"), (_OTHER, "ascending")])
    return pairs.column(_ROW).combine_chunks(), pairs.column(_OTHER).combine_chunks()


def new_rows(rows: pa.Table, held: Iterable[pa.Table], keys: Sequence[str]) -> pa.Table:
    """The rows whose key is in none of the blocks of held rows."""
    numbered = _numbered(rows.select(list(keys)))
    names = numbered.column_names[:-1]
    for block in held:
        others = block.select(list(keys)).rename_columns(names)
        numbered = numbered.join(others, names, join_type="left anti")
    if numbered.num_rows == rows.num_rows:
        return rows
    return rows.take(numbered.sort_by(_ROW).column(_ROW))


def row_numbers(count: int) -> pa.Array:
    """The numbers from 0 to `count`, which is left out (int64)."""
    return pc.cumulative_sum(pa.repeat(pa.scalar(1, pa.int64()), count), start=-1)


def _numbered(keys: pa.Table) -> pa.Table:
    """The key columns under numbers for names, and the number of each row."""
    names = [str(number) for number in range(keys.num_columns)]
    return keys.rename_columns(names).append_column(_ROW, row_numbers(keys.num_rows))


# --- where they can lie ------------------------------------------------------------------------------


def near(groups: Iterable[pa.Table], keys: Sequence[str]) -> str | None:
    """A condition that every row meets whose key is in one of the groups; None where the types give none.

    It spares a scan the files whose statistics lie outside, and us the rows. Of each group up to `_LISTED` numbers or
    texts are listed (DataFusion overflows its stack at some 30,000); more numbers are bounded.
    """
    conditions = [_near(group, keys) for group in groups if group.num_rows]
    if not all(conditions):
        return None
    return sql.SQL(" or ").join(sql.SQL("({})").format(each) for each in conditions).as_string()


def _near(rows: pa.Table, keys: Sequence[str]) -> sql.Composed | None:
    listed = _LISTED // len(keys)
    conditions = [found for key in keys if (found := _condition(key, rows.column(key).unique(), listed))]
    return sql.SQL(" and ").join(conditions) if conditions else None


def _condition(key: str, values: pa.Array, listed: int) -> sql.Composed | None:
    name, is_number = sql.Identifier(key), pa.types.is_integer(values.type)
    if len(values) <= listed and (is_number or _is_spelled(values)):
        literals = sql.SQL(", ").join(sql.Literal(value) for value in values.to_pylist())
        return sql.SQL("{} in ({})").format(name, literals)
    if is_number:
        limits = pc.min_max(values).as_py()
        return sql.SQL("{} between {} and {}").format(name, limits["min"], limits["max"])
    return None


def _is_spelled(values: pa.Array) -> bool:
    """Whether SQL has a literal for each of the values."""
    return bool(pa.types.is_string(values.type)) and not pc.any(pc.match_substring(values, "\0")).as_py()
