"""Rows whose keys must be checked before the first of them is written: kept in a temporary file meanwhile."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self

import pyarrow as pa

from ematix_flow.backends.delta import load
from ematix_flow.backends.delta.incoming import Incoming, keys_to_check
from ematix_flow.errors import DuplicateKeyError, NullKeyError
from ematix_flow.plan import TargetPlan


class Staging:
    """A temporary Arrow file, gone when it is left or the process ends.

    Memory: the key columns of all rows; of a key that repeats, one row for each different one.
    """

    def __init__(self, plan: TargetPlan) -> None:
        self._plan = plan
        self._keys = keys_to_check(plan)
        self._null_count = 0
        self._null_samples: list[load.Row] = []

    def __enter__(self) -> Self:
        self._file = tempfile.TemporaryFile(prefix="ematix-flow-")  # closed by __exit__
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def distinct(self, incoming: Incoming) -> Iterator[pa.RecordBatch]:
        """The rows, each key once: identical rows collapse to one.

        Raises:
            NullKeyError: a key column holds NULL.
            DuplicateKeyError: different rows have one key.
        """
        keys = self._fill(incoming)
        if self._null_count:
            raise NullKeyError(
                job=self._plan.job,
                table=self._plan.table.full_name,
                columns=self._keys,
                count=self._null_count,
                samples=self._shown(self._null_samples),
                reason="filter them out, or choose another key",
            )
        groups = load.repeated_rows(keys)
        if groups:
            self._refuse_different(groups)
        dropped = [number for group in groups for number in group[1:]]
        return load.without(self._batches(), pa.array(dropped, pa.int64()))

    def _fill(self, incoming: Incoming) -> pa.Table:
        """Write every row to the file; returns the key columns."""
        keys = []
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with pa.ipc.new_stream(self._file, incoming.schema, options=options) as writer:
            for batch in incoming:
                self._note_nulls(load.null_keys(batch, self._keys))
                keys.append(batch.select(list(self._keys)))
                writer.write_batch(batch)
        return pa.Table.from_batches(keys, pa.schema([incoming.schema.field(key) for key in self._keys]))

    def _note_nulls(self, rows: pa.RecordBatch) -> None:
        wanted = load.SAMPLES - len(self._null_samples)
        self._null_count += rows.num_rows
        self._null_samples += load.text_rows(rows.slice(0, wanted))

    def _batches(self) -> Iterator[pa.RecordBatch]:
        self._file.seek(0)
        yield from pa.ipc.open_stream(self._file)

    def _refuse_different(self, groups: Sequence[Sequence[int]]) -> None:
        different = load.different_rows(self._batches(), groups)
        if not different:
            return
        raise DuplicateKeyError(
            job=self._plan.job,
            table=self._plan.table.full_name,
            columns=self._keys,
            count=len(different),
            samples=tuple(" / ".join(self._shown(rows)) for rows in different[: load.SAMPLES]),
            reason="make the query return one row a key, or add the column that tells them apart to the key",
        )

    def _shown(self, rows: Sequence[load.Row]) -> tuple[str, ...]:
        if not self._plan.show_values:
            return ("(values hidden)",)
        names = [column.name for column in self._plan.stored.columns]
        return tuple(load.shown(row, names) for row in rows)
