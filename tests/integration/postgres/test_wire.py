"""A real server's rows as Arrow: each value is the one that the server itself writes as text."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal as Number
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from psycopg import sql

from ematix_flow import Project, run_job
from ematix_flow.backends.postgres.source import PostgresSource
from ematix_flow.backends.postgres.types import type_sql
from ematix_flow.errors import RunError
from ematix_flow.spec import PostgresConnection
from ematix_flow.types import DataType, Date, Decimal, ListOf, Scalar, Varchar, to_arrow

S = sql.SQL


@pytest.fixture(scope="module")
def source(both: Any) -> Iterator[PostgresSource]:
    """A snapshot of a database."""
    both.empty()
    connection = PostgresConnection(name="origin", url="${ORIGIN_DSN}")
    with PostgresSource(connection=connection, job="load", environ=os.environ) as opened:
        yield opened


def single(text: str) -> float:
    (value,) = struct.unpack("f", struct.pack("f", float(text)))
    return float(value)


def plain(value: Any) -> Any:
    """A value as something that equals only what is the same: the sign of a zero, the digits of a number, a NaN."""
    match value:
        case list():
            return [plain(each) for each in value]
        case float():
            return value.hex()
        case Number():
            return f"{value:f}"
        case pa.MonthDayNano():
            return [value.months, value.days, value.nanoseconds]
        case _:
            return value


# Months, days and nanoseconds apart, which no text of an interval tells as plainly.
APART = S(
    "case when v is not null then jsonb_build_array((extract(year from v) * 12 + extract(month from v))::bigint, extract(day from v)::bigint, "
    "((extract(hour from v) * 3600 + extract(minute from v) * 60) * 1000000 + extract(microseconds from v))::bigint "
    "* 1000)::text end"
)


@dataclass(frozen=True)
class Case:
    """Values of a type: many that the server makes of a row's number n and of its hash h, and some as text."""

    type: DataType
    made: sql.Composable
    edges: list[str]
    parse: Callable[[str], Any] = str
    text: sql.Composable | None = None  # v::text

    def rows(self) -> sql.Composed:
        """Values v with their text t, and some NULLs; the last row is one."""
        return S(
            "select n, v::{type} as v, {text} as t from (select n, case when n % 7 > 0 then ({made})::{type} end as v from "
            "(select n, ('x' || md5(n::text))::bit(64)::bigint as h from generate_series(1, 406) as n) as hashed "
            "union all select -o, e::{type} from unnest({edges}::text[]) with ordinality as edges (e, o)) as made"
        ).format(
            text=self.text or S("v::text"),
            made=self.made,
            type=type_sql(self.type),
            edges=sql.Literal(self.edges),
        )

    def lists(self) -> sql.Composed:
        """The values in arrays of some twenty, with NULLs among them; and an empty one, and none."""
        return S(
            "select n, v::{type}[] as v, t from (select n % 20 as n, array_agg(v order by n) as v, "
            "json_agg(t order by n)::text as t from ({rows}) as rows group by n % 20 "
            "union all select 20, '{{}}', '[]' union all select 21, null, null) as made order by n"
        ).format(type=type_sql(self.type), rows=self.rows())


def digits(precision: int, exponent: sql.Composable) -> sql.Composed:
    """A number of 1 to so many digits, negative in every other row."""
    return S(
        "(repeat('-', n % 2) || left(translate(md5(n::text) || md5((-n)::text), 'abcdef', '123456'), 1 + n % {})"
        " || 'e' || {})::numeric"
    ).format(precision, exponent)


def number(precision: int, scale: int) -> Case:
    edges = [*("0", "-" + precision * "9" + f"e-{scale}", precision * "9" + f"e-{scale}", f"1e-{scale}")]
    return Case(Decimal(precision, scale), digits(precision, sql.Literal(-scale)), edges)


