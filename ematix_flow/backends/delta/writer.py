"""One commit to one Delta table, from one handle: compare-and-swap."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

from ematix_flow.backends.delta.load import merge_predicate


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Writes rows with a watermark and new columns in one commit, on top of the version the handle saw.

    Anything that another writer committed since makes it fail: delta-rs's own retry would let a stale append or
    overwrite through. Each method returns the number of rows it wrote.
    """

    handle: DeltaTable
    schema: pa.Schema  # of the rows; fields that the table lacks become new columns
    watermark: Transaction | None  # None leaves the stored one as it is
    adds_columns: bool

    def append(self, rows: Iterable[pa.RecordBatch]) -> int:
        """Add rows. Without any there is no commit, unless a watermark or a column waits for one."""
        started = _started(rows)
        if started is None and not self._must_commit:
            return 0
        return self._write(started or (), "append")

    def replace(self, rows: Iterable[pa.RecordBatch]) -> int:
        """Make the table exactly the rows; no rows empty it."""
        started = _started(rows)
        if started is None and not self._must_commit and not self.handle.count():
            return 0
        return self._write(started or (), "overwrite")

    def add_new_keys(self, rows: Iterable[pa.RecordBatch], keys: Sequence[str]) -> int:
        """Add the rows whose key the table does not hold. Keys are unique within `rows`."""
        if not self.handle.count():
            return self.append(rows)
        before = self.handle.version()
        merger = self.handle.merge(
            pa.RecordBatchReader.from_batches(self.schema, iter(rows)),
            predicate=merge_predicate(keys),
            source_alias="s",
            target_alias="t",
            merge_schema=True,
            commit_properties=self._properties(),
        )
        inserted: int = merger.when_not_matched_insert_all().execute()["num_target_rows_inserted"]
        if self.handle.version() == before:
            self.append(())  # a merge that changes nothing commits nothing, not even a watermark
        return inserted

    @property
    def _must_commit(self) -> bool:
        return self.watermark is not None or self.adds_columns

    def _properties(self) -> CommitProperties:
        transactions = [self.watermark] if self.watermark else None
        return CommitProperties(max_commit_retries=0, app_transactions=transactions)

    def _write(self, rows: Iterable[pa.RecordBatch], mode: Literal["append", "overwrite"]) -> int:
        written = 0

        def counted() -> Iterator[pa.RecordBatch]:
            nonlocal written
            for batch in rows:
                written += batch.num_rows
                yield batch

        write_deltalake(
            self.handle,
            pa.RecordBatchReader.from_batches(self.schema, counted()),
            mode=mode,
            schema_mode="merge",
            commit_properties=self._properties(),
        )
        return written


def _started(rows: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch] | None:
    """The rows from the first batch that has any; None when there are none."""
    remaining = iter(rows)
    for batch in remaining:
        if batch.num_rows:
            return chain((batch,), remaining)
    return None
