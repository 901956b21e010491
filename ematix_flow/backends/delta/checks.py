"""Keys checked before the first row is written: none NULL, none in two different rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa

from ematix_flow.backends.delta.incoming import Incoming, given_columns, keys_to_check
from ematix_flow.backends.delta.keys import different_rows, null_keys, repeated_rows, without
from ematix_flow.backends.delta.spool import Spool
from ematix_flow.backends.delta.text import Row, shown, text_rows
from ematix_flow.errors import DuplicateKeyError, NullKeyError
from ematix_flow.plan import TargetPlan

_SAMPLES = 5


@contextmanager
def checked(plan: TargetPlan, incoming: Incoming) -> Iterator[Iterator[pa.RecordBatch]]:
    """The rows, each key once: as they come where that is proven, else from a temporary file after a check.

    Memory of a check: the key columns of all rows and a hash table over them (about 100 bytes a row with
    one 8-byte key); of a key that repeats, each different row.

    Raises:
        NullKeyError: a key column holds NULL.
        DuplicateKeyError: different rows have one key. Identical ones collapse to one.
    """
    if not keys_to_check(plan):
        yield iter(incoming)
        return
    with Spool(incoming.schema) as spool:
        groups = repeated_rows(_staged_keys(plan, incoming, spool))
        if groups:
            _refuse_different(plan, different_rows(spool.batches(), groups))
            dropped = [number for group in groups for number in group[1:]]
            yield without(spool.batches(), pa.array(dropped, pa.int64()))
        else:
            yield spool.batches()


def _staged_keys(plan: TargetPlan, incoming: Incoming, spool: Spool) -> pa.Table:
    """Write every row to the spool; returns the key columns."""
    names = keys_to_check(plan)
    keys = []
    null_count = 0
    samples: list[Row] = []
    for batch in incoming:
        nulls = null_keys(batch, names)
        null_count += nulls.num_rows
        samples += text_rows(nulls.slice(0, _SAMPLES - len(samples)))
        keys.append(batch.select(list(names)))
        spool.write(batch)
    if null_count:
        raise NullKeyError(
            job=plan.job,
            table=plan.table.full_name,
            columns=names,
            count=null_count,
            samples=_shown(plan, samples),
            reason="filter them out, or choose another key",
        )
    return pa.Table.from_batches(keys, pa.schema([incoming.schema.field(name) for name in names]))


def _refuse_different(plan: TargetPlan, different: Sequence[Sequence[Row]]) -> None:
    if different:
        raise DuplicateKeyError(
            job=plan.job,
            table=plan.table.full_name,
            columns=keys_to_check(plan),
            count=len(different),
            samples=tuple(" / ".join(_shown(plan, rows)) for rows in different[:_SAMPLES]),
            reason="make the query return one row a key, or add the column that tells them apart to the key",
        )


def _shown(plan: TargetPlan, rows: Sequence[Row]) -> tuple[str, ...]:
    if not plan.show_values:
        return ("(values hidden)",)
    names = [column.name for column in given_columns(plan)]
    return tuple(shown(row, names) for row in rows)
