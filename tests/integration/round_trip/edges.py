"""Every column type with its edges: what each way carries, and what it refuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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


@dataclass(frozen=True, slots=True)
class Edge:
    """A column: its type in the source, its declared type, and SQL literals."""

    sql: str
    declared: Any
    carried: tuple[str, ...] = ()  # on every path
    wild: tuple[str, ...] = ()  # what only servers carry; record batches refuse each by name
    in_lake: bool = True  # whether Delta has a form for the type
    back: bool = True  # whether that form is read back as the declared type, with no cast in the query

    def __str__(self) -> str:
        return f"{self.sql} as {self.declared.__name__}"


UUIDS = ("'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'")
FLOATS = ("'NaN'", "'Infinity'", "'-Infinity'", "'-0'", "'0'", "0.1")
EMOJI = "'😀 👩‍👩‍👧‍👦 é e\u0301 ß 中'"

EDGES = [
    Edge("smallint", SmallInt, ("-32768", "32767", "0")),
    Edge("integer", Integer, ("-2147483648", "2147483647")),
    Edge("bigint", BigInt, ("-9223372036854775808", "9223372036854775807")),
    Edge("real", Float, (*FLOATS, "3.4028235e38", "1.1754944e-38", "1e-45", "-1e-45", "16777217")),
    Edge(
        "double precision",
        Double,
        (*FLOATS, "1.7976931348623157e308", "2.2250738585072014e-308", "5e-324", "-5e-324"),
    ),
    Edge("boolean", Boolean, ("true", "false")),
    Edge(
        "text",
        Text,
        (
            *("''", "' '", EMOJI, "'a,b;\"c\"'", "'NULL'", r"'\N'", r"'\.'", "repeat('Grüße 😀 ', 10000)"),
            *(r"E'x\n\\.\ny'", r"E'\r\n\t\x01\x7f'", "'%s {} $1 :x'"),
        ),
    ),
    Edge("character varying(4)", String[4], ("''", "'a   '", "'😀😀😀😀'")),
    Edge(
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
            "repeat('9', 999)::numeric + 0.5",
        ),
        in_lake=False,
    ),
    Edge("numeric(12, 2)", Numeric[12, 2], ("9999999999.99", "-9999999999.99", "-0.00", "1.1"), ("'NaN'",)),
    Edge(
        "numeric(38, 10)",
        Numeric[38, 10],
        (f"{28 * '9'}.{10 * '9'}", f"-{28 * '9'}.{10 * '9'}", "0.0000000001", "0"),
        ("'NaN'",),
    ),
    Edge("numeric(50, 10)", Numeric[50, 10], (f"{40 * '9'}.{10 * '9'}", "'NaN'"), in_lake=False),
    Edge(
        "date",
        Date,
        ("'0001-01-01'", "'1582-10-15'", "'1900-02-28'", "'2024-02-29'", "'9999-12-31'"),
        (
            "'infinity'",
            "'-infinity'",
            "'0001-12-31 BC'",
            "'4714-11-24 BC'",
            "'10000-01-01'",
            "'5874897-12-31'",
        ),
    ),
    Edge("time", Time, ("'00:00'", "'12:00:00.000001'", "'23:59:59.999999'"), ("'24:00'",), back=False),
    Edge(
        "timestamp",
        Timestamp,
        ("'0001-01-01'", "'1969-12-31 23:59:59.999999'", "'9999-12-31 23:59:59.999999'"),
        ("'infinity'", "'-infinity'", "'4714-11-24 BC'", "'294276-12-31 23:59:59.999999'"),
    ),
    Edge(
        "timestamptz",
        TimestampTZ,
        ("'0001-01-01Z'", "'2024-03-31 02:30:00.000001+05:45'", "'9999-12-31 23:59:59.999999Z'"),
        ("'infinity'", "'-infinity'", "'4714-11-24 BC'", "'294276-12-31 23:59:59.999999Z'"),
    ),
    Edge(
        "interval",
        Interval,
        ("'0'", "'1 mon -2 days 03:04:05.000006'", "'-178000000 years'", "'2562046 hours'"),
        ("'2562048 hours'",),
        in_lake=False,
    ),
    Edge("json", JSON, ('\'{"a": 1, "a":2}\'', "' [1,  2e400]'", "'null'", r"""'"\ud83d\ude00 x\ny"'""")),
    Edge("jsonb", JSONB, ('\'{"b": 1, "a":2, "a": 3}\'', "'1e400'", "'-0.0'", "'null'", "'\"😀\"'", "'[]'")),
    Edge("uuid", UUID, UUIDS),
    Edge("bytea", Bytes, ("''", r"'\x00ff0a0d5c2e22'", "convert_to(repeat(E'\\n\"', 50000), 'UTF8')")),
    Edge(
        "integer[]",
        Array[Integer],
        ("'{}'", "'{1,null,-3}'", "'{null}'"),
        ("'{{1,2},{3,4}}'", "'[0:1]={1,2}'"),
    ),
    Edge("double precision[]", Array[Double], ("'{0.1,NaN,-Infinity,-0,5e-324,null}'", "'{}'")),
    Edge("boolean[]", Array[Boolean], ("'{t,f,null}'",)),
    Edge(
        "text[]",
        Array[Text],
        (r"""array['', null, 'null', 'NULL', 'a,b', ' x ', '{', '"', E'\\', E'a\nb', '😀']""", "'{}'"),
        ("'{{a,b},{c,d}}'",),
    ),
    Edge("numeric(12, 2)[]", Array[Numeric[12, 2]], ("'{1.1,null,-3}'", "'{}'"), ("'{NaN}'",)),
    Edge("date[]", Array[Date], ("'{2024-02-29,null}'",), ("'{infinity}'", "'{0044-03-15 BC}'")),
    Edge("time[]", Array[Time], ("'{12:00:00.000001,null}'",), ("'{24:00}'",), back=False),
    Edge("timestamp[]", Array[Timestamp], ("'{2024-02-29 12:00:00.000001,null}'",), ("'{-infinity}'",)),
    Edge("timestamptz[]", Array[TimestampTZ], ("'{2024-02-29 12:00:00.000001Z,null}'",), ("'{infinity}'",)),
    Edge("interval[]", Array[Interval], ("'{-1 mon,null,1 day -00:00:01}'",), in_lake=False),
    Edge("uuid[]", Array[UUID], (f"array[{UUIDS[0]}, null, {UUIDS[1]}]::uuid[]", "'{}'")),
    Edge("json[]", Array[JSON], ("array['{\"a\": 1, \"a\":2}', 'null', null]::json[]",)),
    Edge("jsonb[]", Array[JSONB], ("array['{\"a\": 1}', '1e400', null]::jsonb[]",)),
    Edge("bytea[]", Array[Bytes], (r"array['\x00ff'::bytea, '', null]",)),
    Edge("character varying(3)[]", Array[String[3]], ("'{abc,null}'",)),
    Edge("mood", Text, ("'sad'",)),
    Edge("inet", Text, ("'10.0.0.1/8'",)),
    Edge("int4range", Text, ("'[1,3)'", "'empty'")),
    Edge("money", Text, ("1.5::numeric::money",)),
    Edge("point", Text, ("'(1,-0)'",)),
    Edge("time with time zone", Text, ("'12:00+02'",)),
]
