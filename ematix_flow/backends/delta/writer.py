"""One commit to one Delta table, from one handle: compare-and-swap."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

from ematix_flow.backends.delta.keys import new_rows, range_predicate
from ematix_flow.backends.delta.spool import Spool

# What is held in memory while keys are compared: rows of the source by size, keys of the target by number.
_CHUNK_BYTES = 64 * 2**20
_BLOCK_ROWS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Writes rows with a watermark and new columns in one commit, on top of the version the handle saw.

    Anything that another writer committed since makes it fail: delta-rs's own retry would let a stale append or
    overwrite through. Each method returns the number of rows it wrote.
    """

    handle: DeltaTable
    schema: pa.Schema  # of the rows; fields that the table lacks become new columns
    watermark: tuple[Transaction, ...]  # without any, the stored one stays as it is
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
        """Add the rows whose key the table does not hold. Keys are unique within `rows`.

        Not delta-rs's MERGE, which holds the whole target in memory to find that out. The rows are compared with the
        target's key columns a chunk at a time, and the new ones wait on disk: the writer may not read the table while
        it writes.
        """
        if not self.handle.count():
            return self.append(rows)
        with Spool(self.schema) as spool:
            for chunk in _chunks(rows, self.schema):
                spool.write(new_rows(chunk, self._held_keys(chunk, keys), keys))
            return self.append(spool.batches())

    def _held_keys(self, chunk: pa.Table, keys: Sequence[str]) -> Iterator[pa.Table]:
        """The target's keys, as far as they lie near the chunk's, in blocks."""
        wanted = pa.schema([self.schema.field(key) for key in keys])
        scan = self.handle.scan(columns=list(keys), predicate=range_predicate(chunk, keys))
        block: list[pa.RecordBatch] = []
        for batch in pa.RecordBatchReader.from_stream(scan):
            block.append(batch.select(list(keys)).cast(wanted))
            if sum(part.num_rows for part in block) >= _BLOCK_ROWS:
                yield pa.Table.from_batches(block)
                block = []
        if block:
            yield pa.Table.from_batches(block)

    @property
    def _must_commit(self) -> bool:
        return bool(self.watermark) or self.adds_columns

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
            commit_properties=CommitProperties(max_commit_retries=0, app_transactions=list(self.watermark)),
        )
        return written


def _started(rows: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch] | None:
    """The rows from the first batch that has any; None when there are none."""
    remaining = iter(rows)
    for batch in remaining:
        if batch.num_rows:
            return chain((batch,), remaining)
    return None


def _chunks(rows: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """The rows in tables of about `_CHUNK_BYTES`, none of them empty."""
    chunk: list[pa.RecordBatch] = []
    size = 0
    for batch in rows:
        if batch.num_rows:
            chunk.append(batch)
            size += batch.nbytes
        if size >= _CHUNK_BYTES:
            yield pa.Table.from_batches(chunk, schema)
            chunk, size = [], 0
    if chunk:
        yield pa.Table.from_batches(chunk, schema)