WORDS = S("repeat(chr(32 + n * 131 % 50000), n % 40)")
CASES = [
    Case(Scalar.SMALLINT, S("h % 32768"), ["-32768", "32767", "0"], int),
    Case(Scalar.INTEGER, S("h % 2147483648"), ["-2147483648", "2147483647", "0"], int),
    Case(Scalar.BIGINT, S("h"), [str(-(2**63)), str(2**63 - 1), "0"], int),
    Case(
        Scalar.REAL,
        S("h::float8 * 10 ^ (n % 60 - 49)"),
        ["NaN", "Infinity", "-Infinity", "-0", "1e-45", "3.4028235e38"],
        single,
    ),
    Case(
        Scalar.DOUBLE,
        S("h::float8 * 10 ^ (n % 500 - 300)"),
        ["NaN", "Infinity", "-Infinity", "-0", "5e-324", "1.7976931348623157e308"],
        float,
    ),
    Case(Scalar.BOOLEAN, S("h % 2 = 0"), ["true", "false"], lambda text: text == "true"),
    Case(Scalar.TEXT, WORDS, ["", "😀 é ß", "\n\t\\", "NULL"]),
    Case(Varchar(50), WORDS, ["", "😀"]),
    Case(
        Scalar.DATE,
        S("date '0001-01-01' + n * 8999"),
        ["0001-01-01", "9999-12-31", "1970-01-01", "2000-01-01"],
        date.fromisoformat,
    ),
    Case(
        Scalar.TIME,
        S("time '00:00' + n * interval '211.999999 seconds'"),
        ["00:00", "23:59:59.999999"],
        time.fromisoformat,
    ),
    Case(
        Scalar.TIMESTAMP,
        S("timestamp '0001-01-01' + n * interval '8900 days 23:59:59.999999'"),
        ["0001-01-01", "9999-12-31 23:59:59.999999", "1969-12-31 23:59:59.999999"],
        datetime.fromisoformat,
    ),
    Case(
        Scalar.TIMESTAMPTZ,
        S("timestamptz '0001-01-01Z' + n * interval '8900 days 23:59:59.999999'"),
        ["0001-01-01Z", "9999-12-31 23:59:59.999999Z", "1969-12-31 23:59:59.999999Z"],
        datetime.fromisoformat,
    ),
    Case(
        Scalar.INTERVAL,
        S("(n * (-1) ^ n) * interval '1 month 3 days 04:05:06.000007'"),
        ["0", "-1 month", "178000000 years", "-2562046 hours", "-00:00:00.000001"],
        json.loads,
        APART,
    ),
    Case(Scalar.JSON, S("'{\"a\" :  ' || n || '}'"), ["null", " [1,  2]"]),
    Case(Scalar.JSONB, S("jsonb_build_object('b', n, 'a', repeat('é', n % 9))"), ["null", "1e400", "{}"]),
    Case(Scalar.UUID, S("md5(n::text)"), ["00000000-0000-0000-0000-000000000000"]),
    Case(
        Scalar.BYTES,
        S("decode(repeat(md5(n::text), n % 5), 'hex')"),
        ["", "\\x00ff"],
        lambda text: bytes.fromhex(text.removeprefix("\\x")),
    ),
    *(number(precision, 0) for precision in (1, 4, 5, 18, 19, 38)),
    *(number(precision, 2) for precision in (2, 12, 18, 38)),
    *(number(18, scale) for scale in (1, 3, 4, 9, 15, 16, 17, 18)),
    *(number(38, scale) for scale in (20, 37, 38)),
    number(50, 10),
    Case(
        Decimal(),
        digits(60, S("n % 90 - 45")),
        ["0", "0.00", "1e-20", "1.10", "100000", "1e300", "NaN", "Infinity", "-Infinity", "-0.0"],
    ),
]
IDS = [str(case.type) for case in CASES]


def found(source: PostgresSource, query: sql.Composed) -> tuple[pa.DataType, list[Any], list[Any]]:
    """The Arrow type of `v`, its values, and what the server wrote of each."""
    table = source.read(query.as_string(None)).read_all()
    table.validate(full=True)
    return table.schema.field("v").type, plain(table["v"].to_pylist()), table["t"].to_pylist()


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_a_value_is_what_the_server_writes(source: PostgresSource, case: Case) -> None:
    type_, values, texts = found(source, case.rows())
    assert type_ == to_arrow(case.type)
    assert values == [None if text is None else plain(case.parse(text)) for text in texts]
    assert (len(values), values.count(None)) == (406 + len(case.edges), 58)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_an_array_holds_what_the_server_writes(source: PostgresSource, case: Case) -> None:
    type_, values, texts = found(source, case.lists())
    assert type_ == to_arrow(ListOf(case.type))
    assert values == [
        None
        if text is None
        else [None if each is None else plain(case.parse(each)) for each in json.loads(text)]
        for text in texts
    ]
    assert values[-2:] == [[], None]


