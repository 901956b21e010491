"""The statements that load a target from a staging table or from a select. Pure."""

from __future__ import annotations

from typing import Any, assert_never

from psycopg import sql

from ematix_flow.backends.postgres.ddl import names_sql, table_sql
from ematix_flow.backends.postgres.select import lower_bound
from ematix_flow.backends.postgres.types import type_sql
from ematix_flow.plan import AddMissing, AddNewKeys, AddRows, ReplaceRows, TargetPlan, Unproven
from ematix_flow.spec import Column
from ematix_flow.types import ListOf, Scalar

STAGE = sql.Identifier("pg_temp", "ematix_stage")


def column_names(plan: TargetPlan) -> tuple[str, ...]:
    """The target's columns, in declaration order."""
    return tuple(column.name for column in plan.stored.columns)


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


# --- checks on the staging table ---------------------------------------------------------------------


def keys_to_check(plan: TargetPlan) -> tuple[str, ...]:
    """The key whose uniqueness is not proven, or () when nothing needs to be checked."""
    match plan.action:
        case AddNewKeys(keys=keys, uniqueness=Unproven()) | ReplaceRows(keys=keys, uniqueness=Unproven()):
            return keys
        case _:
            return ()


def null_keys(keys: tuple[str, ...]) -> sql.Composed:
    """How many staged rows have NULL in the key, and five of them."""
    missing = sql.SQL(" or ").join(sql.SQL("{} is null").format(sql.Identifier(key)) for key in keys)
    return sql.SQL(
        "select count(*), (array_agg(s::text) filter (where n <= 5)) from "
        "(select s, row_number() over () as n from {} as s where {}) as x"
    ).format(STAGE, missing)


def repeated_keys(keys: tuple[str, ...]) -> sql.Composed:
    """How many keys stand in several staged rows."""
    return sql.SQL("select count(*) from (select from {} group by {} having count(*) > 1) as x").format(
        STAGE, names_sql(keys)
    )


def conflicting_keys(keys: tuple[str, ...]) -> sql.Composed:
    """How many keys stand in several *different* staged rows, and five of those rows."""
    return sql.SQL(
        "select count(*), (array_agg(rows) filter (where n <= 5)) from (select rows, row_number() over () as n from "
        "(select string_agg(distinct s::text, ' / ') as rows from {} as s group by {} "
        "having count(distinct s::text) > 1) as y) as x"
    ).format(STAGE, names_sql(keys))


# --- loading -----------------------------------------------------------------------------------------


def delete_all(plan: TargetPlan) -> sql.Composed:
    """Empty the target; readers keep the old rows until the transaction commits, which TRUNCATE would not grant."""
    return sql.SQL("delete from {}").format(table_sql(plan.stored))


def insert_select(plan: TargetPlan, select: sql.Composable) -> sql.Composed:
    """Insert what a select returns; its columns stand in the order of the read plan."""
    read = names_sql(tuple(column.name for column in plan.read.columns))
    statement = sql.SQL("insert into {} ({}) {}").format(table_sql(plan.stored), read, select)
    return sql.Composed([statement, _on_conflict(plan)])


def insert_stage(plan: TargetPlan) -> sql.Composed:
    """Insert the staged rows; rows that are identical in every column and share a key count once."""
    columns = names_sql(column_names(plan))
    match plan.action:
        case AddMissing():
            select = _missing_rows(plan, plan.action)
        case AddNewKeys(keys=keys, uniqueness=Unproven()) | ReplaceRows(keys=keys, uniqueness=Unproven()):
            select = sql.SQL("select distinct on ({}) {} from {}").format(names_sql(keys), columns, STAGE)
        case AddRows() | AddNewKeys() | ReplaceRows():
            select = sql.SQL("select {} from {}").format(columns, STAGE)
        case _:
            assert_never(plan.action)
    statement = sql.SQL("insert into {} ({}) {}").format(table_sql(plan.stored), columns, select)
    return sql.Composed([statement, _on_conflict(plan)])


def told(statement: sql.Composed) -> sql.Composed:
    """Run a statement and have it tell how many rows passed through each of its nodes."""
    return sql.SQL("explain (analyze, timing off, summary off, format json) {}").format(statement)


def read_and_conflicting(account: list[dict[str, Any]]) -> tuple[int, int]:
    """How many rows an insert was given, and how many of them were already there, by its own account.

    Its rows come from its outer child; scalar sub-selects and WITH queries hang beside that one as init plans.
    """
    insert = account[0]["Plan"]
    given = [child for child in insert["Plans"] if child["Parent Relationship"] == "Outer"]
    read = sum(round(child["Actual Rows"] * child["Actual Loops"]) for child in given)
    return read, round(insert.get("Conflicting Tuples", 0))


def _on_conflict(plan: TargetPlan) -> sql.Composable:
    match plan.action:
        case AddNewKeys(keys=keys):
            return sql.SQL(" on conflict ({}) do nothing").format(names_sql(keys))
        case _:
            return sql.SQL("")


def _missing_rows(plan: TargetPlan, action: AddMissing) -> sql.Composed:
    """Multiset difference of the staged slice and the target's: `except all` keeps a legitimate twin."""
    comparable = sql.SQL(", ").join(_comparable(column) for column in plan.stored.columns)
    result = sql.SQL(", ").join(
        sql.SQL("{}::{}").format(sql.Identifier(column.name), type_sql(column.type))
        for column in plan.stored.columns
    )
    return sql.SQL("select {} from (select {} from {} except all select {} from {}{}) as missing").format(
        result, comparable, STAGE, comparable, table_sql(plan.stored), _slice_of_target(plan, action)
    )


def _slice_of_target(plan: TargetPlan, action: AddMissing) -> sql.Composable:
    held = plan.stored.column(action.window.column)
    if held is None or held.type != action.window.type:
        return sql.SQL("")
    lower = lower_bound(action.window, sql.Identifier(held.name))
    return sql.SQL(" where {}").format(lower) if lower else sql.SQL("")


def _comparable(column: Column) -> sql.Composable:
    """A column that `except` can compare; json has no equality, its text has."""
    name = sql.Identifier(column.name)
    if column.type in (Scalar.JSON, ListOf(Scalar.JSON)):
        text = Scalar.TEXT if column.type is Scalar.JSON else ListOf(Scalar.TEXT)
        return sql.SQL("{}::{} as {}").format(name, type_sql(text), name)
    return name
