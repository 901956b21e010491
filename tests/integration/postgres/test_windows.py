"""A window over a column of every type: what the next run reads, and the values that no watermark can pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from ematix_flow import Incremental, Project
from ematix_flow.errors import PlanError, RunError
from ematix_flow.results import LoadCounts
from ematix_flow.run import run_job
from ematix_flow.types import (
    JSON,
    JSONB,
    UUID,
    Array,
    BigInt,
    Bytes,
    Date,
    Double,
    Float,
    Integer,
    Interval,
    Numeric,
    SmallInt,
    String,
    Text,
    Time,
    Timestamp,
    TimestampTZ,
)

PATHS = ("inside", "stream")


@pytest.fixture
def databases(
    dsn: str, new_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch, path: str
) -> psycopg.Connection:
    """A session on the source; the target is the same database, or another one where rows must travel."""
    monkeypatch.setenv("ORIGIN_DSN", dsn)
    monkeypatch.setenv("TARGET_DSN", new_database() if path == "stream" else dsn)
    session = psycopg.connect(dsn, autocommit=True)
    session.execute("create schema raw")
    return session


@pytest.fixture
def origin(databases: psycopg.Connection) -> Any:
    with databases as session:
        yield session


@pytest.fixture
def load(project: Project) -> Callable[..., Callable[[], tuple[LoadCounts, str | None]]]:
    """Makes a job of a keyless table; running it gives the counts and the watermark."""

    def make(columns: dict[str, Any], query: str, increment: str | Incremental = "v") -> Any:
        project.connection(type("origin", (), {"kind": "postgres", "url": "${ORIGIN_DSN}"}))
        project.connection(type("target", (), {"kind": "postgres", "url": "${TARGET_DSN}"}))
        annotations = {name: type_ | None for name, type_ in columns.items()}
        table = project.table(schema="analytics", name="t")(type("T", (), {"__annotations__": annotations}))

        @project.job(
            name="load",
            target=table,
            source_connection="origin",
            target_connection="target",
            incremental=increment,
        )
        def body() -> str:
            return query

        def run() -> tuple[LoadCounts, str | None]:
            result = run_job(body, project=project).targets[0]
            return result.counts, result.watermark.value if result.watermark else None

        return run

    return make


def insert(session: psycopg.Connection, *values: str) -> None:
    for value in values:
        session.execute(f"insert into raw.t (v) values ({value})")


# Each: the values of a first run, those of a second, and the watermarks after them.
WINDOWS: list[tuple[str, Any, list[str], list[str], str, str]] = [
    ("smallint", SmallInt, ["1", "2"], ["2", "3", "1"], "2", "3"),
    ("integer", Integer, ["-1", "2"], ["2", "3", "-5"], "2", "3"),
    ("bigint", BigInt, ["1", "2"], ["2", "9223372036854775807", "1"], "2", "9223372036854775807"),
    (
        "date",
        Date,
        ["'2024-01-01'", "'2024-01-02'"],
        ["'2024-01-02'", "'2024-01-03'", "'2023-12-31'"],
        "2024-01-02",
        "2024-01-03",
    ),
    (
        "timestamp(0)",
        Timestamp,
        ["'2024-01-01'", "'2024-01-02'"],
        ["'2024-01-02'", "'2024-01-03'", "'2024-01-01'"],
        "2024-01-02 00:00:00",
        "2024-01-03 00:00:00",
    ),
    (
        "timestamptz",
        TimestampTZ,
        ["'2024-01-01Z'", "'2024-01-02 00:00:00.000001Z'"],
        ["'2024-01-02 00:00:00.000001Z'", "'2024-01-02 00:00:00.000002Z'", "'2024-01-02 00:00Z'"],
        "2024-01-02 00:00:00.000001+00",
        "2024-01-02 00:00:00.000002+00",
    ),
    ("text", Text, ["'a'", "'it''s \\'"], ["'it''s \\'", "'z %s {}'", "'a'"], "it's \\", "z %s {}"),
    ("character varying(5)", String[5], ["'a'", "'b'"], ["'b'", "'c'", "'a'"], "b", "c"),
    (
        "uuid",
        UUID,
        ["'00000000-0000-0000-0000-000000000000'", "'00000000-0000-0000-0000-000000000001'"],
        [
            "'00000000-0000-0000-0000-000000000001'",
            "'ffffffff-ffff-ffff-ffff-ffffffffffff'",
            "'00000000-0000-0000-0000-000000000000'",
        ],
        "00000000-0000-0000-0000-000000000001",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
    ),
    ("numeric", Numeric, ["1", "2.50"], ["2.5", "1e30", "1"], "2.50", "1" + 30 * "0"),
    ("numeric(12, 2)", Numeric[12, 2], ["1", "2.5"], ["2.5", "9999999999.99", "1"], "2.50", "9999999999.99"),
    ("real", Float, ["1", "1.1"], ["1.1", "1.2", "1"], "1.1", "1.2"),
    ("double precision", Double, ["0", "0.1"], ["0.1", "0.30000000000000004", "0"], "0.1", "0.30000000000000004"),
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("sql_type", "declared", "first", "second", "mark", "next_mark"), WINDOWS)
def test_a_window_reads_the_tie_and_what_is_new(
    origin: psycopg.Connection,
    load: Any,
    sql_type: str,
    declared: Any,
    first: list[str],
    second: list[str],
    mark: str,
    next_mark: str,
) -> None:
    origin.execute(f"create table raw.t (v {sql_type})")
    insert(origin, *first)
    run = load({"v": declared}, "select v from raw.t")
    counts, watermark = run()
    assert (counts.read, counts.inserted, watermark) == (2, 2, mark)
    tie, new, older = second
    insert(origin, tie, new, older)
    counts, watermark = run()
    assert (counts.read, counts.inserted, counts.unchanged, watermark) == (3, 2, 1, next_mark)


ENDLESS: list[tuple[str, Any, str, str]] = [
    ("date", Date, "'2024-01-01'", "infinity"),
    ("timestamp", Timestamp, "'2024-01-01'", "-infinity"),
    ("timestamptz", TimestampTZ, "'2024-01-01'", "infinity"),
    ("numeric", Numeric, "1", "NaN"),
    ("numeric", Numeric, "1", "Infinity"),
    ("numeric(12, 2)", Numeric[12, 2], "1", "NaN"),
    ("real", Float, "1", "NaN"),
    ("double precision", Double, "1", "-Infinity"),
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("sql_type", "declared", "value", "endless"), ENDLESS)
def test_a_value_without_an_end_stops_the_run(
    origin: psycopg.Connection, load: Any, sql_type: str, declared: Any, value: str, endless: str
) -> None:
    origin.execute(f"create table raw.t (v {sql_type})")
    insert(origin, value)
    run = load({"v": declared}, "select v from raw.t")
    run()
    insert(origin, f"'{endless}'")
    with pytest.raises(RunError, match=f"window column 'v': no watermark can pass the value: {endless}"):
        run()


FIRST: list[tuple[str, Any, str]] = [
    ("boolean", Boolean := __import__("ematix_flow.types", fromlist=["Boolean"]).Boolean, "true"),
]
