"""Every column type with its edges on every path: what arrives has the same text as what left, or is refused by name."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any

import psycopg
import pyarrow as pa
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from ematix_flow import Project, pk
from ematix_flow.errors import EmatixError, RunError
from ematix_flow.plan import ArrowStream, InsertSelect, StagedSelect
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

ZERO, FULL = uuid.UUID(int=0), uuid.UUID(int=2**128 - 1)


# --- two databases, and a table in the first ----------------------------------------------------------


@dataclass(frozen=True)
class Databases:
    """Sessions on two databases of one server; a job reads the origin, and writes to it or to the other one."""

    origin: psycopg.Connection
    other: psycopg.Connection


@pytest.fixture(scope="module")
def both(server: str) -> Iterator[Databases]:
    """Two databases that the module's tests share, since making one takes longer than most of them."""
    names = [f"test_types_{secrets.token_hex(6)}" for _ in range(2)]
    parts = conninfo_to_dict(server)
    settings = "-c TimeZone=UTC -c DateStyle=ISO -c IntervalStyle=postgres -c extra_float_digits=1"
    with psycopg.connect(server, autocommit=True) as admin, ExitStack() as open_sessions:
        for name in names:
            admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        yield Databases(
            *(
                open_sessions.enter_context(
                    psycopg.connect(**{**parts, "dbname": name, "options": settings}, autocommit=True)
                )
                for name in names
            )
        )
        for name in names:
            admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.fixture
def databases(both: Databases, monkeypatch: pytest.MonkeyPatch) -> Databases:
    """The two databases, empty."""
    for name, session in (("ORIGIN_DSN", both.origin), ("OTHER_DSN", both.other)):
        session.execute("drop schema if exists raw, analytics, ematix_flow cascade")
        session.execute("create schema raw")
        session.execute("create type raw.mood as enum ('sad', 'ok')")
        monkeypatch.setenv(name, f"{session.info.dsn} password={session.info.password}")
    return both


PATHS = {"insert": InsertSelect, "staged": StagedSelect, "stream": ArrowStream}


def make_source(databases: Databases, path: str, sql_type: str, literals: tuple[str, ...]) -> None:
    """`raw.t (n, v)`; without a key its rows are staged."""
    key = sql.SQL("primary key" if path != "staged" else "")
    databases.origin.execute(
        sql.SQL("create table raw.t (n bigint {}, v {})").format(key, sql.SQL(sql_type))  # type: ignore[arg-type]  # a test's own type
    )
    for n, literal in enumerate(literals):
        insert = sql.SQL("insert into raw.t values ({}, {})").format(n, sql.SQL(literal))  # type: ignore[arg-type]  # a test's own literal
        databases.origin.execute(insert)


def load(project: Project, path: str, declared: Any) -> TargetResult:
    """Run a job from `raw.t` into `analytics.t`, and see that it took the path."""
    project.connection(type("origin", (), {"kind": "postgres", "url": "${ORIGIN_DSN}"}))
    project.connection(type("other", (), {"kind": "postgres", "url": "${OTHER_DSN}"}))
    columns = {"n": Annotated[BigInt, pk()], "v": declared | None}
    table = project.table(schema="analytics")(type("T", (), {"__annotations__": columns}))

    @project.job(
        name="load",
        target=table,
        source_connection="origin",
        target_connection="other" if path == "stream" else "origin",
    )
    def body() -> str:
        return "select n, v from raw.t"

    result = run_job(body, project=project).targets[0]
    assert result.plan is not None
    assert type(result.plan.path) is PATHS[path]
    return result


def texts(session: psycopg.Connection, schema: str) -> list[tuple[int, str | None]]:
    query = sql.SQL("select n, v::text from {} order by n").format(sql.Identifier(schema, "t"))
    return session.execute(query).fetchall()


# --- the same text on both sides ----------------------------------------------------------------------

