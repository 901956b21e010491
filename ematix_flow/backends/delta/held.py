"""What a target table holds: its rows in blocks, at the version that a load is made on top of; nothing before the first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
from deltalake import DeltaTable

from ematix_flow.backends.delta.portions import blocks


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One version of a table, or none where the load makes the table.

    `schema` is that of whole rows: with the columns that the load adds, null so far.
    """

    handle: DeltaTable | None
    schema: pa.Schema

    def __len__(self) -> int:
        """The number of rows."""
        return 0 if self.handle is None else self.handle.count()

    def has(self, name: str) -> bool:
        """Whether the table has this column already."""
        return self.handle is not None and name in live_schema(self.handle).names

    def rows(self, names: Sequence[str], predicate: str | None) -> Iterator[pa.Table]:
        """The rows that meet the predicate, in blocks of these columns; none of the blocks is empty."""
        if self.handle is None:
            return iter(())
        wanted = pa.schema([self.schema.field(name) for name in names])
        scan = self.handle.scan(columns=[name for name in names if self.has(name)], predicate=predicate)
        batches = pa.RecordBatchReader.from_stream(scan)
        return blocks((_whole(batch, wanted) for batch in batches), wanted)

    def whole_rows(self, predicate: str | None) -> Iterator[pa.Table]:
        """The same with all columns."""
        return self.rows(self.schema.names, predicate)


def live_schema(handle: DeltaTable) -> pa.Schema:
    """The table's own schema, as Arrow."""
    return pa.schema(handle.schema().to_arrow())


def _whole(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    columns = [
        batch.column(field.name).cast(field.type)
        if field.name in batch.schema.names
        else pa.nulls(batch.num_rows, field.type)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
