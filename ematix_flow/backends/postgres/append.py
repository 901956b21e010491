"""Adding and replacing rows: the statements of append and truncate. Pure."""

from __future__ import annotations

from psycopg import sql

from ematix_flow.backends.postgres.ddl import names_sql, table_sql
from ematix_flow.backends.postgres.select import in_slice, lower_bound
from ematix_flow.backends.postgres.stage import STAGE, column_names, same_key, staged_rows
from ematix_flow.backends.postgres.statements import Count, LoadStatement
from ematix_flow.backends.postgres.types import type_sql
from ematix_flow.plan import AddMissing, AddNewKeys, ReplaceRows, ReplaceSlice, TargetPlan
from ematix_flow.spec import Column
from ematix_flow.types import ListOf, Scalar


def emptied(plan: TargetPlan) -> tuple[LoadStatement, ...]:
    """Empty what is replaced; readers keep the old rows until the commit, which TRUNCATE would not grant."""
    match plan.action:
        case ReplaceRows():
            where: sql.Composable = sql.SQL("")
        case ReplaceSlice(window=window):
            where = sql.SQL(" where {}").format(in_slice(window, sql.Identifier(window.column)))
        case _:
            return ()
    statement = sql.SQL("delete from {}{}").format(table_sql(plan.stored), where)
    return (LoadStatement(statement, Count.DELETED),)


def insert_stage(plan: TargetPlan) -> LoadStatement:
    """Add the staged rows."""
    return _insert(plan, staged_rows(plan))


def insert_missing(plan: TargetPlan, action: AddMissing) -> LoadStatement:
    """Add the staged rows that the target's own slice lacks."""
    return _insert(plan, _missing_rows(plan, action))


def insert_new_keys(plan: TargetPlan, action: AddNewKeys) -> LoadStatement:
    """Add the staged rows whose key the target does not hold."""
    if action.indexed:
        return _insert(plan, sql.Composed([staged_rows(plan), do_nothing(action)]))
    return insert_absent(plan, action.keys)


def insert_absent(plan: TargetPlan, keys: tuple[str, ...]) -> LoadStatement:
    """Add by looking the key up, in a table without a unique index on it; the table's lock keeps others away."""
    rows = sql.SQL("select * from ({}) as s where not exists (select from {} as t where {})").format(
        staged_rows(plan), table_sql(plan.stored), same_key(keys, "t", "s")
    )
    return _insert(plan, rows)


def do_nothing(action: AddNewKeys) -> sql.Composed:
    """Leave a row alone whose key is already there."""
    return sql.SQL(" on conflict ({}) do nothing").format(names_sql(action.keys))


def _insert(plan: TargetPlan, rows: sql.Composable) -> LoadStatement:
    columns = names_sql(column_names(plan))
    return LoadStatement(
        sql.SQL("insert into {} ({}) {}").format(table_sql(plan.stored), columns, rows), Count.INSERTED
    )


def _missing_rows(plan: TargetPlan, action: AddMissing) -> sql.Composed:
    """Multiset difference of the staged slice and the target's: `except all` keeps a legitimate twin."""
    compared = sql.SQL(", ").join(_text_if_json(column) for column in plan.table.columns)
    result = sql.SQL(", ").join(
        sql.SQL("{}::{}").format(sql.Identifier(column.name), type_sql(column.type))
        for column in plan.table.columns
    )
    return sql.SQL("select {} from (select {} from {} except all select {} from {}{}) as missing").format(
        result, compared, STAGE, compared, table_sql(plan.stored), _slice_of_target(plan, action)
    )


def _slice_of_target(plan: TargetPlan, action: AddMissing) -> sql.Composable:
    held = plan.stored.column(action.window.column)
    if held is None or held.type != action.window.type:
        return sql.SQL("")
    lower = lower_bound(action.window, sql.Identifier(held.name))
    return sql.SQL(" where {}").format(lower) if lower else sql.SQL("")


def _text_if_json(column: Column) -> sql.Composable:
    """A column that `except` can compare; json has no equality, its text has."""
    name = sql.Identifier(column.name)
    if column.type in (Scalar.JSON, ListOf(Scalar.JSON)):
        text = Scalar.TEXT if column.type is Scalar.JSON else ListOf(Scalar.TEXT)
        return sql.SQL("{}::{} as {}").format(name, type_sql(text), name)
    return name