FAITHFUL: list[tuple[str, Any, tuple[str, ...]]] = [
    ("smallint", SmallInt, ("-32768", "32767", "0", "null")),
    ("integer", Integer, ("-2147483648", "2147483647", "null")),
    ("bigint", BigInt, ("-9223372036854775808", "9223372036854775807", "null")),
    (
        "real",
        Float,
        ("'NaN'", "'Infinity'", "'-Infinity'", "'-0'", "1.1", "3.4028235e38", "1e-45", "16777217", "null"),
    ),
    (
        "double precision",
        Double,
        ("'NaN'", "'Infinity'", "'-Infinity'", "'-0'", "0.1", "1.7976931348623157e308", "5e-324", "null"),
    ),
    ("boolean", Boolean, ("true", "false", "null")),
    (
        "text",
        Text,
        (
            *(
                "''",
                "null",
                "'a,b'",
                "'\"quoted\"'",
                "E'a\\nb'",
                "E'a\\rb'",
                "E'a\\r\\nb'",
                "E'\\n'",
                "E'\\t'",
            ),
            *(
                "E'\\\\.'",
                "E'x\\n\\\\.\\ny'",
                "E'\\\\N'",
                "'NULL'",
                "' led by a blank '",
                "'😀 é ß'",
                "'%s {} $1'",
            ),
        ),
    ),
    ("text", Text, ("repeat('long ', 20000)",)),
    ("character varying", Text, ("'a'", "null")),
    ("character varying(3)", String[3], ("''", "'abc'", "'😀😀😀'", "'\"'", "null")),
    (
        "numeric",
        Numeric,
        (
            "0",
            "1.10",
            "-0.00",
            "1e-20",
            "'NaN'",
            "'Infinity'",
            "'-Infinity'",
            "repeat('9', 60)::numeric + 0.5",
            "null",
        ),
    ),
    ("numeric(12, 2)", Numeric[12, 2], ("9999999999.99", "-9999999999.99", "1.1", "0", "null")),
    ("numeric(38, 38)", Numeric[38, 38], ("0." + 38 * "9", "0", "null")),
    ("numeric(38, 0)", Numeric[38, 0], (38 * "9", "-" + 38 * "9", "null")),
    ("numeric(50, 10)", Numeric[50, 10], (40 * "9" + ".9999999999", "'NaN'", "null")),
    ("date", Date, ("'2024-02-29'", "'0001-01-01'", "'9999-12-31'", "null")),
    ("time", Time, ("'00:00'", "'23:59:59.999999'", "null")),
    (
        "timestamp",
        Timestamp,
        ("'2024-02-29 12:00:00.000001'", "'0001-01-01'", "'9999-12-31 23:59:59.999999'", "null"),
    ),
    ("timestamp(3)", Timestamp, ("'2024-02-29 12:00:00.123456'", "null")),
    (
        "timestamptz",
        TimestampTZ,
        ("'2024-02-29 12:00:00.000001+05:30'", "'0001-01-01Z'", "'9999-12-31 23:59:59.999999Z'", "null"),
    ),
    (
        "interval",
        Interval,
        (
            *("'0'", "'-1 month'", "'1 year -2 days 03:04:05.000006'", "'-00:00:00.000001'"),
            *("'-178000000 years'", "'200000 hours'", "'-2562046 hours'", "null"),
        ),
    ),
    ("json", JSON, ('\'{"a": 1, "a":2}\'', "' [1,  2]'", "'null'", "'\"x\\ny\"'", "null")),
    ("jsonb", JSONB, ('\'{"b": 1, "a":2}\'', "'1e400'", "'null'", "'\"😀\"'", "null")),
    ("uuid", UUID, (f"'{ZERO}'", f"'{FULL}'", "null")),
    ("bytea", Bytes, ("''", "'\\x00ff0a0d5c2e22'", "null")),
    ("smallint[]", Array[SmallInt], ("'{}'", "'{1,null,-3}'", "null")),
    ("integer[]", Array[Integer], ("'{}'", "'{1,null,-3}'", "null")),
    ("bigint[]", Array[BigInt], ("'{}'", "'{1,null,-3}'", "'{null}'", "null")),
    ("real[]", Array[Float], ("'{1.1,NaN,Infinity,-0,null,16777217}'", "null")),
    ("double precision[]", Array[Double], ("'{0.1,NaN,-Infinity,-0,1e-300}'", "null")),
    ("boolean[]", Array[Boolean], ("'{t,f,null}'", "null")),
    (
        "text[]",
        Array[Text],
        ("array['', null, 'null', 'NULL', 'a,b', ' x ', '{', '\"', E'\\\\', E'a\\nb', '😀']", "'{}'", "null"),
    ),
    ("character varying(3)[]", Array[String[3]], ("'{abc}'", "null")),
    ("character varying(3)[]", Array[Text], ("'{abc}'", "null")),
    ("numeric[]", Array[Numeric], ("'{1.10,NaN,null,Infinity}'", "null")),
    ("numeric(12, 2)[]", Array[Numeric[12, 2]], ("'{1.1,null,-3}'", "null")),
    ("date[]", Array[Date], ("'{2024-02-29,null}'", "null")),
    ("time[]", Array[Time], ("'{12:00:00.000001,null}'", "null")),
    ("timestamp[]", Array[Timestamp], ("'{2024-02-29 12:00:00.000001,null}'", "null")),
    ("timestamptz[]", Array[TimestampTZ], ("'{2024-02-29 12:00:00.000001Z,null}'", "null")),
    ("interval[]", Array[Interval], ("'{-1 mon,null,1 day -00:00:01}'", "null")),
    ("json[]", Array[JSON], ("array['{\"a\": 1}', 'null', null]::json[]", "null")),
    ("jsonb[]", Array[JSONB], ("array['{\"a\": 1}', 'null', null]::jsonb[]", "null")),
    ("uuid[]", Array[UUID], (f"'{{{ZERO},null}}'", "'{}'", "null")),
    ("bytea[]", Array[Bytes], ("array['\\x00ff'::bytea, '', null]", "null")),
    # types that cannot be declared travel as text
    ("raw.mood", Text, ("'sad'", "null")),
    ("raw.mood[]", Array[Text], ("'{sad}'", "null")),
    ("raw.mood", String[3], ("'sad'", "null")),
    ("inet", Text, ("'10.0.0.1/8'", "null")),
    ("money", Text, ("1.5", "null")),
    ("int4range", Text, ("'[1,3)'", "null")),
    ("time with time zone", Text, ("'12:00+02'", "null")),
    ("point", Text, ("'(1,2)'", "null")),
    ("bit(3)", Text, ("'101'", "null")),
    # casts without loss
    ("smallint", BigInt, ("-32768", "null")),
    ("real", Double, ("1.1", "'NaN'", "null")),
    ("uuid", Text, (f"'{FULL}'", "null")),
    ("jsonb", JSON, ("'{\"a\": 1}'", "null")),
    ("timestamptz", Text, ("'2024-01-01 00:00Z'", "'infinity'", "null")),
    ("integer[]", Text, ("'{1,2}'", "null")),
    ("bytea", Text, ("'\\x00ff'", "null")),
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("sql_type", "declared", "literals"), FAITHFUL)
def test_a_value_arrives_as_it_left(
    databases: Databases, project: Project, path: str, sql_type: str, declared: Any, literals: tuple[str, ...]
) -> None:
    make_source(databases, path, sql_type, literals)
    load(project, path, declared)
    target = databases.other if path == "stream" else databases.origin
    if (sql_type, declared) == ("real", Double):
        expected = databases.origin.execute(
            "select n, v::double precision::text from raw.t order by n"
        ).fetchall()
    else:
        expected = texts(databases.origin, "raw")
    assert texts(target, "analytics") == expected


