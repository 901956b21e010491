"""Merging rows by key: the statements of merge. Pure."""

from __future__ import annotations

from psycopg import sql

from ematix_flow.backends.postgres.append import insert_absent
from ematix_flow.backends.postgres.ddl import names_sql, table_sql
from ematix_flow.backends.postgres.stage import STAGE, column_names, differs, same_key, staged_rows
from ematix_flow.backends.postgres.statements import Count, LoadStatement
from ematix_flow.history import DELETED_AT
from ematix_flow.plan import MergeRows, TargetPlan
from ematix_flow.spec import Column, Deletes


def merge_statements(plan: TargetPlan, action: MergeRows) -> tuple[LoadStatement, ...]:
    """The statements that merge the staged rows into the target."""
    if action.indexed:
        insert = sql.SQL("insert into {} ({}) {}{}").format(
            table_sql(plan.stored), names_sql(column_names(plan)), staged_rows(plan), do_update(plan, action)
        )
        return (LoadStatement(insert, Count.BY_ACCOUNT), *_absent(plan, action))
    return (_update_held(plan, action), insert_absent(plan, action.keys), *_absent(plan, action))


def do_update(plan: TargetPlan, action: MergeRows) -> sql.Composed:
    """Set the columns of a row whose key is already there, if any of them differs."""
    keys, columns = names_sql(action.keys), _updated(plan, action)
    if not columns and action.deletes is not Deletes.SOFT:
        return sql.SQL(" on conflict ({}) do nothing").format(keys)
    return sql.SQL(" on conflict ({}) do update set {} where {}").format(
        keys,
        _set(action, columns, "excluded"),
        _is_stale(action, columns, plan.stored.name, "excluded"),
    )


def _update_held(plan: TargetPlan, action: MergeRows) -> LoadStatement:
    """The same without a unique index that would find the row."""
    columns = _updated(plan, action)
    update = sql.SQL("update {} as t set {} from ({}) as s where {} and ({})").format(
        table_sql(plan.stored),
        _set(action, columns or _any_column(plan), "s"),
        staged_rows(plan),
        same_key(action.keys, "t", "s"),
        _is_stale(action, columns, "t", "s"),
    )
    return LoadStatement(update, Count.UPDATED)


def _updated(plan: TargetPlan, action: MergeRows) -> tuple[Column, ...]:
    return tuple(column for column in plan.table.columns if column.name in action.update)


def _any_column(plan: TargetPlan) -> tuple[Column, ...]:
    """Something to set where nothing but the mark of a deleted row ever changes."""
    return plan.table.columns[:1]


def _set(action: MergeRows, columns: tuple[Column, ...], given: str) -> sql.Composed:
    parts = [
        sql.SQL("{} = {}").format(sql.Identifier(column.name), sql.Identifier(given, column.name))
        for column in columns
    ]
    if action.deletes is Deletes.SOFT:  # it was found again
        parts.append(sql.SQL("{} = null").format(sql.Identifier(DELETED_AT)))
    return sql.SQL(", ").join(parts)


def _is_stale(action: MergeRows, columns: tuple[Column, ...], held: str, given: str) -> sql.Composed:
    stale = differs(columns, held, given)
    if action.deletes is not Deletes.SOFT:
        return stale
    return sql.SQL("{} or {} is not null").format(stale, sql.Identifier(held, DELETED_AT))


def _absent(plan: TargetPlan, action: MergeRows) -> tuple[LoadStatement, ...]:
    """What becomes of held rows whose key was not read; NOT EXISTS, which NULLs do not mislead."""
    gone = sql.SQL("not exists (select from {} as s where {})").format(STAGE, same_key(action.keys, "t", "s"))
    match action.deletes:
        case None:
            return ()
        case Deletes.HARD:
            statement = sql.SQL("delete from {} as t where {}").format(table_sql(plan.stored), gone)
        case Deletes.SOFT:
            mark = sql.Identifier(DELETED_AT)
            statement = sql.SQL("update {} as t set {} = {} where {} is null and {}").format(
                table_sql(plan.stored), mark, sql.Literal(plan.clock), mark, gone
            )
    return (LoadStatement(statement, Count.DELETED),)
