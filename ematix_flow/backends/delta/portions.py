"""Rows in portions, so that memory is bounded whatever their number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack

import pyarrow as pa
import pyarrow.compute as pc

from ematix_flow.backends.delta.keys import key_numbers
from ematix_flow.backends.delta.spool import Spool

# What is held in memory at a time: rows by size, or by number where they are narrow and hash tables are made of them.
CHUNK_BYTES = 64 * 2**20
BLOCK_ROWS = 1_000_000


def chunks(rows: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """The rows of a source in tables of about `CHUNK_BYTES`, none of them empty."""
    chunk: list[pa.RecordBatch] = []
    size = 0
    for batch in rows:
        if batch.num_rows:
            chunk.append(batch)
            size += batch.nbytes
        if size >= CHUNK_BYTES:
            yield pa.Table.from_batches(chunk, schema)
            chunk, size = [], 0
    if chunk:
        yield pa.Table.from_batches(chunk, schema)


def blocks(rows: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """The rows of a target in tables that are as large, or have `BLOCK_ROWS` rows."""
    for chunk in chunks(rows, schema):
        for start in range(0, chunk.num_rows, BLOCK_ROWS):
            yield chunk.slice(start, BLOCK_ROWS)


def chunks_by_key(
    rows: Iterable[pa.RecordBatch], schema: pa.Schema, keys: Sequence[str]
) -> Iterator[pa.Table]:
    """The rows in tables of about `CHUNK_BYTES`, all rows of a key in one of them, and none of them empty.

    Memory: the key columns of all rows and a hash table over them. The rows wait on disk.
    """
    with ExitStack() as stack:
        spool = stack.enter_context(Spool(schema))
        found: list[pa.RecordBatch] = []
        size = 0
        for batch in rows:
            if batch.num_rows:
                spool.write(batch)
                found.append(batch.select(list(keys)))
                size += batch.nbytes
        parts = [stack.enter_context(Spool(schema)) for _ in range(size // CHUNK_BYTES + 1)]
        if found:
            _deal(spool, _part_of(key_numbers(pa.Table.from_batches(found)), len(parts)), parts)
        for part in parts:
            chunk = pa.Table.from_batches(part.batches(), schema)
            if chunk.num_rows:
                yield chunk


def _part_of(numbers: pa.Array, parts: int) -> pa.Array:
    """For each number from 0 on one of so many parts, all of about the same size."""
    return pc.divide(numbers, pc.max(numbers).as_py() // parts + 1)


def _deal(spool: Spool, part_of: pa.Array, parts: Sequence[Spool]) -> None:
    """Write each row to its part."""
    start = 0
    for batch in spool.batches():
        wanted = part_of.slice(start, batch.num_rows)
        start += batch.num_rows
        for number, part in enumerate(parts):
            part.write(batch.filter(pc.equal(wanted, number)))
