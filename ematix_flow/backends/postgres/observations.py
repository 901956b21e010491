"""scd2 by the clock: an observation comes after all that is known of its key. Pure.

So it is compared with the key's current version alone, and nothing is spliced: what differs, or has no current
version, is the key's next one.
"""

from __future__ import annotations

from psycopg import sql

from ematix_flow.backends.postgres.ddl import names_sql, table_sql
from ematix_flow.backends.postgres.stage import (
    TIMELINE,
    column_names,
    compared_columns,
    create_timeline,
    differs,
    same_key,
    staged_rows,
)
from ematix_flow.backends.postgres.statements import Count, LoadStatement
from ematix_flow.history import IS_CURRENT, VALID_FROM, VALID_TO
from ematix_flow.plan import AddVersions, TargetPlan

_NAMES = {
    "valid_from": sql.Identifier(VALID_FROM),
    "valid_to": sql.Identifier(VALID_TO),
    "is_current": sql.Identifier(IS_CURRENT),
}


def observation_statements(plan: TargetPlan, action: AddVersions) -> tuple[LoadStatement, ...]:
    """Close the versions that no longer hold, and open those that do."""
    return (
        LoadStatement(_news(plan, action), Count.NOTHING),
        LoadStatement(_close(plan, action), Count.CLOSED),
        LoadStatement(_open(plan, action), Count.INSERTED),
    )


def _news(plan: TargetPlan, action: AddVersions) -> sql.Composed:
    """The observations that say something new, each with the start of the version that it ends and its own time."""
    return create_timeline(
        sql.SQL(
            "select s.*, t.{valid_from} as ematix_held_from, "
            "greatest({clock}, t.{valid_from} + interval '1 microsecond') as ematix_at "
            "from ({rows}) as s left join {table} as t on {same} and t.{is_current} "
            "where t.{valid_from} is null or ({differs})"
        ).format(
            clock=sql.Literal(plan.clock),
            rows=staged_rows(plan),
            table=table_sql(plan.stored),
            same=same_key(action.keys, "t", "s"),
            differs=differs(compared_columns(plan, action), "s", "t"),
            **_NAMES,
        )
    )


def _close(plan: TargetPlan, action: AddVersions) -> sql.Composed:
    return sql.SQL(
        "update {table} as t set {valid_to} = v.ematix_at, {is_current} = false from {timeline} as v "
        "where {same} and t.{valid_from} = v.ematix_held_from"
    ).format(
        table=table_sql(plan.stored),
        timeline=TIMELINE,
        same=same_key(action.keys, "t", "v"),
        **_NAMES,
    )


def _open(plan: TargetPlan, action: AddVersions) -> sql.Composed:
    """A key that has no current version may have had some, and is later than all of them."""
    return sql.SQL(
        "insert into {table} ({columns}, {valid_from}, {valid_to}, {is_current}) "
        "select {columns}, case when v.ematix_held_from is not null then v.ematix_at else greatest(v.ematix_at, "
        "(select greatest(max(t.{valid_from}) + interval '1 microsecond', max(t.{valid_to})) from {table} as t "
        "where {same})) end, null, true from {timeline} as v"
    ).format(
        table=table_sql(plan.stored),
        columns=names_sql(column_names(plan)),
        timeline=TIMELINE,
        same=same_key(action.keys, "t", "v"),
        **_NAMES,
    )