# What Arrow cannot carry without turning it into something else, and the words in which it is refused.
NOT_CARRIED: list[tuple[str, Any, str, str]] = [
    ("numeric(12, 2)", Numeric[12, 2], "'NaN'", "column 'v': a value does not fit .*'NaN'"),
    ("date", Date, "'infinity'", "column 'v': record batches cannot carry the value: infinity"),
    ("date", Date, "'-infinity'", "column 'v': record batches cannot carry the value: -infinity"),
    ("date", Date, "'0044-03-15 BC'", "column 'v': .*'-0043-03-15' lies outside the years 1 to 9999"),
    ("date", Date, "'10000-01-01'", "column 'v': .*'10000-01-01' lies outside the years 1 to 9999"),
    ("date", Date, "'5874897-12-31'", "column 'v': .*lies outside the years 1 to 9999"),
    ("time", Time, "'24:00'", "column 'v': .*lies outside a day"),
    ("timestamp", Timestamp, "'infinity'", "column 'v': record batches cannot carry the value: infinity"),
    ("timestamp", Timestamp, "'4713-01-01 BC'", "column 'v': .*'-4712-01-01 .*outside the years"),
    ("timestamp", Timestamp, "'10000-01-01'", "column 'v': .*'10000-01-01 .*outside the years"),
    ("timestamp", Timestamp, "'294276-12-31 23:59:59.999999'", "column 'v': .*outside the years 1 to 9999"),
    (
        "timestamptz",
        TimestampTZ,
        "'-infinity'",
        "column 'v': record batches cannot carry the value: -infinity",
    ),
    ("timestamptz", TimestampTZ, "'0001-12-31 23:59Z BC'", "column 'v': .*outside the years 1 to 9999"),
    (
        "timestamptz",
        TimestampTZ,
        "'294276-12-31 23:59:59.999999Z'",
        "column 'v': .*outside the years 1 to 9999",
    ),
    (
        "interval",
        Interval,
        "'3000000 hours'",
        "column 'v': record batches cannot carry the value: 3000000:00:00",
    ),
    (
        "interval",
        Interval,
        "'-3000000 hours'",
        "column 'v': record batches cannot carry the value: -3000000:",
    ),
    (
        "integer[]",
        Array[Integer],
        "'{{1,2},{3,4}}'",
        r"column 'v': record batches cannot carry .*\{\{1,2\},\{3,4\}\}",
    ),
    (
        "integer[]",
        Array[Integer],
        "'[0:1]={1,2}'",
        r"column 'v': record batches cannot carry the value: \[0:1\]=",
    ),
    ("date[]", Array[Date], "'{2024-01-01,infinity}'", "column 'v': record batches cannot carry the value"),
    ("date[]", Array[Date], "'{0044-03-15 BC}'", "column 'v': .*outside the years 1 to 9999"),
    ("time[]", Array[Time], "'{24:00}'", "column 'v': .*lies outside a day"),
    ("timestamp[]", Array[Timestamp], "'{10000-01-01}'", "column 'v': .*outside the years 1 to 9999"),
    (
        "timestamptz[]",
        Array[TimestampTZ],
        "'{-infinity}'",
        "column 'v': record batches cannot carry the value",
    ),
    ("interval[]", Array[Interval], "'{3000000 hours}'", "column 'v': record batches cannot carry the value"),
    ("numeric(12, 2)[]", Array[Numeric[12, 2]], "'{NaN}'", "column 'v': a value does not fit .*'NaN'"),
]


