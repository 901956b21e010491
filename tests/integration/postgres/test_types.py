"""Every column type with its edges on every path: what arrives has the same text as what left, or is refused by name."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import zip_longest
from typing import Annotated, Any

import psycopg
import pyarrow as pa
import pytest
from psycopg import sql

from ematix_flow import Project, pk
from ematix_flow.errors import RunError
from ematix_flow.plan import CopyInto, CopyStaged, InsertSelect, StagedSelect
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
PATHS = {"insert": InsertSelect, "staged": StagedSelect, "copy": CopyInto, "copy staged": CopyStaged}
Column = list[str | None]


# --- one job between two databases --------------------------------------------------------------------


@pytest.fixture(scope="module", params=PATHS)
def path(request: pytest.FixtureRequest) -> str:
    """A way that rows take from a Postgres table to another one."""
    return str(request.param)


def make_source(databases: Any, path: str, types: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """`raw.t (n, c0, c1, …)` from SQL types and rows of literals. Rows without a key are staged."""
    key = "" if path.endswith("staged") else "primary key"
    columns = ", ".join(f"c{i} {sql_type}" for i, sql_type in enumerate(types))
    databases.origin.execute(f"create table raw.t (n bigint {key}, {columns})")
    for n, row in enumerate(rows):
        values = sql.SQL(", ").join(map(sql.SQL, row))
        databases.origin.execute(sql.SQL("insert into raw.t values ({}, {})").format(n, values))


def run(
    databases: Any, declared: Sequence[Any], target: str, body: Callable[[], Any], *, index: bool = True
) -> TargetResult:
    """Run a job into `analytics.t (n, c0, c1, …)` of a connection, with an index on `n` or without."""
    project = Project()
    databases.connect(project)
    columns = {f"c{i}": type_ | None for i, type_ in enumerate(declared)}
    annotations = {"n": Annotated[BigInt, pk()] if index else BigInt, **columns}
    table = project.table(schema="analytics", name="t")(type("T", (), {"__annotations__": annotations}))
    options = {"source_connection": "origin", "target_connection": target}
    if not index:
        options |= {"mode": "truncate", "keys": "n"}
    decorate = project.job(name="load", target=table, **options)
    return run_job(decorate(body), project=project).targets[0]


def copy(databases: Any, path: str, declared: Sequence[Any]) -> None:
    """Copy `raw.t` to `analytics.t`, and see that it took the path."""
    target = "other" if path.startswith("copy") else "origin"
    result = run(databases, declared, target, lambda: "select * from raw.t", index=path != "copy staged")
    assert result.plan is not None
    assert type(result.plan.path) is PATHS[path]


def texts(session: psycopg.Connection, schema: str, column: int = 0) -> Column:
    """A column's values as text, in the order of the rows."""
    name = sql.Identifier(f"c{column}")
    query = sql.SQL("select {}::text from {} order by n").format(name, sql.Identifier(schema, "t"))
    return [value for (value,) in session.execute(query).fetchall()]


def copied(
    databases: Any, path: str, cases: Sequence[tuple[str, Any, Sequence[str]]]
) -> list[tuple[Column, Column]]:
    """What left and what arrived, of many columns that travel together: a run for each would take minutes."""
    types, declared, literals = zip(*cases, strict=True)
    make_source(databases, path, types, list(zip_longest(*literals, fillvalue="null")))
    copy(databases, path, declared)
    return [
        (texts(databases.origin, "raw", i), texts(databases.target(path), "analytics", i))
        for i in range(len(cases))
    ]


