"""The statements that load a target, from a staging table or from a select. Pure."""

from __future__ import annotations

from typing import assert_never

from psycopg import sql

from ematix_flow.backends.postgres.append import (
    do_nothing,
    emptied,
    insert_missing,
    insert_new_keys,
    insert_stage,
)
from ematix_flow.backends.postgres.ddl import names_sql, table_sql
from ematix_flow.backends.postgres.merge import do_update, merge_statements
from ematix_flow.backends.postgres.statements import Count, LoadStatement
from ematix_flow.backends.postgres.versions import version_statements
from ematix_flow.plan import (
    AddMissing,
    AddNewKeys,
    AddRows,
    AddVersions,
    MergeRows,
    ReplaceRows,
    ReplaceSlice,
    TargetPlan,
)


def direct_load(plan: TargetPlan, select: sql.Composable) -> tuple[LoadStatement, ...]:
    """The statements that load what a select returns; its columns stand in the order of the read plan."""
    columns = names_sql(tuple(column.name for column in plan.read.columns))
    match plan.action:
        case AddNewKeys():
            conflict: sql.Composable = do_nothing(plan.action)
        case MergeRows():
            conflict = do_update(plan, plan.action)
        case _:
            conflict = sql.SQL("")
    insert = sql.SQL("insert into {} ({}) {}{}").format(table_sql(plan.stored), columns, select, conflict)
    return (*emptied(plan), LoadStatement(insert, Count.BY_ACCOUNT))


def staged_load(plan: TargetPlan) -> tuple[LoadStatement, ...]:
    """The statements that load the staged rows."""
    match plan.action:
        case AddRows() | ReplaceRows() | ReplaceSlice():
            return (*emptied(plan), insert_stage(plan))
        case AddMissing():
            return (insert_missing(plan, plan.action),)
        case AddNewKeys():
            return (insert_new_keys(plan, plan.action),)
        case MergeRows():
            return merge_statements(plan, plan.action)
        case AddVersions():
            return version_statements(plan, plan.action)
        case _:
            assert_never(plan.action)
