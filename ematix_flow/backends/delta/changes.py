"""From the rows of a source to the changes of a target: portion by portion, nothing is written yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

from ematix_flow.backends.delta import merge
from ematix_flow.backends.delta.change import Change
from ematix_flow.backends.delta.held import Held
from ematix_flow.backends.delta.incoming import Incoming
from ematix_flow.backends.delta.keys import near
from ematix_flow.backends.delta.portions import chunks
from ematix_flow.plan import MergeRows, TargetPlan


def merge_changes(
    plan: TargetPlan, action: MergeRows, incoming: Incoming, rows: Iterable[pa.RecordBatch], held: Held
) -> Iterator[Change]:
    """What rows, one a key, change in a table.

    The target is read once for each chunk of the source, near the chunk's keys. Memory: a chunk, a block of the
    target, and with deletes the key columns of all rows.

    Raises:
        EmptySourceError: nothing was read, and everything would be deleted.
    """
    read: list[pa.Table] = []
    for chunk in chunks(rows, incoming.schema):
        if action.deletes is not None:
            read.append(chunk.select(action.keys))
        blocks = held.whole_rows(near(chunk, action.keys)) if held else ()
        yield from merge.merged(action, chunk, blocks, held.schema)
    if action.deletes is None or not held:
        _refuse_empty(plan, action, incoming)
        return