@pytest.mark.parametrize(("sql_type", "declared", "literal", "reason"), NOT_CARRIED)
def test_what_batches_cannot_carry_is_refused_by_name(
    databases: Databases, project: Project, sql_type: str, declared: Any, literal: str, reason: str
) -> None:
    make_source(databases, "stream", sql_type, ("null", literal))
    with pytest.raises(RunError, match=reason):
        load(project, "stream", declared)
    assert databases.other.execute("select to_regclass('analytics.t')").fetchone() == (None,)


@pytest.mark.parametrize("path", ["insert", "staged"])
@pytest.mark.parametrize(("sql_type", "declared", "literal", "reason"), NOT_CARRIED)
def test_the_same_value_is_copied_inside_the_server(
    databases: Databases, project: Project, path: str, sql_type: str, declared: Any, literal: str, reason: str
) -> None:
    make_source(databases, path, sql_type, ("null", literal))
    load(project, path, declared)
    assert texts(databases.origin, "analytics") == texts(databases.origin, "raw")


@pytest.mark.parametrize("path", PATHS)
def test_a_null_in_the_only_column_is_a_row(databases: Databases, project: Project, path: str) -> None:
    make_source(databases, path, "text", ("null", "''", "'a'", "E'\\\\.'", "null"))
    project.connection(type("origin", (), {"kind": "postgres", "url": "${ORIGIN_DSN}"}))
    project.connection(type("other", (), {"kind": "postgres", "url": "${OTHER_DSN}"}))

    @project.table(schema="analytics")
    class T:
        v: Text | None

    @project.job(
        name="load",
        target=T,
        source_connection="origin",
        target_connection="other" if path == "stream" else "origin",
        incremental=False,
    )
    def body() -> str:
        return "select v from raw.t"

    run_job(body, project=project)
    target = databases.other if path == "stream" else databases.origin
    found = target.execute("select v from analytics.t").fetchall()
    assert sorted(found, key=repr) == sorted([(None,), ("",), ("a",), ("\\.",), (None,)], key=repr)


# --- casts that are checked ---------------------------------------------------------------------------

