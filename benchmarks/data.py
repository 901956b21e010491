"""The two tables that are moved, made inside PostgreSQL by a hash of the row's number: the same rows everywhere.

`lineitem` has the columns and values of TPC-H's (2.4.1.2); `events` is a click stream with jsonb and uuid.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import LiteralString

from psycopg import sql

from benchmarks.task import RAW, SCHEMA


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column: its PostgreSQL type, and its value for row `g` (from 1) in version `v` (0, or 1 once changed)."""

    name: str
    type: LiteralString
    value: LiteralString


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A table: `rows` is what the issue of record measured; without `keys` nothing proves its rows unique."""

    name: str
    rows: int
    columns: tuple[Column, ...]
    keys: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names, in the table's order."""
        return tuple(column.name for column in self.columns)


def _columns(*rows: tuple[LiteralString, LiteralString, LiteralString]) -> tuple[Column, ...]:
    return tuple(Column(name=name, type=type_, value=value) for name, type_, value in rows)


# pg_temp.h(g, salt, n): a whole number below n.
LINEITEM = Dataset(
    name="lineitem",
    rows=2_000_000,
    keys=("l_orderkey", "l_linenumber"),
    columns=_columns(
        ("l_orderkey", "bigint", "(g - 1) / 4 + 1"),
        ("l_partkey", "integer", "1 + pg_temp.h(g, 1, 200000)"),
        ("l_suppkey", "integer", "1 + pg_temp.h(g, 2, 10000)"),
        ("l_linenumber", "integer", "(g - 1) % 4 + 1"),
        ("l_quantity", "numeric(12,2)", "1 + pg_temp.h(g, 3, 50)"),
        ("l_extendedprice", "numeric(12,2)", "(90000 + pg_temp.h(g, 4, 9500000)) / 100.0"),
        ("l_discount", "numeric(12,2)", "pg_temp.h(g, 5, 11) / 100.0"),
        ("l_tax", "numeric(12,2)", "pg_temp.h(g, 6 + v, 9) / 100.0 + v"),
        ("l_returnflag", "text", "(array['A', 'N', 'R'])[1 + pg_temp.h(g, 8, 3)]"),
        ("l_linestatus", "text", "(array['O', 'F'])[1 + pg_temp.h(g, 9, 2)]"),
        ("l_shipdate", "date", "date '1992-01-02' + pg_temp.h(g, 10, 2526)::int"),
        ("l_commitdate", "date", "date '1992-01-31' + pg_temp.h(g, 11, 2466)::int"),
        (
            "l_receiptdate",
            "date",
            "date '1992-01-03' + pg_temp.h(g, 10, 2526)::int + pg_temp.h(g, 12, 30)::int",
        ),
        (
            "l_shipinstruct",
            "text",
            "(array['DELIVER IN PERSON', 'COLLECT COD', 'NONE', 'TAKE BACK RETURN'])[1 + pg_temp.h(g, 13, 4)]",
        ),
        (
            "l_shipmode",
            "text",
            "(array['REG AIR', 'AIR', 'RAIL', 'SHIP', 'TRUCK', 'MAIL', 'FOB'])[1 + pg_temp.h(g, 14, 7)]",
        ),
        (
            "l_comment",
            "text",
            "substr('carefully final deposits ' || md5(g::text) || ' sleep furiously', 1, 10 + pg_temp.h(g, 15, 34)::int)",
        ),
    ),
)

EVENTS = Dataset(
    name="events",
    rows=5_000_000,
    keys=("event_id",),
    columns=_columns(
        ("event_id", "bigint", "g"),
        ("kind", "integer", "pg_temp.h(g, 1, 40)"),
        ("session_id", "uuid", "md5((g / 5)::text)::uuid"),
        (
            "received_at",
            "timestamptz",
            "timestamptz '2026-01-01 00:00:00+00' + g * interval '1.000321 seconds'",
        ),
        ("name", "text", "'page ' || pg_temp.h(g, 2, 5000) || ' of visitor ' || pg_temp.h(g, 3, 100000)"),
        ("value", "double precision", "nullif(pg_temp.h(g, 4, 1000000), 0) / 997.0::double precision + v"),
        (
            "payload",
            "jsonb",
            """jsonb_build_object('path', '/p/' || pg_temp.h(g, 5, 5000), 'ms', pg_temp.h(g, 6, 3000),
               'ok', pg_temp.h(g, 7, 50) > 0, 'tags', jsonb_build_array('t' || pg_temp.h(g, 8, 9), 'web'))""",
        ),
    ),
)

HASH: LiteralString = """
    create or replace function pg_temp.h(g bigint, salt bigint, n bigint) returns bigint
    language sql immutable parallel safe
    as $$ select (hashint8extended(g, salt) & 9223372036854775807) % n $$
"""
"""hashint8extended is PostgreSQL's own and has not changed since version 11; inlined, it costs no call."""


def without_scale(dataset: Dataset) -> Dataset:
    """The same values in columns that do not say how many digits they may have."""
    columns = tuple(
        replace(column, type="numeric") if column.type.startswith("numeric") else column
        for column in dataset.columns
    )
    return replace(dataset, columns=columns)


def without_keys(dataset: Dataset) -> Dataset:
    """The same table, of which nothing says that its rows differ."""
    return replace(dataset, keys=())


def made_rows(dataset: Dataset, numbers: sql.Composable, version: int) -> sql.Composed:
    """The SELECT that makes one row for each `g` that `numbers`, a SELECT, gives. It needs `HASH`."""
    values = sql.SQL(", ").join(
        sql.SQL("({})::{} as {}").format(
            sql.SQL(column.value), sql.SQL(column.type), sql.Identifier(column.name)
        )
        for column in dataset.columns
    )
    return sql.SQL("select {} from ({}) as numbers(g), (values ({})) as version(v)").format(
        values, numbers, sql.Literal(version)
    )


def numbers(first: int, last: int, step: int = 1) -> sql.Composed:
    """The numbers from `first` to `last`, which is in it."""
    return sql.SQL("select generate_series({}::bigint, {}, {})").format(first, last, step)


def create_source(dataset: Dataset, table: str, rows: sql.Composable) -> sql.Composed:
    """The statement that makes `raw.<table>` of the rows that a SELECT gives."""
    return sql.SQL("create table {} as {}").format(sql.Identifier(RAW, table), rows)


def add_key(dataset: Dataset, schema: str, table: str) -> sql.Composed:
    """The statement that proves the key unique."""
    return sql.SQL("alter table {} add primary key ({})").format(
        sql.Identifier(schema, table), _names(dataset.keys)
    )


def select_all(dataset: Dataset, table: str) -> sql.Composed:
    """The query of every load: each column by name."""
    return sql.SQL("select {} from {}").format(_names(dataset.names), sql.Identifier(RAW, table))


def create_target(dataset: Dataset, keys: tuple[str, ...]) -> sql.Composed:
    """The statement that makes an empty target table, for those who do not make it themselves."""
    columns = [
        sql.SQL("{} {}").format(sql.Identifier(column.name), sql.SQL(column.type))
        for column in dataset.columns
    ]
    constraints = [sql.SQL("primary key ({})").format(_names(keys))] if keys else []
    return sql.SQL("create table {} ({})").format(
        sql.Identifier(SCHEMA, dataset.name), sql.SQL(", ").join([*columns, *constraints])
    )


def _names(names: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))