def is_untouched(databases: Any) -> bool:
    """Whether neither database has the target."""
    found = [
        session.execute("select to_regclass('analytics.t')").fetchone()
        for session in (databases.origin, databases.other)
    ]
    return found == [(None,), (None,)]


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
    # what is no text becomes one, also of types that cannot be declared
    ("mood", Text, ("'sad'", "null")),
    ("mood", String[3], ("'sad'", "null")),
    ("inet", Text, ("'10.0.0.1/8'", "null")),
    ("money", Text, ("1.5", "null")),
    ("int4range", Text, ("'[1,3)'", "null")),
    ("time with time zone", Text, ("'12:00+02'", "null")),
    ("point", Text, ("'(1,2)'", "null")),
    ("uuid", Text, (f"'{FULL}'", "null")),
    ("timestamptz", Text, ("'2024-01-01 00:00Z'", "'infinity'", "null")),
    ("integer[]", Text, ("'{1,2}'", "null")),
    ("bytea", Text, ("'\\x00ff'", "null")),
    ("bit(3)", Text, ("'101'", "null")),
]


@pytest.fixture(scope="module")
def faithful(both: Any, path: str) -> list[tuple[Column, Column]]:
    """What left and what arrived, a column a case."""
    both.empty()
    return copied(both, path, FAITHFUL)


@pytest.mark.parametrize(
    "case", range(len(FAITHFUL)), ids=[f"{case[0]}-{case[1].__name__}" for case in FAITHFUL]
)
def test_a_value_arrives_as_it_left(faithful: list[tuple[Column, Column]], case: int) -> None:
    left, arrived = faithful[case]
    assert arrived == left


@pytest.mark.parametrize("path", ["staged", "copy", "copy staged"], scope="module")
def test_an_array_of_an_enum_arrives_as_one_of_text(databases: Any, path: str) -> None:
    make_source(databases, path, ["mood[]"], [["'{sad,null}'"], ["null"]])
    copy(databases, path, [Array[Text]])
    assert texts(databases.target(path), "analytics") == ["{sad,NULL}", None]


# What Arrow cannot carry: servers hand it to one another as it is.
EXTREMES: list[tuple[str, Any, tuple[str, ...]]] = [
    ("numeric(12, 2)", Numeric[12, 2], ("'NaN'",)),
    ("date", Date, ("'infinity'", "'-infinity'", "'4713-01-01 BC'", "'10000-01-01'", "'5874897-12-31'")),
    ("time", Time, ("'24:00'",)),
    (
        "timestamp",
        Timestamp,
        ("'infinity'", "'-infinity'", "'4713-01-01 BC'", "'10000-01-01'", "'294276-12-31 23:59:59.999999'"),
    ),
    (
        "timestamptz",
        TimestampTZ,
        ("'infinity'", "'-infinity'", "'0001-12-31 23:59Z BC'", "'294276-12-31 23:59:59.999999Z'"),
    ),
    ("interval", Interval, ("'3000000 hours'", "'-3000000 hours'", "'178000000 years'")),
    ("integer[]", Array[Integer], ("'{{1,2},{3,4}}'", "'[0:1]={1,2}'", "'[-5:-4][2:2]={{1},{null}}'")),
    ("text[]", Array[Text], ("'{{a,b},{c,null}}'", "'[0:0]={a}'")),
    ("character varying[]", Array[Text], ("'{a,null}'", "'{{a},{b}}'")),
    ("date[]", Array[Date], ("'{2024-01-01,infinity,0044-03-15 BC}'",)),
    ("time[]", Array[Time], ("'{24:00}'",)),
    ("timestamp[]", Array[Timestamp], ("'{10000-01-01,infinity}'",)),
    ("timestamptz[]", Array[TimestampTZ], ("'{-infinity}'",)),
    ("interval[]", Array[Interval], ("'{3000000 hours}'",)),
    ("numeric(12, 2)[]", Array[Numeric[12, 2]], ("'{NaN,1.10}'",)),
]


@pytest.fixture(scope="module")
def extremes(both: Any, path: str) -> list[tuple[Column, Column]]:
    """What left and what arrived, a column a case."""
    both.empty()
    return copied(both, path, EXTREMES)


