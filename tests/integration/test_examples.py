"""The design's two examples, word for word, run twice with new source rows in between."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from support.examples import FOLDER
from support.s3 import Bucket

# A process of its own for each run: the examples declare on the one ready-made project.
RUN = """
import importlib.util, json, sys
from ematix_flow import explain, plan_job, run_job
spec = importlib.util.spec_from_file_location("example", sys.argv[1])
spec.loader.exec_module(importlib.util.module_from_spec(spec))
plan = explain(plan_job(sys.argv[2]))
counts = {t.label: [t.counts.read, t.counts.inserted, t.counts.unchanged] for t in run_job(sys.argv[2]).targets}
print(json.dumps({"plan": plan, "counts": counts}))
"""
Told = dict[str, Any]


def run(example: str, job: str, environ: Mapping[str, str]) -> Told:
    """Plan and run a job of an example; what it told."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(FOLDER / example), job],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: Told = json.loads(done.stdout)
    return told


@pytest.fixture
def events(db: psycopg.Connection) -> psycopg.Connection:
    db.execute("create schema raw")
    db.execute(
        "create table raw.events (event_id bigint primary key, name text, received_at timestamptz not null)"
    )
    add_events(db, 1, 1000)
    return db


def add_events(db: psycopg.Connection, first: int, last: int) -> None:
    db.execute(
        "insert into raw.events select n, case when mod(n, 10) > 0 then 'event ' || n end, "
        "'2026-01-01 00:00Z'::timestamptz + n * interval '1.5 s' from generate_series(%s::int, %s::int) as n",
        [first, last],
    )


def change_the_source(db: psycopg.Connection) -> None:
    """New rows, one of them with a time long past, which no watermark on that column would find."""
    add_events(db, 1001, 1009)
    db.execute("insert into raw.events values (2000, 'late', '2001-01-01 00:00Z')")


def in_postgres(db: psycopg.Connection) -> list[tuple[Any, ...]]:
    return db.execute("select * from analytics.events order by event_id").fetchall()


def in_source(db: psycopg.Connection) -> list[tuple[Any, ...]]:
    return db.execute("select * from raw.events order by event_id").fetchall()


def in_delta(path: str, options: Mapping[str, str] | None = None) -> list[tuple[Any, ...]]:
    table = DeltaTable(path, storage_options=dict(options or {}))
    rows = pa.RecordBatchReader.from_stream(table.scan()).read_all().to_pylist()
    return sorted((row["event_id"], row["name"], row["received_at"]) for row in rows)


def test_the_minimal_example_loses_and_doubles_nothing_and_reads_only_what_is_new(
    events: psycopg.Connection, dsn: str
) -> None:
    environ = {"WAREHOUSE_DSN": dsn}
    first = run("minimal.py", "ingest_events", environ)
    change_the_source(events)
    second = run("minimal.py", "ingest_events", environ)
    assert first["counts"] == {"warehouse:analytics.events": [1000, 1000, 0]}
    assert "window    every row, because the target does not exist yet" in first["plan"]
    assert "window    rows written since transaction" in second["plan"]
    assert second["counts"] == {"warehouse:analytics.events": [10, 10, 0]}
    assert in_postgres(events) == in_source(events)


def both_targets(events: psycopg.Connection, environ: Mapping[str, str], archive: str, options: Any) -> None:
    first = run("fanout.py", "ingest_events_fanout", environ)
    change_the_source(events)
    second = run("fanout.py", "ingest_events_fanout", environ)
    targets = ("warehouse:analytics.events", "s3_archive:analytics.events_archive")
    assert first["counts"] == {target: [1000, 1000, 0] for target in targets}
    assert second["counts"] == {target: [10, 10, 0] for target in targets}
    assert second["plan"].count("window    rows written since transaction") == 2
    assert in_postgres(events) == in_source(events)
    assert in_delta(archive, options) == in_source(events)


def test_the_fan_out_example_feeds_a_local_delta_table_from_the_same_read(
    events: psycopg.Connection, dsn: str, tmp_path: Path
) -> None:
    environ = {"WAREHOUSE_DSN": dsn, "ARCHIVE_URL": str(tmp_path)}
    both_targets(events, environ, f"{tmp_path}/analytics/events_archive", None)


def test_the_fan_out_example_feeds_a_delta_table_on_s3(
    events: psycopg.Connection, dsn: str, s3_bucket: Bucket
) -> None:
    url = f"s3://{s3_bucket.name}/archive"
    environ = {"WAREHOUSE_DSN": dsn, "ARCHIVE_URL": url, **s3_bucket.options}
    both_targets(events, environ, f"{url}/analytics/events_archive", s3_bucket.options)
