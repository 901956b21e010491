"""Watermarks beside the rows they speak of: one table in the target's own database. Pure statements."""

from __future__ import annotations

from psycopg import sql

from ematix_flow.backends.postgres.types import type_sql
from ematix_flow.spec import Table
from ematix_flow.state import Watermark


def watermarks_table(state_schema: str) -> sql.Identifier:
    """The qualified name of the watermark table."""
    return sql.Identifier(state_schema, "watermarks")


def create_watermarks(state_schema: str) -> sql.Composed:
    """Create the watermark table unless it is there."""
    return sql.SQL(
        "create table if not exists {} (job text, target_schema text, target_table text, cursor text not null, "
        "value text not null, query bigint, loaded_at timestamptz not null default now(), "
        "primary key (job, target_schema, target_table))"
    ).format(watermarks_table(state_schema))


def read_watermark(state_schema: str, job: str, table: Table, cursor: str) -> sql.Composed:
    """The value stored under a cursor: no row when there is none, or when it counts something else."""
    return sql.SQL("select value from {} where {} and cursor = {}").format(
        watermarks_table(state_schema), _of(job, table), sql.Literal(cursor)
    )


def read_query(state_schema: str, job: str, table: Table) -> sql.Composed:
    """The fingerprint stored beside the watermark, whatever that one counts; no row where there is none."""
    return sql.SQL("select query from {} where {} and query is not null").format(
        watermarks_table(state_schema), _of(job, table)
    )


def raise_watermark(
    state_schema: str, job: str, table: Table, watermark: Watermark, query: int | None
) -> sql.Composed:
    """Store a watermark, unless a larger one stands there for the same cursor; returns the value that then stands."""
    type_ = type_sql(watermark.type)
    larger = sql.SQL(
        "case when held.cursor = excluded.cursor and held.value::{} > excluded.value::{} "
        "then held.value else excluded.value end"
    ).format(type_, type_)
    return _write(state_schema, job, table, watermark, query, larger)


def restart_watermark(
    state_schema: str, job: str, table: Table, watermark: Watermark, query: int | None
) -> sql.Composed:
    """Store a watermark in the place of any other; returns its value."""
    return _write(state_schema, job, table, watermark, query, sql.SQL("excluded.value"))


def _write(
    state_schema: str,
    job: str,
    table: Table,
    watermark: Watermark,
    query: int | None,
    value: sql.Composable,
) -> sql.Composed:
    return sql.SQL(
        "insert into {} as held (job, target_schema, target_table, cursor, value, query) values ({}, {}, {}, {}, {}, {}) "
        "on conflict (job, target_schema, target_table) do update set cursor = excluded.cursor, value = {}, "
        "query = excluded.query, loaded_at = excluded.loaded_at returning value"
    ).format(
        watermarks_table(state_schema),
        sql.Literal(job),
        sql.Literal(table.schema),
        sql.Literal(table.name),
        sql.Literal(watermark.cursor),
        sql.Literal(watermark.value),
        sql.Literal(query),
        value,
    )


def kept_watermark(state_schema: str, job: str, table: Table) -> sql.Composed:
    """Cursor, value and time of what is stored for a job and its target; no row when nothing is."""
    return sql.SQL("select cursor, value, loaded_at from {} where {}").format(
        watermarks_table(state_schema), _of(job, table)
    )


def delete_watermark(state_schema: str, job: str, table: Table) -> sql.Composed:
    """Forget what is stored for a job and its target."""
    return sql.SQL("delete from {} where {}").format(watermarks_table(state_schema), _of(job, table))


def _of(job: str, table: Table) -> sql.Composed:
    return sql.SQL("job = {} and target_schema = {} and target_table = {}").format(
        sql.Literal(job), sql.Literal(table.schema), sql.Literal(table.name)
    )