@pytest.mark.parametrize("case", range(len(EXTREMES)), ids=[case[0] for case in EXTREMES])
def test_what_batches_cannot_carry_arrives_as_it_left(
    extremes: list[tuple[Column, Column]], case: int
) -> None:
    left, arrived = extremes[case]
    assert arrived == left
    assert None not in left[: len(EXTREMES[case][2])]


def test_a_null_in_the_only_column_is_a_row(databases: Any, project: Project) -> None:
    databases.connect(project)

    @project.table(schema="analytics")
    class T:
        c0: Text | None

    @project.job(name="load", target=T, target_connection="other", incremental=False)
    def body() -> Any:
        return pa.record_batch({"c0": [None, "", "a", "\\.", None]})

    run_job(body, project=project)
    found = databases.other.execute("select c0, count(*) from analytics.t group by c0").fetchall()
    assert dict(found) == {None: 2, "": 1, "a": 1, "\\.": 1}


# --- casts that are checked ---------------------------------------------------------------------------

FITTING: list[tuple[str, Any, str, str]] = [
    ("smallint", BigInt, "-32768", "-32768"),
    ("real", Double, "1.1", "1.100000023841858"),
    ("jsonb", JSON, "'{\"a\":1}'", '{"a": 1}'),
    ("bigint", Integer, "2147483647", "2147483647"),
    ("bigint", Integer, "-2147483648", "-2147483648"),
    ("bigint", SmallInt, "-32768", "-32768"),
    ("integer", Numeric[3, 1], "-99", "-99.0"),
    ("numeric", Numeric[12, 2], "1.500", "1.50"),
    ("numeric", Numeric[12, 2], "11/100.0", "0.11"),
    ("numeric(12, 2)", Numeric[4, 2], "-99.99", "-99.99"),
    ("numeric", Numeric[50, 2], "'NaN'", "NaN"),
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


@pytest.fixture(scope="module")
def fitting(both: Any, path: str) -> list[tuple[Column, Column]]:
    """What left and what arrived, a column a case."""
    both.empty()
    return copied(
        both, path, [(sql_type, declared, [literal, "null"]) for sql_type, declared, literal, _ in FITTING]
    )


@pytest.mark.parametrize(
    "case", range(len(FITTING)), ids=[f"{case[0]}-{case[1].__name__}" for case in FITTING]
)
def test_a_value_that_fits_is_cast(fitting: list[tuple[Column, Column]], case: int) -> None:
    _, arrived = fitting[case]
    assert arrived == [FITTING[case][3], None]


MISFITS: list[tuple[str, Any, str, str]] = [
    ("bigint", Integer, "2147483648", "column 'c0': a value does not fit .*: 2147483648"),
    ("bigint", Integer, "-2147483649", "column 'c0': a value does not fit .*: -2147483649"),
    ("integer", SmallInt, "32768", "column 'c0': a value does not fit .*: 32768"),
    ("integer", Numeric[3, 1], "100", "column 'c0': a value does not fit .*: 100"),
    ("numeric", Numeric[10, 2], "1.005", "column 'c0': a value does not fit .*: 1.005"),
    ("numeric", Numeric[4, 2], "-100", "column 'c0': a value does not fit .*: -100"),
    ("numeric", Numeric[4, 2], "'Infinity'", "column 'c0': a value does not fit .*: Infinity"),
    ("numeric", Numeric[50, 1], "1.55", "column 'c0': a value does not fit .*: 1.55"),
    ("numeric(12, 4)", Numeric[4, 2], "1.234", "column 'c0': a value does not fit .*: 1.234"),
    ("text", Numeric[12, 2], "'1.234'", "column 'c0': a value does not fit .*: 1.234"),
    ("text", Numeric[4, 2], "'100'", "column 'c0': a value does not fit .*: 100"),
    ("text", String[3], "'abcd'", "column 'c0': a value does not fit .*: abcd"),
    ("text", String[3], "'abc '", "column 'c0': a value does not fit .*: abc "),
    ("character varying(9)", String[3], "'😀😀😀😀'", "column 'c0': a value does not fit .*: 😀😀😀😀"),
    ("mood", String[2], "'sad'", "column 'c0': a value does not fit .*: sad"),
    ("text", Date, "'2024-01-01 15:00'", "column 'c0': a value does not fit .*: 2024-01-01 15:00"),
    ("text", Integer, "'1.5'", "column 'c0': a value does not fit Integer: 1.5"),
    ("text", UUID, "'zz'", "column 'c0': a value does not fit UUID: zz"),
]


@pytest.mark.parametrize("path", ["insert", "copy"], scope="module")
@pytest.mark.parametrize(("sql_type", "declared", "literal", "reason"), MISFITS)
def test_a_value_that_does_not_fit_is_refused(
    databases: Any, path: str, sql_type: str, declared: Any, literal: str, reason: str
) -> None:
    make_source(databases, path, [sql_type], [["null"], [literal]])
    with pytest.raises(RunError, match=reason):
        copy(databases, path, [declared])
    assert is_untouched(databases)


# --- batches that a body yields -----------------------------------------------------------------------


def in_list(elements: pa.Array) -> pa.Array:
    """One row that holds all elements; pyarrow makes no list of extension types from Python values."""
    return pa.ListArray.from_arrays([0, len(elements)], elements)


def batch(arrays: Sequence[pa.Array]) -> pa.RecordBatch:
    """A batch of a column an array; short columns end in nulls."""
    rows = max(map(len, arrays))
    padded = [pa.concat_arrays([array, pa.nulls(rows - len(array), array.type)]) for array in arrays]
    return pa.record_batch({"n": range(rows)} | {f"c{i}": array for i, array in enumerate(padded)})


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


@pytest.fixture(scope="module")
def arrived(both: Any) -> list[Column]:
    """What arrived of the values yielded, a column a case."""
    both.empty()
    run(both, [case[0] for case in YIELDED], "origin", lambda: batch([case[1] for case in YIELDED]))
    return [texts(both.origin, "analytics", i) for i in range(len(YIELDED))]


@pytest.mark.parametrize(
    "case", range(len(YIELDED)), ids=[f"{case[0].__name__}-{case[1].type}" for case in YIELDED]
)
def test_a_yielded_value_arrives(arrived: list[Column], case: int) -> None:
    expected = YIELDED[case][2]
    assert arrived[case][: len(expected)] == expected


def test_a_column_may_start_with_a_batch_of_nulls(databases: Any) -> None:
    run(
        databases,
        [Text],
        "origin",
        lambda: [batch([pa.array([None])]), pa.record_batch({"n": [1], "c0": ["a"]})],
    )
    assert texts(databases.origin, "analytics") == [None, "a"]


# The rest of what does not fit is refused by `conform`, whose unit tests list it.
NOT_YIELDED: list[tuple[Any, pa.Array, str]] = [
    (Text, pa.array(["a\x00b"]), "column 'c0': a text holds a zero byte"),
    (Numeric, pa.array(["abc"]), "column 'c0': invalid input syntax for type numeric"),
    (Numeric[50, 10], pa.array([41 * "9"]), "column 'c0': numeric field overflow"),
    (Interval, pa.array([pa.MonthDayNano([0, 0, 1])]), "column 'c0': an interval of 1 ns is finer"),
    (JSON, pa.array(["{"]), "column 'c0': invalid input syntax for type json"),
    (UUID, pa.array(["zz"]), "column 'c0': invalid input syntax for type uuid"),
]


@pytest.mark.parametrize(("declared", "array", "reason"), NOT_YIELDED)
def test_a_yielded_value_that_the_server_does_not_hold_is_refused_by_name(
    databases: Any, declared: Any, array: pa.Array, reason: str
) -> None:
    with pytest.raises(RunError, match=reason):
        run(databases, [declared], "origin", lambda: batch([array]))
    assert is_untouched(databases)
