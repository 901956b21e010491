"""Whether values differ, NULL being equal to NULL and NaN to NaN. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

from ematix_flow.backends.delta.keys import row_numbers


def any_distinct(one: pa.Table, other: pa.Table, names: Sequence[str]) -> pa.Array:
    """For each pair of rows whether they differ in any of the columns; false where there are none."""
    differ = (distinct(one.column(name), other.column(name)) for name in names)
    return reduce(pc.or_, differ, pa.repeat(pa.scalar(False), one.num_rows))


def distinct(one: pa.ChunkedArray, other: pa.ChunkedArray) -> pa.Array:
    """For each pair of values of one type whether they differ."""
    return _distinct(one.combine_chunks(), other.combine_chunks())


def _distinct(one: pa.Array, other: pa.Array) -> pa.Array:
    if pa.types.is_list(one.type):
        return _distinct_lists(one, other)
    differ = pc.not_equal(one, other)
    if pa.types.is_floating(one.type):
        differ = pc.and_(differ, pc.invert(pc.and_(pc.is_nan(one), pc.is_nan(other))))
    # One NULL leaves the comparison NULL, and then they differ; two of them do not.
    return pc.fill_null(differ, pc.xor(one.is_null(), other.is_null()))


def _distinct_lists(one: pa.ListArray, other: pa.ListArray) -> pa.Array:
    """Lists differ in their length (a NULL has none), or in an element."""
    differ = _distinct(pc.list_value_length(one), pc.list_value_length(other))
    alike = pc.invert(differ)
    left, right = one.filter(alike), other.filter(alike)
    elements = _distinct(left.flatten(), right.flatten())
    changed = pc.list_parent_indices(left).filter(elements).unique()
    places = pc.indices_nonzero(alike).take(changed).cast(pa.int64())
    return pc.or_(differ, pc.is_in(row_numbers(len(one)), value_set=places))