FITTING: list[tuple[str, Any, str, str]] = [
    ("bigint", Integer, "2147483647", "2147483647"),
    ("bigint", Integer, "-2147483648", "-2147483648"),
    ("bigint", SmallInt, "-32768", "-32768"),
    ("integer", Numeric[3, 1], "-99", "-99.0"),
    ("numeric", Numeric[12, 2], "1.500", "1.50"),
    ("numeric", Numeric[12, 2], "11/100.0", "0.11"),
    ("numeric(12, 2)", Numeric[4, 2], "-99.99", "-99.99"),
    ("text", Numeric[12, 2], "'1.230'", "1.23"),
    ("text", Numeric, "'1e-30'", "0." + 29 * "0" + "1"),
    ("text", Integer, "' 12 '", "12"),
    ("text", Boolean, "'yes'", "true"),
    ("text", Date, "'2024-02-29'", "2024-02-29"),
    ("text", TimestampTZ, "'2024-02-29 12:00+02'", "2024-02-29 10:00:00+00"),
    ("text", Interval, "'1 day'", "1 day"),
    ("text", JSONB, "'{\"a\":1}'", '{"a": 1}'),
    ("text", UUID, f"upper('{FULL}')", str(FULL)),
    ("text", String[3], "'😀😀😀'", "😀😀😀"),
    ("character varying(9)", String[3], "'abc'", "abc"),
    ("date", Timestamp, "'2024-02-29'", "2024-02-29 00:00:00"),
    ("json", JSONB, '\'{"b":1, "a":1}\'', '{"a": 1, "b": 1}'),
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("sql_type", "declared", "literal", "expected"), FITTING)
def test_a_value_that_fits_is_cast(
    databases: Databases,
    project: Project,
    path: str,
    sql_type: str,
    declared: Any,
    literal: str,
    expected: str,
) -> None:
    make_source(databases, path, sql_type, (literal, "null"))
    load(project, path, declared)
    target = databases.other if path == "stream" else databases.origin
    assert texts(target, "analytics") == [(0, expected), (1, None)]


MISFITS: list[tuple[str, Any, str, str]] = [
    ("bigint", Integer, "2147483648", "column 'v': a value does not fit .*: 2147483648"),
    ("bigint", Integer, "-2147483649", "column 'v': a value does not fit .*: -2147483649"),
    ("integer", SmallInt, "32768", "column 'v': a value does not fit .*: 32768"),
    ("integer", Numeric[3, 1], "100", "column 'v': a value does not fit .*: 100"),
    ("numeric", Numeric[10, 2], "1.005", "column 'v': a value does not fit .*: 1.005"),
    ("numeric", Numeric[4, 2], "-100", "column 'v': a value does not fit .*: -100"),
    ("numeric", Numeric[4, 2], "'Infinity'", "column 'v': a value does not fit .*: Infinity"),
    ("numeric", Numeric[50, 1], "1.55", "column 'v': a value does not fit .*: 1.55"),
    ("numeric(12, 4)", Numeric[4, 2], "1.234", "column 'v': a value does not fit .*: 1.234"),
    ("text", Numeric[12, 2], "'1.234'", "column 'v': a value does not fit .*: 1.234"),
    ("text", Numeric[4, 2], "'100'", "column 'v': a value does not fit .*: 100"),
    ("text", String[3], "'abcd'", "column 'v': a value does not fit .*: abcd"),
    ("text", String[3], "'abc '", "column 'v': a value does not fit .*: abc "),
    ("character varying(9)", String[3], "'😀😀😀😀'", "column 'v': a value does not fit .*: 😀😀😀😀"),
    ("raw.mood", String[2], "'sad'", "column 'v': a value does not fit .*: sad"),
    ("text", Date, "'2024-01-01 15:00'", "column 'v': a value does not fit .*: 2024-01-01 15:00"),
    ("text", Integer, "'1.5'", 'invalid input syntax for type integer: "1.5"'),
    ("text", UUID, "'zz'", 'invalid input syntax for type uuid: "zz"'),
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("sql_type", "declared", "literal", "reason"), MISFITS)
def test_a_value_that_does_not_fit_is_refused(
    databases: Databases, project: Project, path: str, sql_type: str, declared: Any, literal: str, reason: str
) -> None:
    make_source(databases, path, sql_type, ("null", literal))
    with pytest.raises(RunError, match=reason):
        load(project, path, declared)
    for session in (databases.origin, databases.other):
        assert session.execute("select to_regclass('analytics.t')").fetchone() == (None,)


@pytest.mark.parametrize("path", PATHS)
def test_nan_passes_the_guard_of_the_scale_inside_the_server(
    databases: Databases, project: Project, path: str
) -> None:
    make_source(databases, path, "numeric", ("'NaN'",))
    load(project, path, Numeric[50, 2])
    target = databases.other if path == "stream" else databases.origin
    assert texts(target, "analytics") == [(0, "NaN")]


