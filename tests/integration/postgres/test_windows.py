"""A window over a column of every type: what the next run reads, and the values that no watermark can pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from psycopg import sql

from ematix_flow import Incremental, Project
from ematix_flow.errors import PlanError, RunError
from ematix_flow.results import TargetResult
from ematix_flow.run import run_job
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
    Interval,
    Numeric,
    SmallInt,
    String,
    Text,
    Time,
    Timestamp,
    TimestampTZ,
)

Run = Callable[[], TargetResult]


@pytest.fixture(params=["inside", "stream"])
def path(request: pytest.FixtureRequest) -> str:
    """Inside the server, or from one database to another."""
    return str(request.param)


@pytest.fixture
def job(databases: Any, project: Project, path: str) -> Callable[..., Run]:
    """Makes a job into a keyless table, and gives a way to run it."""
    databases.connect(project)

    def make(columns: dict[str, Any], query: str, increment: str | Incremental = "v") -> Run:
        annotations = {name: type_ | None for name, type_ in columns.items()}
        table = project.table(schema="analytics", name="t")(type("T", (), {"__annotations__": annotations}))
        decorate = project.job(
            name="load",
            target=table,
            source_connection="origin",
            target_connection="other" if path == "stream" else "origin",
            incremental=increment,
        )
        declared = decorate(lambda: query)
        return lambda: run_job(declared, project=project).targets[0]

    return make


def make_source(databases: Any, columns: str) -> None:
    databases.origin.execute(f"create table raw.t ({columns})")


def insert(databases: Any, *rows: Sequence[str]) -> None:
    for row in rows:
        values = sql.SQL(", ").join(map(sql.SQL, row))
        databases.origin.execute(sql.SQL("insert into raw.t values ({})").format(values))


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
    (
        "double precision",
        Double,
        ["0", "0.1"],
        ["0.1", "0.30000000000000004", "0"],
        "0.1",
        "0.30000000000000004",
    ),
]


@pytest.mark.parametrize(("sql_type", "declared", "first", "second", "mark", "next_mark"), WINDOWS)
def test_a_window_reads_the_tie_and_what_is_new(
    databases: Any,
    job: Callable[..., Run],
    sql_type: str,
    declared: Any,
    first: list[str],
    second: list[str],
    mark: str,
    next_mark: str,
) -> None:
    make_source(databases, f"v {sql_type}")
    insert(databases, *([value] for value in first))
    run = job({"v": declared}, "select v from raw.t")
    result = run()
    assert (result.counts.read, result.counts.inserted) == (2, 2)
    assert result.watermark is not None
    assert result.watermark.value == mark
    insert(databases, *([value] for value in second))
    result = run()
    assert (result.counts.read, result.counts.inserted, result.counts.unchanged) == (3, 2, 1)
    assert result.watermark is not None
    assert result.watermark.value == next_mark


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


@pytest.mark.parametrize(("sql_type", "declared", "value", "endless"), ENDLESS)
def test_a_value_without_an_end_stops_the_run(
    databases: Any, job: Callable[..., Run], sql_type: str, declared: Any, value: str, endless: str
) -> None:
    make_source(databases, f"v {sql_type}")
    insert(databases, [value])
    run = job({"v": declared}, "select v from raw.t")
    run()
    insert(databases, [f"'{endless}'"])
    with pytest.raises(RunError, match=f"window column 'v': no watermark can pass the value: {endless}"):
        run()


# A guard of the window stands beside the columns, whatever the first of them is.
BESIDE: list[tuple[str, Any, str]] = [
    ("smallint", SmallInt, "1"),
    ("boolean", Boolean, "true"),
    ("character varying(3)", String[3], "'a'"),
    ("numeric", Numeric, "1.5"),
    ("numeric(12, 2)", Numeric[12, 2], "1.5"),
    ("text", Numeric[12, 2], "'1.5'"),
    ("date", Timestamp, "'2024-01-01'"),
    ("time", Time, "'12:00'"),
    ("interval", Interval, "'1 h'"),
    ("json", JSON, "'1'"),
    ("jsonb", JSONB, "'1'"),
    ("uuid", UUID, "'00000000-0000-0000-0000-000000000000'"),
    ("bytea", Bytes, "'a'"),
    ("numeric(12, 2)[]", Array[Numeric[12, 2]], "'{1}'"),
    ("uuid[]", Array[UUID], "'{}'"),
    ("json[]", Array[JSON], "array['1']::json[]"),
    ("mood", Text, "'ok'"),
]


@pytest.mark.parametrize("query", ["select f, v from raw.t", "select v from raw.t"], ids=["given", "absent"])
@pytest.mark.parametrize(("sql_type", "declared", "literal"), BESIDE)
def test_a_window_stands_beside_columns_of_any_type(
    databases: Any, job: Callable[..., Run], sql_type: str, declared: Any, literal: str, query: str
) -> None:
    make_source(databases, f"f {sql_type}, v date")
    insert(databases, [literal, "'2024-01-01'"])
    run = job({"f": declared, "v": Date}, query)
    assert run().counts.inserted == 1
    insert(databases, [literal, "'2024-01-01'"], [literal, "'2024-01-02'"])
    counts = run().counts
    assert (counts.read, counts.inserted, counts.unchanged) == (3, 2, 1)
    insert(databases, ["null", "null"])
    with pytest.raises(RunError, match="window column 'v': no watermark can pass the value: NULL"):
        run()


def test_a_window_over_a_column_that_the_target_lacks_compares_all_of_its_rows(
    databases: Any, job: Callable[..., Run]
) -> None:
    make_source(databases, "f text, v date")
    insert(databases, ["'a'", "'2024-01-01'"], ["'b'", "'2024-01-02'"])
    run = job({"f": Text}, "select f, v from raw.t")
    assert run().counts.inserted == 2
    insert(databases, ["'b'", "'2024-01-02'"], ["'c'", "'2024-01-03'"])
    counts = run().counts
    assert (counts.read, counts.inserted, counts.unchanged) == (3, 2, 1)


@pytest.mark.parametrize(("sql_type", "declared"), [("date", Date), ("timestamptz", TimestampTZ)])
def test_a_lookback_finds_what_came_late(
    databases: Any, job: Callable[..., Run], sql_type: str, declared: Any
) -> None:
    make_source(databases, f"v {sql_type}")
    insert(databases, ["'2024-01-01'"], ["'2024-01-05'"])
    run = job({"v": declared}, "select v from raw.t", Incremental(column="v", lookback=timedelta(days=2)))
    run()
    insert(databases, ["'2024-01-03'"], ["'2024-01-02'"])
    counts = run().counts
    assert (counts.read, counts.inserted, counts.unchanged) == (2, 1, 1)


@pytest.mark.parametrize(
    ("sql_type", "declared", "literal"),
    [
        ("boolean", Boolean, "true"),
        ("time", Time, "'12:00'"),
        ("interval", Interval, "'1 h'"),
        ("jsonb", JSONB, "'1'"),
        ("bytea", Bytes, "'a'"),
        ("integer[]", Array[Integer], "'{1}'"),
        ("mood", Text, "'ok'"),
        ("character(3)", Text, "'a'"),
    ],
)
def test_a_type_of_which_no_watermark_is_kept_is_refused(
    databases: Any, job: Callable[..., Run], sql_type: str, declared: Any, literal: str
) -> None:
    make_source(databases, f"v {sql_type}")
    insert(databases, [literal])
    run = job({"v": declared}, "select v from raw.t")
    with pytest.raises(
        RunError, match=r"the window column 'v' is .*, of which no watermark is kept"
    ) as raised:
        run()
    assert isinstance(raised.value.__cause__, PlanError)


def test_a_lookback_from_a_number_is_refused(databases: Any, job: Callable[..., Run]) -> None:
    make_source(databases, "v bigint")
    run = job({"v": BigInt}, "select v from raw.t", Incremental(column="v", lookback=timedelta(hours=1)))
    with pytest.raises(RunError, match="a lookback is a span of time"):
        run()


def test_a_source_without_rows_is_loaded_and_leaves_no_watermark(
    databases: Any, job: Callable[..., Run]
) -> None:
    make_source(databases, "v date")
    result = job({"v": Date}, "select v from raw.t")()
    assert (result.counts.read, result.counts.inserted, result.watermark) == (0, 0, None)