def test_quotients_and_products_keep_the_digits_that_the_server_shows(source: PostgresSource) -> None:
    query = S(
        "select v, v::text as t from (values (10.0 / 3), (2 * 0.500), (1e60 + 0.5), (sqrt(2.0))) as made (v)"
    )
    _, values, texts = found(source, query.format())
    assert values == texts == ["3.3333333333333333", "1.000", "1" + 60 * "0" + ".5", "1.414213562373095"]


UNFIT = [
    ("'NaN'::numeric(12, 2)", "Numeric[12, 2]: 'NaN' is no finite number"),
    ("'infinity'::date", "Date: 'infinity' lies outside the years 1 to 9999"),
    ("'-infinity'::date", "Date: '-infinity' lies outside the years 1 to 9999"),
    ("'0044-03-15 BC'::date", "Date: '0044-03-15 BC' lies outside the years 1 to 9999"),
    ("'4713-01-01 BC'::date", "Date: '4713-01-01 BC' lies outside the years 1 to 9999"),
    ("'10000-01-01'::date", "Date: '10000-01-01' lies outside the years 1 to 9999"),
    ("'5874897-12-31'::date", "Date: '5874897-12-31' lies outside the years 1 to 9999"),
    ("'24:00'::time", "Time: '24:00:00' lies outside a day"),
    ("'infinity'::timestamp", "Timestamp: 'infinity' lies outside the years 1 to 9999"),
    ("'10000-01-01'::timestamp", "Timestamp: '10000-01-01 00:00:00' lies outside the years 1 to 9999"),
    ("'294276-12-31 23:59:59.999999'::timestamp", "Timestamp: '294276-12-31 23:59:59.999999' lies outside"),
    ("'-infinity'::timestamptz", "TimestampTZ: '-infinity' lies outside the years 1 to 9999"),
    ("'0001-12-31 23:59Z BC'::timestamptz", "TimestampTZ: '0001-12-31 23:59:00+00 BC' lies outside"),
    ("'3000000 hours'::interval", "Interval: '3000000 hours' is more than nanoseconds can count"),
    ("'-3000000 hours'::interval", "Interval: '-3000000 hours' is more than nanoseconds can count"),
    ("'{{1,2},{3,4}}'::integer[]", "Array[Integer]: an array has several dimensions"),
    ("'[0:1]={1,2}'::integer[]", "Array[Integer]: an array does not start at 1"),
    ("'{2024-01-01,infinity}'::date[]", "Array[Date]: 'infinity' lies outside the years 1 to 9999"),
    ("'{24:00}'::time[]", "Array[Time]: '24:00:00' lies outside a day"),
    ("array['NaN'::numeric(12, 2)]::numeric(12, 2)[]", "Array[Numeric[12, 2]]: 'NaN' is no finite number"),
]


@pytest.mark.parametrize(("value", "reason"), UNFIT, ids=[value for value, _ in UNFIT])
def test_what_arrow_cannot_carry_is_refused_by_name(source: PostgresSource, value: str, reason: str) -> None:
    reader = source.read(f"select null as n, {value} as v")
    with pytest.raises(RunError) as raised:
        reader.read_all()
    assert f"column 'v': a value does not fit {reason}" in str(raised.value)


@pytest.mark.parametrize(
    ("show_values", "what"),
    [(True, "'infinity' lies outside the years 1 to 9999"), (False, "(the value is hidden)")],
)
def test_a_value_that_a_lake_cannot_hold_is_shown_where_every_side_may_show_it(
    databases: Any, project: Project, tmp_path: Path, show_values: bool, what: str
) -> None:
    databases.connect(project)
    lake = {"kind": "delta_local", "path": str(tmp_path), "show_values": show_values}
    project.connection(type("lake", (), lake))

    @project.table(schema="analytics")
    class T:
        day: Date | None

    @project.job(
        name="load", target=T, source_connection="origin", target_connection="lake", incremental=False
    )
    def load() -> str:
        return "select date 'infinity' as day"

    with pytest.raises(RunError) as raised:
        run_job(load, project=project)
    assert f"column 'day': a value does not fit Date: {what}; mend the row" in str(raised.value)
    assert list(tmp_path.rglob("*.parquet")) == []