# --- batches that a body yields -----------------------------------------------------------------------


def in_list(elements: pa.Array) -> pa.Array:
    """One row that holds all elements; pyarrow makes no list of extension types from Python values."""
    return pa.ListArray.from_arrays([0, len(elements)], elements)


def load_batches(project: Project, declared: Any, *arrays: pa.Array) -> None:
    project.connection(type("origin", (), {"kind": "postgres", "url": "${ORIGIN_DSN}"}))
    columns = {"n": Annotated[BigInt, pk()], "v": declared | None}
    table = project.table(schema="analytics")(type("T", (), {"__annotations__": columns}))

    @project.job(name="load", target=table, target_connection="origin")
    def body() -> Any:
        n = 0
        for array in arrays:
            yield pa.record_batch({"n": range(n, n + len(array)), "v": array})
            n += len(array)

    run_job(body, project=project)


YIELDED: list[tuple[Any, pa.Array, list[str | None]]] = [
    (SmallInt, pa.array([255, None], pa.uint8()), ["255", None]),
    (BigInt, pa.array([2**63 - 1], pa.uint64()), ["9223372036854775807"]),
    (BigInt, pa.array(["12", None]), ["12", None]),
    (Float, pa.array([1.1, float("nan"), float("-inf")], pa.float32()), ["1.1", "NaN", "-Infinity"]),
    (Float, pa.array([1.5], pa.float16()), ["1.5"]),
    (Double, pa.array([0.1, -0.0, 5e-324, float("inf")]), ["0.1", "-0", "5e-324", "Infinity"]),
    (Double, pa.array([7], pa.int32()), ["7"]),
    (Boolean, pa.array([True, None]), ["true", None]),
    (
        Text,
        pa.array([None, "", '"', "\\.", "x\n\\.\ny", "\r", "\r\n", "\\N", "NULL", " ", "a,b", "😀"]),
        [*(None, "", '"', "\\.", "x\n\\.\ny", "\r", "\r\n", "\\N", "NULL", " ", "a,b", "😀")],
    ),
    (Text, pa.array([None, None]), [None, None]),
    (Text, pa.array(["a"], pa.large_string()), ["a"]),
    (Text, pa.array(["a"], pa.string_view()), ["a"]),
    (Text, pa.array(["a", "b", "a"]).dictionary_encode(), ["a", "b", "a"]),
    (Text, pa.array([1, None]), ["1", None]),
    (String[3], pa.array(["😀😀😀"]), ["😀😀😀"]),
    (Numeric, pa.array([Decimal("1E-7"), Decimal("1.5")]), ["0.0000001", "1.5000000"]),
    (Numeric, pa.array(["NaN", "Infinity"]), ["NaN", "Infinity"]),
    (Numeric[12, 2], pa.array([Decimal("1.230")]), ["1.23"]),
    (Numeric[12, 2], pa.array([7, -3]), ["7.00", "-3.00"]),
    (Numeric[50, 1], pa.array(["1.50", "NaN", None, "1.5e1"]), ["1.5", "NaN", None, "15.0"]),
    (Numeric[50, 10], pa.array([Decimal("1.5")]), ["1.5000000000"]),
    (Date, pa.array([date.min, date.max, None]), ["0001-01-01", "9999-12-31", None]),
    (Date, pa.array([86_400_000], pa.date64()), ["1970-01-02"]),
    (Time, pa.array([86_399_999_999], pa.time64("us")), ["23:59:59.999999"]),
    (Time, pa.array([3600], pa.time32("s")), ["01:00:00"]),
    (Timestamp, pa.array([1000], pa.timestamp("ns")), ["1970-01-01 00:00:00.000001"]),
    (Timestamp, pa.array([date(2024, 2, 29)]), ["2024-02-29 00:00:00"]),
    (TimestampTZ, pa.array([0], pa.timestamp("us", tz="Asia/Tokyo")), ["1970-01-01 00:00:00+00"]),
    (TimestampTZ, pa.array(["2024-01-01 00:00:00+02"]), ["2023-12-31 22:00:00+00"]),
    (Interval, pa.array([pa.MonthDayNano([-1, 2, -3000])]), ["-1 mons +2 days -00:00:00.000003"]),
    (JSON, pa.array(['{"a":  1}']), ['{"a":  1}']),
    (JSONB, pa.ExtensionArray.from_storage(pa.json_(), pa.array(['{"a":1}', None])), ['{"a": 1}', None]),
    (UUID, pa.array([FULL.bytes, None], pa.uuid()), [str(FULL), None]),
    (UUID, pa.array([str(FULL)]), [str(FULL)]),
    (Bytes, pa.array([b"", None, b'\x00\xff\n,"']), ["\\x", None, "\\x00ff0a2c22"]),
    (Bytes, pa.array([b"ab"], pa.binary(2)), ["\\x6162"]),
    (Bytes, pa.array([b"ab"], pa.binary_view()), ["\\x6162"]),
    (Array[BigInt], pa.array([[], None, [1, None]]), ["{}", None, "{1,NULL}"]),
    (Array[BigInt], pa.array([[1]], pa.large_list(pa.int32())), ["{1}"]),
    (
        Array[Text],
        pa.array([["a", None, '"', "\\", "", "NULL", ",{}"]]),
        ['{a,NULL,"\\"","\\\\","","NULL",",{}"}'],
    ),
    (Array[Text], pa.array([[None]], pa.list_(pa.null())), ["{NULL}"]),
    (Array[Text], pa.array([["a"], ["b"]], pa.list_(pa.dictionary(pa.int8(), pa.string())))[1:], ["{b}"]),
    (Array[Numeric[12, 2]], pa.array([[Decimal("1.10"), None]]), ["{1.10,NULL}"]),
    (Array[Numeric], pa.array([[Decimal("1.10")]]), ["{1.10}"]),
    (Array[UUID], in_list(pa.array([FULL.bytes, None, ZERO.bytes], pa.uuid())), [f"{{{FULL},NULL,{ZERO}}}"]),
    (Array[JSON], in_list(pa.ExtensionArray.from_storage(pa.json_(), pa.array(["{}"]))), ['{"{}"}']),
    (Array[Bytes], pa.array([[b"\x00\xff", None]]), ['{"\\\\x00ff",NULL}']),
    (Array[TimestampTZ], pa.array([[datetime(2024, 1, 1, tzinfo=UTC)]]), ['{"2024-01-01 00:00:00+00"}']),
    (Array[Interval], pa.array([[pa.MonthDayNano([1, -2, 3000])]]), ['{"1 mon -2 days +00:00:00.000003"}']),
]


