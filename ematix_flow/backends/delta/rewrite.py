"""Widening the types of a Delta table, which are fixed in its files: the table is written anew."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, write_deltalake

from ematix_flow.backends.delta.held import live_schema
from ematix_flow.backends.delta.parquet import PARQUET


def widen(handle: DeltaTable, types: Mapping[str, pa.DataType]) -> None:
    """Give columns types that hold every value of the old ones, in one commit on top of `handle`, which moves on to it.

    The rows are streamed from the table into itself. The commit takes no row in or out, so that a load which fails
    after it has lost nothing.

    Raises:
        CommitFailedError: another writer has committed meanwhile.
    """
    live = live_schema(handle)
    schema = pa.schema([field.with_type(types.get(field.name, field.type)) for field in live])
    write_deltalake(
        handle,
        pa.RecordBatchReader.from_stream(handle.scan()).cast(schema),
        mode="overwrite",
        schema_mode="overwrite",
        writer_properties=PARQUET,
        commit_properties=CommitProperties(max_commit_retries=0),
    )
