"""One commit to one Delta table, from one handle: compare-and-swap."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Literal

import pyarrow as pa
from deltalake import CommitProperties, Transaction, write_deltalake

from ematix_flow.backends.delta.change import Change
from ematix_flow.backends.delta.held import Held
from ematix_flow.backends.delta.keys import near, new_rows, same_keys
from ematix_flow.backends.delta.parquet import PARQUET
from ematix_flow.backends.delta.portions import chunks
from ematix_flow.backends.delta.spool import Spool
from ematix_flow.backends.delta.store import Store, create_table
from ematix_flow.results import LoadCounts
from ematix_flow.spec import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Writes rows with a watermark and new columns, or the whole new table, in one commit on top of what is held.

    Anything that another writer committed since makes it fail: delta-rs's own retry would let a stale append or
    overwrite through. The methods but `change` return the number of rows they wrote.
    """

    store: Store
    stored: Table
    held: Held
    schema: pa.Schema  # of the rows; fields that the table lacks become new columns
    watermark: tuple[Transaction, ...]  # waits for a commit; without any, the stored one stays as it is
    voids: tuple[Transaction, ...] = ()  # goes with a commit, and does not wait for one
    adds_columns: bool

    def append(self, rows: Iterable[pa.RecordBatch]) -> int:
        """Add rows. Without any there is no commit, unless a watermark, a column or the table waits for one."""
        started = _started(rows)
        if started is None and not self._must_commit:
            return 0
        return self._write(started or (), "append")

    def replace(self, rows: Iterable[pa.RecordBatch]) -> int:
        """Make the table exactly the rows; no rows empty it."""
        started = _started(rows)
        if started is None and not self._must_commit and not self.held:
            return 0
        return self._write(started or (), "overwrite")

    def add_new_keys(self, rows: Iterable[pa.RecordBatch], keys: Sequence[str]) -> int:
        """Add the rows whose key the table does not hold. Keys are unique within `rows`.

        Not delta-rs's MERGE, which holds the whole target in memory to find that out. The rows are compared with the
        target's key columns a chunk at a time, and the new ones wait on disk: the writer may not read the table while
        it writes.
        """
        if not self.held:
            return self.append(rows)
        with Spool(self.schema) as spool:
            for chunk in chunks(rows, self.schema):
                spool.write(new_rows(chunk, self.held.rows(keys, near([chunk], keys)), keys))
            return self.append(spool.batches())

    def replace_slice(self, rows: Iterable[pa.RecordBatch], where: str, keys: Sequence[str]) -> int:
        """Make the rows that meet `where` exactly the given ones, whose keys are unique.

        Raises:
            ValueError: the table holds one of the keys among its other rows.
        """
        if not keys:
            return self._write(rows, "overwrite", where)
        with Spool(self.schema) as spool:
            for chunk in chunks(rows, self.schema):
                self._refuse_elsewhere(chunk, where, keys)
                spool.write(chunk)
            return self._write(spool.batches(), "overwrite", where)

    def _refuse_elsewhere(self, rows: pa.Table, where: str, keys: Sequence[str]) -> None:
        blocks = self.held.rows(keys, near([rows], keys))
        found = [block.take(same_keys(block, rows, keys)[0]) for block in blocks]
        if any(new_rows(each, self.held.rows(keys, where), keys).num_rows for each in found):
            raise ValueError(
                f"the table holds keys ({', '.join(keys)}) of this slice outside of it, and would hold them twice; run "
                "the job without a window"
            )

    def change(self, changes: Iterable[Change], keys: Sequence[str]) -> LoadCounts:
        """Take changes into the table and count them.

        Not delta-rs's MERGE, whose memory grows with source and target (it keeps what it has read of a file until it
        knows whether the file changes): the changed rows, with those that stand near them in the table, are
        overwritten, which takes the same files. Where more than 1,000 keys change, "near" may be everything. All of it
        waits on disk, since the writer may not read the table while it writes.

        Memory: the identity of each changed row, and what the Parquet writer holds. Changing 1,500,000 of 6,000,000
        rows of 0.5 kB took MERGE 2.3 GB streamed and 7.8 GB otherwise, and this 1.7 GB, as for 1,000 rows.
        """
        counts = LoadCounts()
        written: list[pa.Table] = []
        removed: list[pa.Table] = []
        with Spool(self.schema) as spool:
            for change in changes:
                spool.write(change.rows)
                written.append(change.rows.select(list(keys)))
                removed.append(change.removed)
                counts = _added(counts, change)
            if any(each.num_rows for each in removed):
                self._overwrite(spool, pa.concat_tables(written), pa.concat_tables(removed), keys)
            else:
                self.append(spool.batches())
        return counts

    def _overwrite(self, spool: Spool, written: pa.Table, removed: pa.Table, keys: Sequence[str]) -> None:
        """Write the spooled rows in place of the removed ones."""
        where = near([removed, new_rows(written, [removed], keys)], keys)
        for block in self.held.whole_rows(where):
            spool.write(new_rows(block, [removed], removed.column_names))
        self._write(spool.batches(), "overwrite", where)

    @property
    def _must_commit(self) -> bool:
        return bool(self.watermark) or self.adds_columns or self.held.handle is None

    def _write(
        self, rows: Iterable[pa.RecordBatch], mode: Literal["append", "overwrite"], where: str | None = None
    ) -> int:
        """Write rows; to overwrite is to put them in place of those that meet `where`, or of all."""
        written = 0

        def counted() -> Iterator[pa.RecordBatch]:
            nonlocal written
            for batch in rows:
                written += batch.num_rows
                yield batch

        reader = pa.RecordBatchReader.from_batches(self.schema, counted())
        commit = CommitProperties(max_commit_retries=0, app_transactions=[*self.watermark, *self.voids])
        match self.held.handle, mode:
            case None, _:
                create_table(self.store, self.stored, reader, commit)
            case handle, "append":
                write_deltalake(
                    handle,
                    reader,
                    mode="append",
                    schema_mode="merge",
                    writer_properties=PARQUET,
                    commit_properties=commit,
                )
            case handle, "overwrite":
                write_deltalake(
                    handle,
                    reader,
                    mode="overwrite",
                    predicate=where,
                    schema_mode="merge",
                    writer_properties=PARQUET,
                    commit_properties=commit,
                )
        return written


def _started(rows: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch] | None:
    """The rows from the first batch that has any; None when there are none."""
    remaining = iter(rows)
    for batch in remaining:
        if batch.num_rows:
            return chain((batch,), remaining)
    return None


def _added(counts: LoadCounts, change: Change) -> LoadCounts:
    return replace(
        counts,
        inserted=counts.inserted + change.inserted,
        updated=counts.updated + change.updated,
        deleted=counts.deleted + change.deleted,
        closed=counts.closed + change.closed,
    )
