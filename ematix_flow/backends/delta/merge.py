"""Merging rows by key: which held rows change, and into what. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from ematix_flow.backends.delta.change import Change, none_of, whole, with_columns
from ematix_flow.backends.delta.compare import any_distinct
from ematix_flow.backends.delta.keys import new_rows, row_numbers, same_keys
from ematix_flow.history import DELETED_AT
from ematix_flow.plan import MergeRows
from ematix_flow.spec import Deletes


def merged(
    action: MergeRows, given: pa.Table, held: Iterable[pa.Table], schema: pa.Schema
) -> Iterator[Change]:
    """What a chunk of the source, a row a key, changes: held rows that differ, block by block, then new keys."""
    found = pa.array([], pa.int64())
    for block in held:
        rows, theirs = same_keys(block, given, action.keys)
        found = pa.concat_arrays([found, theirs])
        yield _updated(action, block.take(rows), given.take(theirs))
    is_found = pc.is_in(row_numbers(given.num_rows), value_set=found)
    new = given.filter(pc.invert(is_found))
    yield Change(rows=whole(new, schema), removed=none_of(schema, action.keys), inserted=new.num_rows)


def _updated(action: MergeRows, old: pa.Table, new: pa.Table) -> Change:
    """The held rows that differ from the rows given for them; one that had been found gone is back."""
    stale = any_distinct(old, new, action.update)
    if action.deletes is Deletes.SOFT:
        stale = pc.or_(stale, old.column(DELETED_AT).is_valid())
    old, new = old.filter(stale), new.filter(stale)
    rows = with_columns(old, {name: new.column(name) for name in action.update})
    if action.deletes is Deletes.SOFT:
        rows = with_columns(rows, {DELETED_AT: pa.nulls(rows.num_rows, rows.field(DELETED_AT).type)})
    return Change(rows=rows, removed=old.select(action.keys), updated=rows.num_rows)


def deleted(action: MergeRows, block: pa.Table, read: Sequence[pa.Table], schema: pa.Schema) -> Change:
    """Held rows whose key was not read, which go; the block has the key columns."""
    gone = new_rows(block, read, action.keys)
    return Change(rows=schema.empty_table(), removed=gone, deleted=gone.num_rows)


def marked(action: MergeRows, block: pa.Table, read: Sequence[pa.Table], clock: datetime) -> Change:
    """Held rows whose key was not read, which are marked as deleted; the block has whole rows."""
    unmarked = block.filter(block.column(DELETED_AT).is_null())
    gone = new_rows(unmarked, read, action.keys)
    since = pa.scalar(clock, gone.field(DELETED_AT).type)
    rows = with_columns(gone, {DELETED_AT: pa.repeat(since, gone.num_rows)})
    return Change(rows=rows, removed=gone.select(action.keys), deleted=gone.num_rows)
