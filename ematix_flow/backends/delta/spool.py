"""Rows that wait on disk: what must be known before the first of them is written can be learnt meanwhile."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import pyarrow as pa

_COMPRESSED = pa.ipc.IpcWriteOptions(compression="lz4")


class Spool:
    """A temporary Arrow file without a name: it is gone when it is left, or the process ends."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema

    def __enter__(self) -> Self:
        self._file = tempfile.TemporaryFile(prefix="ematix-flow-")
        self._writer = pa.ipc.new_stream(self._file, self._schema, options=_COMPRESSED)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()
        self._file.close()

    def write(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Add rows, before the first reading."""
        self._writer.write(rows)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All rows in the order in which they came; any number of times, one after the other."""
        self._writer.close()
        self._file.seek(0)
        yield from pa.ipc.open_stream(self._file)
