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
        "value text not null, loaded_at timestamptz not null default now(), "
        "primary key (job, target_schema, target_table))"
    ).format(watermarks_table(state_schema))


def read_watermark(state_schema: str, job: str, table: Table, cursor: str) -> sql.Composed:
    """The value stored under a cursor: no row when there is none, or when it counts something else."""
    return sql.SQL(
        "select value from {} where job = {} and target_schema = {} and target_table = {} and cursor = {}"
    ).format(
        watermarks_table(state_schema),
        sql.Literal(job),
        sql.Literal(table.schema),
        sql.Literal(table.name),
        sql.Literal(cursor),
    )


def write_watermark(state_schema: str, job: str, table: Table, watermark: Watermark) -> sql.Composed:
    """Store a watermark; one for the same cursor never moves backwards."""
    type_ = type_sql(watermark.type)
    return sql.SQL(
        "insert into {} as held (job, target_schema, target_table, cursor, value) values ({}, {}, {}, {}, {}) "
        "on conflict (job, target_schema, target_table) do update "
        "set cursor = excluded.cursor, value = excluded.value, loaded_at = excluded.loaded_at "
        "where held.cursor <> excluded.cursor or held.value::{} <= excluded.value::{}"
    ).format(
        watermarks_table(state_schema),
        sql.Literal(job),
        sql.Literal(table.schema),
        sql.Literal(table.name),
        sql.Literal(watermark.cursor),
        sql.Literal(watermark.value),
        type_,
        type_,
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
