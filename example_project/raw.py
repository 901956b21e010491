"""The shop's own tables, in schema `raw`: what they look like, and how rows get into them."""

from __future__ import annotations

from collections.abc import Iterable

import psycopg
from psycopg import sql

from example_project.rows import Row

# What marks a table as ours to add rows to, and not one of the user's that happens to be called the same.
MARK = "invented rows of the ematix-flow example shop"

TABLES = {
    "customers": sql.SQL(
        "create table raw.customers ("
        " customer_id bigint primary key, name text not null, email text, country varchar(2) not null,"
        " created_at timestamptz not null)"
    ),
    "orders": sql.SQL(
        "create table raw.orders ("
        " order_id bigint primary key, customer_id bigint not null, currency varchar(3) not null,"
        " ordered_at timestamptz not null)"
    ),
    "order_lines": sql.SQL(
        "create table raw.order_lines ("
        " order_id bigint, line_no smallint, sku text not null, quantity integer not null,"
        " unit_price numeric(10, 2) not null, primary key (order_id, line_no))"
    ),
    "events": sql.SQL(
        "create table raw.events ("
        " event_id bigint primary key, name text, customer_id bigint not null, properties jsonb,"
        " received_at timestamptz not null)"
    ),
}


def lock(connection: psycopg.Connection) -> None:
    """Wait until nobody else seeds or grows the shop, and keep others out until the transaction ends."""
    connection.execute("select pg_advisory_xact_lock(hashtext(%s))", [MARK])


def marks(connection: psycopg.Connection) -> dict[str, str | None]:
    """Give, for each table of ours that exists, the comment it carries."""
    found = connection.execute(
        "select relname, obj_description(oid, 'pg_class') from pg_class"
        " where relnamespace = to_regnamespace('raw') and relname = any(%s)",
        [list(TABLES)],
    )
    return dict(found.fetchall())


def create(connection: psycopg.Connection, table: str) -> None:
    """Create an empty table that carries our mark."""
    connection.execute(TABLES[table])
    comment = sql.SQL("comment on table {} is {}")
    connection.execute(comment.format(sql.Identifier("raw", table), sql.Literal(MARK)))


def copy(connection: psycopg.Connection, table: str, rows: Iterable[Row]) -> int:
    """Add rows in one stream, and give their number."""
    statement = sql.SQL("copy {} from stdin").format(sql.Identifier("raw", table))
    count = 0
    with connection.cursor() as cursor, cursor.copy(statement) as stream:
        for count, row in enumerate(rows, start=1):  # noqa: B007 -- it is the number of rows afterwards
            stream.write_row(row)
    return count
