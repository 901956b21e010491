"""Swapping `target_connection` from Postgres to Delta is a one-word change and gives the same rows."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import time
from pathlib import Path
from typing import Annotated, Any

import psycopg
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from psycopg.rows import dict_row

from ematix_flow import Job, Project, pk, run_job
from ematix_flow.types import (
    JSON,
    JSONB,
    UUID,
    Array,
    BigInt,
    Boolean,
    Bytes,
    Date,
    Double,
    Float,
    Integer,
    Numeric,
    SmallInt,
    String,
    Text,
    Time,
    Timestamp,
    TimestampTZ,
)

pytestmark = pytest.mark.filterwarnings("ignore::ematix_flow.LiteralPasswordWarning")

SOURCE = """
create schema raw;
create table raw.samples (
    id bigint primary key, small smallint, number integer, real real, double double precision, truth boolean,
    note text, code varchar(8), amount numeric(12, 2), wide numeric(38, 10), day date, moment time,
    local_time timestamp, instant timestamptz, doc json, docb jsonb, uid uuid, blob bytea, numbers integer[],
    words text[], amounts numeric(12, 2)[]);
insert into raw.samples values
    (1, 32767, 2147483647, 1.5, 0.1, true, 'plain', 'code', 12.30, 1234567890123456789012345678.0123456789,
     '2026-02-28', '23:59:59.999999', '2026-01-01 12:00:00.000001', '2026-01-01 12:00:00.000001+02',
     '{"b": 1,  "a": [1, 2]}', '{"b": 1, "a": null}', '6f9619ff-8b86-d011-b42d-00cf4fc964ff', '\\x00ff10',
     '{1,2,3}', '{"a","with \\"quotes\\"",NULL,""}', '{1.10,NULL,-3.00}'),
    (2, -32768, -2147483648, -0.0, -0.0, false, '', '', -0.01, -0.0000000001, '0001-01-01', '00:00:00',
     '1970-01-01 00:00:00', '1969-12-31 23:59:59.999999+00', '[]', '"text"', '00000000-0000-0000-0000-000000000000',
     '', '{}', '{}', '{}'),
    (3, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null,
     null, null),
    (4, 0, 0, 'NaN', '-Infinity', true, E'emoji 🐘, tab\\t, line\\nbreak, "quote", comma,, \\\\.', 'ünïcödé', 0.00, 0,
     '9999-12-31', '12:34:56', '9999-12-31 23:59:59.999999', '9999-12-31 23:59:59.999999+00', 'null', '{}',
     'ffffffff-ffff-ffff-ffff-ffffffffffff', '\\xdeadbeef', '{-1,NULL}', '{NULL}', '{9999999999.99}');
"""


def sample_job(
    project: Project, dsn: str, lake: str, target_connection: str, origin: str | None = None
) -> Job:
    project.connection(type("warehouse", (), {"kind": "postgres", "url": dsn}))
    project.connection(type("origin", (), {"kind": "postgres", "url": origin or dsn}))
    project.connection(type("lake", (), {"kind": "delta_local", "path": lake}))

    @project.table(schema="analytics")
    class Samples:
        id: Annotated[BigInt, pk()]
        small: SmallInt | None
        number: Integer | None
        real: Float | None
        double: Double | None
        truth: Boolean | None
        note: Text | None
        code: String[8] | None
        amount: Numeric[12, 2] | None
        wide: Numeric[38, 10] | None
        day: Date | None
        moment: Time | None
        local_time: Timestamp | None
        instant: TimestampTZ | None
        doc: JSON | None
        docb: JSONB | None
        uid: UUID | None
        blob: Bytes | None
        numbers: Array[Integer] | None
        words: Array[Text] | None
        amounts: Array[Numeric[12, 2]] | None

    @project.job(
        name="samples", target=Samples, target_connection=target_connection, source_connection="origin"
    )
    def samples() -> str:
        return "select * from raw.samples"

    return samples


def comparable(value: Any) -> Any:
    """A value as both backends can be compared: the types that a Delta table keeps as text, as text."""
    match value:
        case uuid.UUID() | time():
            return time.isoformat(value, "microseconds") if isinstance(value, time) else str(value)
        case float():
            return repr(value)  # tells -0.0 from 0.0, and NaN equals itself
        case memoryview():
            return bytes(value)
        case _:
            return value


def in_postgres(db: psycopg.Connection, table: str) -> list[dict[str, Any]]:
    texts = "doc::text as doc, docb::text as docb"
    with db.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(f"select *, {texts} from {table} order by id").fetchall()  # type: ignore[arg-type]  # noqa: S608  # the test's own names
    return [{name: comparable(value) for name, value in row.items()} for row in rows]


def in_delta(path: str) -> list[dict[str, Any]]:
    rows = pa.RecordBatchReader.from_stream(DeltaTable(path).scan()).read_all().to_pylist()
    return sorted(
        ({name: comparable(value) for name, value in row.items()} for row in rows), key=lambda row: row["id"]
    )


def test_a_one_word_swap_gives_the_same_values_of_every_type(
    db: psycopg.Connection, dsn: str, tmp_path: Path
) -> None:
    db.execute(SOURCE)  # type: ignore[arg-type]  # the test's own text
    expected = in_postgres(db, "raw.samples")
    run_job(sample_job(project := Project(), dsn, str(tmp_path), "warehouse"), project=project)
    run_job(sample_job(project := Project(), dsn, str(tmp_path), "lake"), project=project)
    assert in_postgres(db, "analytics.samples") == expected
    assert in_delta(f"{tmp_path}/analytics/samples") == expected


def test_batches_that_travel_to_another_postgres_give_the_same_values_too(
    db: psycopg.Connection, dsn: str, new_database: Callable[[], str], tmp_path: Path
) -> None:
    db.execute(SOURCE)  # type: ignore[arg-type]  # the test's own text
    other = new_database()
    job = sample_job(project := Project(), other, str(tmp_path), "warehouse", origin=dsn)
    run_job(job, project=project)
    with psycopg.connect(other) as session:
        assert in_postgres(session, "analytics.samples") == in_postgres(db, "raw.samples")


def test_json_keeps_its_text_on_both_sides(db: psycopg.Connection, dsn: str, tmp_path: Path) -> None:
    db.execute(SOURCE)  # type: ignore[arg-type]  # the test's own text
    run_job(sample_job(project := Project(), dsn, str(tmp_path), "lake"), project=project)
    (first, *_) = in_delta(f"{tmp_path}/analytics/samples")
    assert first["doc"] == '{"b": 1,  "a": [1, 2]}'
    assert json.loads(first["docb"]) == {"a": None, "b": 1}
