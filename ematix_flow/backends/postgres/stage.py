"""The staging table: the rows of one read, in their declared types, before any of them is loaded. Pure."""

from __future__ import annotations

from typing import assert_never

from psycopg import sql

from ematix_flow.backends.postgres.ddl import names_sql
from ematix_flow.backends.postgres.types import type_sql
from ematix_flow.plan import (
    Action,
    AddMissing,
    AddNewKeys,
    AddRows,
    AddVersions,
    MergeRows,
    ReplaceRows,
    ReplaceSlice,
    TargetPlan,
    Unproven,
)
from ematix_flow.spec import Column
from ematix_flow.types import ListOf, Scalar

STAGE = sql.Identifier("pg_temp", "ematix_stage")
TIMELINE = sql.Identifier("pg_temp", "ematix_timeline")


def does_nothing_without_rows(action: Action) -> bool:
    """Whether a load of no rows leaves the table as it is."""
    match action:
        case AddRows() | AddNewKeys() | AddMissing():
            return True
        case MergeRows(deletes=deletes) | AddVersions(deletes=deletes):
            return deletes is None
        case ReplaceRows() | ReplaceSlice():
            return False
        case _:
            assert_never(action)


def column_names(plan: TargetPlan) -> tuple[str, ...]:
    """The declared columns of the target, in order."""
    return tuple(column.name for column in plan.table.columns)


def stream_names(plan: TargetPlan) -> tuple[str, ...]:
    """The columns of the stream, in order; it may have more than this target takes."""
    return tuple(column.name for column in plan.read.columns)


def create_timeline(select: sql.Composable) -> sql.Composed:
    """A second temporary table, of what the staged rows change in a history."""
    return sql.SQL("create temporary table {} on commit drop as {}").format(
        sql.Identifier("ematix_timeline"), select
    )


def compared_columns(plan: TargetPlan, action: AddVersions) -> tuple[Column, ...]:
    """The columns in which a version differs from the one before."""
    return tuple(column for column in plan.table.columns if column.name in action.compare)


def create_stage(plan: TargetPlan) -> sql.Composed:
    """A temporary table with the stream's columns in their declared types; it goes with the transaction."""
    columns = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(column.name), type_sql(column.declared))
        for column in plan.read.columns
    )
    return sql.SQL("create temporary table {} ({}) on commit drop").format(
        sql.Identifier("ematix_stage"), columns
    )


def fill_stage(plan: TargetPlan, select: sql.Composable) -> sql.Composed:
    """Fill the staging table from a select."""
    columns = names_sql(tuple(column.name for column in plan.read.columns))
    return sql.SQL("insert into {} ({}) {}").format(STAGE, columns, select)


def copy_into(target: sql.Composable, columns: tuple[str, ...]) -> sql.Composed:
    """COPY from the client, as CSV: an unquoted empty field is null, a quoted one the empty string."""
    return sql.SQL("copy {} ({}) from stdin (format csv)").format(target, names_sql(columns))


def copy_records(target: sql.Composable, columns: tuple[str, ...]) -> sql.Composed:
    """COPY of what another server sent."""
    return sql.SQL("copy {} ({}) from stdin (format binary)").format(target, names_sql(columns))


def checked_key(plan: TargetPlan) -> tuple[str, ...]:
    """The columns that must tell staged rows apart and that nothing proves to; () when nothing needs a check.

    Rows that are alike in every column count once.
    """
    match plan.action:
        case AddVersions(valid_from=str()):  # an instant may be infinite, and a key has several
            return plan.action.identity
        case ReplaceRows(keys=()) | ReplaceSlice(keys=()):
            return ()
        case (
            AddNewKeys(keys=keys, uniqueness=Unproven())
            | ReplaceRows(keys=keys, uniqueness=Unproven())
            | ReplaceSlice(keys=keys, uniqueness=Unproven())
            | MergeRows(keys=keys, uniqueness=Unproven())
            | AddVersions(keys=keys, uniqueness=Unproven())
        ):
            return keys
        case _:
            return ()


def staged_rows(plan: TargetPlan) -> sql.Composed:
    """A select of the staged rows, each once, with the columns of `column_names`."""
    columns = names_sql(column_names(plan))
    key = checked_key(plan)
    if not key:
        return sql.SQL("select {} from {}").format(columns, STAGE)
    return sql.SQL("select distinct on ({}) {} from {}").format(names_sql(key), columns, STAGE)


def same_key(keys: tuple[str, ...], one: str, other: str) -> sql.Composed:
    """Whether two aliased rows have one key."""
    return sql.SQL(" and ").join(
        sql.SQL("{} = {}").format(sql.Identifier(one, key), sql.Identifier(other, key)) for key in keys
    )


def comparable(column: Column, value: sql.Composable) -> sql.Composable:
    """A column's value in a type that has equality: json has none, and is compared as jsonb."""
    match column.type:
        case Scalar.JSON:
            return sql.SQL("{}::jsonb").format(value)
        case ListOf(element=Scalar.JSON):
            return sql.SQL("{}::jsonb[]").format(value)
        case _:
            return value


def differs(columns: tuple[Column, ...], one: str, other: str) -> sql.Composed:
    """Whether two aliased rows differ in any of the columns, NULL being equal to NULL."""
    if not columns:
        return sql.Composed([sql.SQL("false")])
    return sql.SQL(" or ").join(
        sql.SQL("{} is distinct from {}").format(
            comparable(column, sql.Identifier(one, column.name)),
            comparable(column, sql.Identifier(other, column.name)),
        )
        for column in columns
    )