@pytest.mark.parametrize(("declared", "array", "expected"), YIELDED)
def test_a_yielded_value_arrives(
    databases: Databases, project: Project, declared: Any, array: pa.Array, expected: list[str | None]
) -> None:
    load_batches(project, declared, array)
    assert texts(databases.origin, "analytics") == list(enumerate(expected))


def test_a_column_may_start_with_a_batch_of_nulls(databases: Databases, project: Project) -> None:
    load_batches(project, Text, pa.array([None]), pa.array(["a"]))
    assert texts(databases.origin, "analytics") == [(0, None), (1, "a")]


NOT_YIELDED: list[tuple[Any, tuple[pa.Array, ...], str]] = [
    (BigInt, (pa.array([2**63], pa.uint64()),), "column 'v': .*9223372036854775808 not in range"),
    (Integer, (pa.array([2**31]),), "column 'v': .*2147483648 not in range"),
    (SmallInt, (pa.array([1.0]),), "column 'v': the source gives .* could lose information"),
    (BigInt, (pa.array(["1.5"]),), "column 'v': .*'1.5'"),
    (Float, (pa.array([1.1]),), "column 'v': the source gives .* could lose information"),
    (Double, (pa.array([1]),), "column 'v': the source gives .* could lose information"),
    (Text, (pa.array([b"\xff"]),), "column 'v': .*bytes are not text"),
    (Text, (pa.array([b"ab"], pa.large_binary()),), "column 'v': .*bytes are not text"),
    (Text, (pa.array([b"ab"], pa.binary(2)),), "column 'v': .*bytes are not text"),
    (Text, (pa.array(["a\x00b"]),), "column 'v': a text holds a zero byte"),
    (Text, (pa.array([{"a": 1}]),), "column 'v': .*Unsupported cast from struct"),
    (String[3], (pa.array(["abcd"]),), "column 'v': .*'abcd' is longer than 3 characters"),
    (Numeric, (pa.array([1.5]),), "column 'v': the source gives .* could lose information"),
    (Numeric, (pa.array(["abc"]),), "column 'v': invalid input syntax for type numeric"),
    (Numeric[12, 2], (pa.array([Decimal("1.234")]),), "column 'v': .*would cause data loss"),
    (Numeric[12, 2], (pa.array([Decimal("12345678901.00")]),), "column 'v': .*does not fit in precision 12"),
    (Numeric[12, 2], (pa.array(["NaN"]),), "column 'v': .*'NaN' is not a valid decimal128"),
    (Numeric[50, 1], (pa.array(["1.55"]),), "column 'v': .*'1.55' has more digits behind the point"),
    (Numeric[50, 1], (pa.array([Decimal("1.55")]),), "column 'v': .*'1.55' has more digits behind the point"),
    (Numeric[50, 10], (pa.array([41 * "9"]),), "column 'v': numeric field overflow"),
    (
        Date,
        (pa.array([-800_000], pa.date32()),),
        "column 'v': .*'-0221-09-04' lies outside the years 1 to 9999",
    ),
    (Date, (pa.array(["01/02/2024"]),), "column 'v': .*'01/02/2024'"),
    (Time, (pa.array([86_400_000_000], pa.time64("us")),), "column 'v': .*lies outside a day"),
    (Time, (pa.array([-1], pa.time64("us")),), "column 'v': .*lies outside a day"),
    (Time, (pa.array([1], pa.time64("ns")),), "column 'v': .*would lose data"),
    (Timestamp, (pa.array([datetime(2024, 1, 1, tzinfo=UTC)]),), "column 'v': .* could lose information"),
    (Timestamp, (pa.array([1], pa.timestamp("ns")),), "column 'v': .*would lose data"),
    (Timestamp, (pa.array([2**62], pa.timestamp("s")),), "column 'v': .*out of bounds"),
    (Timestamp, (pa.array([1 - 2**63], pa.timestamp("us")),), "column 'v': .*outside the years 1 to 9999"),
    (TimestampTZ, (pa.array([datetime(2024, 1, 1)]),), "column 'v': .* could lose information"),
    (TimestampTZ, (pa.array(["2024-01-01 00:00:00"]),), "column 'v': .*expected a zone offset"),
    (Interval, (pa.array([pa.MonthDayNano([0, 0, 1])]),), "column 'v': an interval of 1 ns is finer"),
    (Interval, (pa.array([timedelta(1)]),), "column 'v': .* could lose information"),
    (JSON, (pa.array(["{"]),), "column 'v': invalid input syntax for type json"),
    (UUID, (pa.array(["zz"]),), "column 'v': invalid input syntax for type uuid"),
    (UUID, (pa.array([FULL.bytes], pa.binary(16)),), "column 'v': .* could lose information"),
    (Array[Integer], (pa.array([[2**40]]),), "column 'v': .* could lose information"),
    (Array[Text], (pa.array([[["a"]]]),), "column 'v': .*Unsupported cast"),
    (Array[Text], (pa.array([[b"a"]]),), "column 'v': .*bytes are not text"),
    (
        Array[Date],
        (pa.array([[-800_000]], pa.list_(pa.date32())),),
        "column 'v': .*outside the years 1 to 9999",
    ),
    (
        Array[Time],
        (pa.array([[86_400_000_000]], pa.list_(pa.time64("us"))),),
        "column 'v': .*lies outside a day",
    ),
    # the plan judges the first batch; a later one brings no cast that the plan would have refused
    (BigInt, (pa.array([1]), pa.array([2.0])), "column 'v': .*a later batch gives .*, the first one"),
    (Date, (pa.array([None]), pa.array([datetime(2024, 1, 1, 5)])), "column 'v': .*a later batch gives"),
    (
        Timestamp,
        (
            pa.array([datetime(2024, 1, 1)]),
            pa.array([datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=5)))]),
        ),
        "column 'v': .*a later batch gives",
    ),
]


@pytest.mark.parametrize(("declared", "arrays", "reason"), NOT_YIELDED)
def test_a_yielded_value_that_does_not_fit_is_refused_by_name(
    databases: Databases, project: Project, declared: Any, arrays: tuple[pa.Array, ...], reason: str
) -> None:
    with pytest.raises(EmatixError, match=reason):
        load_batches(project, declared, *arrays)
    assert databases.origin.execute("select to_regclass('analytics.t')").fetchone() == (None,)
