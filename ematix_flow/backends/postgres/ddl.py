"""Migration steps as PostgreSQL statements. Pure."""

from __future__ import annotations

from typing import assert_never

from psycopg import sql

from ematix_flow.backends.postgres.types import type_sql
from ematix_flow.history import IS_CURRENT
from ematix_flow.migration import AddColumn, CreateSchema, CreateTable, Step
from ematix_flow.spec import Column, Table


def step_statements(step: Step) -> tuple[sql.Composed, ...]:
    """The statements of one step, in order."""
    match step:
        case CreateSchema(schema=schema):
            return (create_schema(schema),)
        case CreateTable(table=table):
            return (create_table(table), *_current_indexes(table), *_comments(table, table.columns))
        case AddColumn(table=table, column=column):
            add = sql.SQL("alter table {} add column {} {}").format(
                table_sql(table), sql.Identifier(column.name), type_sql(column.type)
            )
            return (add, *_comments(table, (column,)))
        case _:
            assert_never(step)


def create_schema(schema: str) -> sql.Composed:
    """Create a schema unless it is there."""
    return sql.SQL("create schema if not exists {}").format(sql.Identifier(schema))


def create_table(table: Table) -> sql.Composed:
    """Create a table with its key and its unique constraints."""
    parts: list[sql.Composable] = [_column_sql(column) for column in table.columns]
    if table.primary_key:
        parts.append(sql.SQL("primary key ({})").format(names_sql(table.primary_key)))
    parts += [
        sql.SQL("unique ({})").format(names_sql(key.columns))
        for key in table.unique_keys
        if not key.only_current
    ]
    return sql.SQL("create table {} ({})").format(table_sql(table), sql.SQL(", ").join(parts))


def table_sql(table: Table) -> sql.Identifier:
    """The table's quoted, qualified name."""
    return sql.Identifier(table.schema, table.name)


def names_sql(names: tuple[str, ...]) -> sql.Composed:
    """Quoted column names, comma-separated."""
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _column_sql(column: Column) -> sql.Composed:
    null = sql.SQL("") if column.nullable else sql.SQL(" not null")
    return sql.SQL("{} {}{}").format(sql.Identifier(column.name), type_sql(column.type), null)


def _current_indexes(table: Table) -> tuple[sql.Composed, ...]:
    """At most one current version a key, whoever writes."""
    return tuple(
        sql.SQL("create unique index on {} ({}) where {}").format(
            table_sql(table), names_sql(key.columns), sql.Identifier(IS_CURRENT)
        )
        for key in table.unique_keys
        if key.only_current
    )


def _comments(table: Table, columns: tuple[Column, ...]) -> tuple[sql.Composed, ...]:
    statements = []
    if table.comment:
        statements.append(
            sql.SQL("comment on table {} is {}").format(table_sql(table), sql.Literal(table.comment))
        )
    for column in columns:
        if column.comment:
            name = sql.Identifier(table.schema, table.name, column.name)
            statements.append(sql.SQL("comment on column {} is {}").format(name, sql.Literal(column.comment)))
    return tuple(statements)
