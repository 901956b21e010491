"""ADBC's PostgreSQL driver on both sides: Arrow from COPY, and its own ingest into COPY."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
from adbc_driver_postgresql import dbapi

from benchmarks.task import SCHEMA, Done, Task, Work

_NUMERIC = pa.decimal128(12, 2)  # of every numeric column that the benchmarks have


def ingest(task: Task) -> Work:
    """The reader's record batches into `adbc_ingest`; numerics, which it reads as text, are cast to decimals for it.

    Its `commit()` returns silently after an ingest that failed, but the failed ingest itself raises.
    """
    with dbapi.connect(task.target) as target, target.cursor() as cursor:
        cursor.execute(task.create)
        target.commit()

    def work() -> Done:
        with dbapi.connect(task.source) as source, dbapi.connect(task.target) as target:
            with source.cursor() as read, target.cursor() as write:
                read.execute(task.select)
                batches = with_decimals(read.fetch_record_batch())
                rows = write.adbc_ingest(task.dataset, batches, mode="append", db_schema_name=SCHEMA)
            target.commit()
        return Done(rows=rows)

    return work


def with_decimals(reader: pa.RecordBatchReader, keys: Sequence[str] = ()) -> pa.RecordBatchReader:
    """Cast each column that the driver gives as opaque text; say of the keys that none is NULL."""
    fields = [field.with_type(_NUMERIC) if _is_opaque(field) else field for field in reader.schema]
    schema = pa.schema([field.remove_metadata().with_nullable(field.name not in keys) for field in fields])

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in reader:
            columns = [
                column.storage.cast(_NUMERIC) if _is_opaque(field) else column
                for field, column in zip(batch.schema, batch.columns, strict=True)
            ]
            yield pa.record_batch(columns, schema=schema)

    return pa.RecordBatchReader.from_batches(schema, batches())


def _is_opaque(field: pa.Field) -> bool:
    return isinstance(field.type, pa.OpaqueType)
