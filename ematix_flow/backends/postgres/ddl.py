"""Migration steps as PostgreSQL statements. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import LiteralString, assert_never

from psycopg import sql

from ematix_flow.backends.postgres.types import type_sql
from ematix_flow.history import IS_CURRENT
from ematix_flow.migration import (
    AddColumn,
    AddFilledColumn,
    ChangeType,
    CommentColumn,
    CommentTable,
    CreateSchema,
    CreateTable,
    DropNotNull,
    Remedy,
    RenameColumn,
    SetNotNull,
    Step,
    WidenColumn,
)
from ematix_flow.spec import Column, Constant, Table
from ematix_flow.types import DataType, ListOf, Scalar, Varchar

# Whoever waits for a table's exclusive lock makes every later reader wait behind it.
_GUARD = sql.SQL("set local lock_timeout = '2s'")
_NO_GUARD = sql.SQL("set local lock_timeout to default")

# What old rows could hold in a new column: where each of these stands, a person chooses.
_PLACEHOLDERS = {
    Scalar.TEXT: "",
    Scalar.BYTES: "",
    Scalar.BOOLEAN: "false",
    Scalar.DATE: "1970-01-01",
    Scalar.TIMESTAMP: "1970-01-01",
    Scalar.TIMESTAMPTZ: "1970-01-01",
    Scalar.TIME: "00:00",
    Scalar.JSON: "null",
    Scalar.JSONB: "null",
    Scalar.UUID: "00000000-0000-0000-0000-000000000000",
}


def migration_statements(steps: Iterable[Step]) -> tuple[sql.Composed | sql.SQL, ...]:
    """The statements of all steps, in order; they wait two seconds at most for a live table's lock."""
    steps = tuple(steps)
    statements = [statement for step in steps for statement in step_statements(step)]
    if all(isinstance(step, CreateSchema | CreateTable) for step in steps):
        return tuple(statements)
    return (_GUARD, *statements, _NO_GUARD)


def step_statements(step: Step) -> tuple[sql.Composed, ...]:
    """The statements of one step, in order."""
    match step:
        case CreateSchema(schema=schema):
            return (create_schema(schema),)
        case CreateTable(table=table):
            comments = [_column_comment(table, column) for column in table.columns if column.comment]
            about = (_table_comment(table),) if table.comment else ()
            return (create_table(table), *_current_indexes(table), *about, *comments)
        case AddColumn(table=table, column=column):
            add = _alter(table, "add column {}", _column_sql(column))
            return (add, _column_comment(table, column)) if column.comment else (add,)
        case DropNotNull(table=table, column=name):
            return (_alter(table, "alter column {} drop not null", sql.Identifier(name)),)
        case WidenColumn(table=table, column=column):
            return (_set_type(table, column),)
        case CommentTable(table=table):
            return (_table_comment(table),)
        case CommentColumn(table=table, column=column):
            return (_column_comment(table, column),)
        case _:
            assert_never(step)


def remedy_statements(remedy: Remedy) -> tuple[sql.Composed, ...]:
    """What a person could run, in order."""
    match remedy:
        case AddFilledColumn(table=table, column=column):
            name = sql.Identifier(column.name)
            filled = sql.SQL("{} default {} /* what older rows hold: choose it */").format(
                _column_sql(column), _typed(_placeholder(column.type), column.type)
            )
            return (
                _alter(table, "add column {}", filled),
                _alter(table, "alter column {} drop default", name),
            )
        case RenameColumn(table=table, live=live, column=name):
            return (_alter(table, "rename column {} to {}", sql.Identifier(live), sql.Identifier(name)),)
        case ChangeType(table=table, column=column):
            return (_change_type(table, column),)
        case SetNotNull(table=table, column=column):
            return (_alter(table, "alter column {} set not null", sql.Identifier(column.name)),)
        case _:
            return step_statements(remedy)


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
    default: sql.Composable = sql.SQL("")
    if column.default is not None:
        default = sql.SQL(" default {}").format(_typed(column.default, column.type))
    return sql.SQL("{} {}{}{}").format(sql.Identifier(column.name), type_sql(column.type), null, default)


def _typed(value: Constant, type_: DataType) -> sql.Composed:
    # Every value as text: the server reads it by the column's type, whatever Python's was.
    return sql.SQL("{}::{}").format(sql.Literal(str(value)), type_sql(type_))


def _placeholder(type_: DataType) -> str:
    match type_:
        case ListOf():
            return "{}"
        case Varchar():
            return ""
        case Scalar():
            return _PLACEHOLDERS.get(type_, "0")
        case _:
            return "0"


def _alter(table: Table, change: LiteralString, *parts: sql.Composable) -> sql.Composed:
    return sql.SQL("alter table {} {}").format(table_sql(table), sql.SQL(change).format(*parts))


def _set_type(table: Table, column: Column) -> sql.Composed:
    return _alter(table, "alter column {} type {}", sql.Identifier(column.name), type_sql(column.type))


def _change_type(table: Table, column: Column) -> sql.Composed:
    """Without USING a too long text is refused; with it, it would be cut."""
    if isinstance(column.type, Varchar):
        return _set_type(table, column)
    name, type_ = sql.Identifier(column.name), type_sql(column.type)
    return _alter(table, "alter column {} type {} using {}::{}", name, type_, name, type_)


def _current_indexes(table: Table) -> tuple[sql.Composed, ...]:
    """At most one current version a key, whoever writes."""
    return tuple(
        sql.SQL("create unique index on {} ({}) where {}").format(
            table_sql(table), names_sql(key.columns), sql.Identifier(IS_CURRENT)
        )
        for key in table.unique_keys
        if key.only_current
    )


def _table_comment(table: Table) -> sql.Composed:
    return sql.SQL("comment on table {} is {}").format(table_sql(table), sql.Literal(table.comment))


def _column_comment(table: Table, column: Column) -> sql.Composed:
    name = sql.Identifier(table.schema, table.name, column.name)
    return sql.SQL("comment on column {} is {}").format(name, sql.Literal(column.comment))
