"""From the rows of a source to the changes of a target, portion by portion; nothing is written yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import assert_never

import pyarrow as pa
from psycopg import sql

from ematix_flow.backends.delta import merge, versions
from ematix_flow.backends.delta.change import Change
from ematix_flow.backends.delta.held import Held
from ematix_flow.backends.delta.incoming import Incoming
from ematix_flow.backends.delta.keys import distinct_keys, near, same_keys
from ematix_flow.backends.delta.portions import chunks, chunks_by_key
from ematix_flow.backends.delta.versions import Keyed
from ematix_flow.errors import EmptySourceError
from ematix_flow.history import DELETED_AT, IS_CURRENT
from ematix_flow.plan import AddVersions, MergeRows, TargetPlan
from ematix_flow.spec import Deletes


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """The changes that rows make in a table; `rows` are `incoming`, checked.

    Memory: a chunk of the source, with what the target holds of its keys (merge: in blocks; scd2: every version); for
    deletes the key columns of the whole source. The target is read once for each chunk, near the chunk's keys.
    """

    plan: TargetPlan
    action: MergeRows | AddVersions
    incoming: Incoming
    rows: Iterable[pa.RecordBatch]
    held: Held

    def __iter__(self) -> Iterator[Change]:
        """The changes, of a held row one at most.

        Raises:
            EmptySourceError: nothing was read, and everything would count as gone.
        """
        read: list[pa.Table] = []
        for chunk in self._chunks():
            if self.action.deletes is not None:
                read.append(chunk.select(self.action.keys))
            yield from self._present(chunk)
        if self.action.deletes is not None:
            self._refuse_empty()
            yield from self._absent(self.action.deletes, read)

    # --- what was read -------------------------------------------------------------------------------

    def _chunks(self) -> Iterator[pa.Table]:
        match self.action:
            case AddVersions(valid_from=str(), keys=keys):
                return chunks_by_key(self.rows, self.incoming.schema, keys)
            case _:
                return chunks(self.rows, self.incoming.schema)

    def _present(self, chunk: pa.Table) -> Iterator[Change]:
        match self.action:
            case MergeRows() as action:
                yield from merge.merged(action, chunk, self._near(chunk), self.held.schema)
            case AddVersions() as action:
                keys = distinct_keys(chunk, action.keys)
                _, numbers = same_keys(chunk, keys, action.keys)
                given, held = Keyed(rows=chunk, keys=numbers), self._versions(keys)
                yield versions.observed(action, given, held, self.plan.clock)
            case _:
                assert_never(self.action)

    def _versions(self, keys: pa.Table) -> Keyed:
        """Every held version of the keys."""
        found = [Keyed(rows=self.held.schema.empty_table(), keys=pa.array([], pa.int64()))]
        for block in self._near(keys):
            rows, numbers = same_keys(block, keys, self.action.keys)
            found.append(Keyed(rows=block.take(rows), keys=numbers))
        return Keyed(
            rows=pa.concat_tables([each.rows for each in found]),
            keys=pa.concat_arrays([each.keys for each in found]),
        )

    def _near(self, keyed: pa.Table) -> Iterator[pa.Table]:
        """The whole rows of the target among which those with these keys are."""
        return self.held.whole_rows(near([keyed], self.action.keys)) if self.held else iter(())

    # --- what was not --------------------------------------------------------------------------------

    def _refuse_empty(self) -> None:
        if self.incoming.rows == 0 and not self.action.allow_empty_source:
            raise EmptySourceError(
                job=self.plan.job,
                table=self.plan.table.full_name,
                reason="the source is empty, so every row would count as gone; if that is meant, say "
                "allow_empty_source=True",
            )

    def _absent(self, deletes: Deletes, read: Sequence[pa.Table]) -> Iterator[Change]:
        """What becomes of held rows whose key was not read."""
        match self.action, deletes:
            case MergeRows(keys=keys) as action, Deletes.HARD:
                for block in self.held.rows(keys, None):
                    yield merge.deleted(action, block, read, self.held.schema)
            case MergeRows() as action, Deletes.SOFT:
                for block in self.held.whole_rows(self._unmarked()):
                    yield merge.marked(action, block, read, self.plan.clock)
            case AddVersions() as action, _:
                current = sql.Identifier(IS_CURRENT).as_string()
                for block in self.held.whole_rows(current):
                    yield versions.closed(action, block, read, self.plan.clock)

    def _unmarked(self) -> str | None:
        if not self.held.has(DELETED_AT):
            return None
        return sql.SQL("{} is null").format(sql.Identifier(DELETED_AT)).as_string()
