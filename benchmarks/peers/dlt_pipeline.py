"""dlt's sql_database source, as it comes or with its fastest settings; its destinations make tables and columns of their own beside ours."""

from __future__ import annotations

import os
import tempfile
from typing import Any

import dlt
from dlt.sources.sql_database import sql_table

from benchmarks.task import RAW, SCHEMA, Done, Task, Work


def to_postgres(task: Task) -> Work:
    """Into a Postgres destination; parquet files go through ADBC, its default is `insert` statements."""
    formats = {"loader_file_format": task.options["files"]} if "files" in task.options else {}
    return _pipeline(task, dlt.destinations.postgres(task.target), formats)


def to_delta(task: Task) -> Work:
    """Into its filesystem destination, as a Delta table."""
    return _pipeline(task, dlt.destinations.filesystem(task.lake), {"table_format": "delta"})


def _pipeline(task: Task, destination: Any, formats: dict[str, Any]) -> Work:
    os.environ |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR"}
    pipeline = dlt.pipeline(
        pipeline_name="bench",
        pipelines_dir=tempfile.mkdtemp(prefix="dlt-"),
        destination=destination,
        dataset_name=SCHEMA,
    )
    backend = {"backend": task.options["backend"]} if "backend" in task.options else {}

    def work() -> Done:
        table = sql_table(
            credentials=task.source,
            schema=RAW,
            table=task.source_table,
            chunk_size=100_000,
            reflection_level="full_with_precision",
            **backend,
        )
        table.apply_hints(table_name=task.dataset, primary_key=task.keys or None)
        pipeline.run(table, write_disposition="replace", **formats)
        return Done(rows=int(task.options["rows"]))

    return work
