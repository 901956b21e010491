"""Keeping every version of a row: the statements of scd2. Pure.

Where the data tell since when, the staged rows are observations. Together with the held versions of their keys they form a timeline: starts of
versions, and ends of versions that nothing follows (a row that was gone). A start is kept unless it was observed and
equals the entry before it; a kept start holds until the next entry. What differs from the table is then applied.
"""

from __future__ import annotations

from psycopg import sql

from ematix_flow.backends.postgres.ddl import names_sql, table_sql
from ematix_flow.backends.postgres.observations import observation_statements
from ematix_flow.backends.postgres.stage import (
    STAGE,
    TIMELINE,
    column_names,
    comparable,
    compared_columns,
    create_timeline,
    differs,
    same_key,
    staged_rows,
)
from ematix_flow.backends.postgres.statements import Count, LoadStatement
from ematix_flow.history import IS_CURRENT, VALID_FROM, VALID_TO
from ematix_flow.plan import AddVersions, TargetPlan
from ematix_flow.spec import Deletes

_NAMES = {
    "valid_from": sql.Identifier(VALID_FROM),
    "valid_to": sql.Identifier(VALID_TO),
    "is_current": sql.Identifier(IS_CURRENT),
}


def version_statements(plan: TargetPlan, action: AddVersions) -> tuple[LoadStatement, ...]:
    """The statements that take the staged rows into the history; closings come first, so that one version a key is
    current at any time.
    """
    if action.valid_from is None:
        return (*observation_statements(plan, action), *_close_absent(plan, action))
    return (
        LoadStatement(_timeline(plan, action, action.valid_from), Count.NOTHING),
        LoadStatement(_correct(plan, action), Count.UPDATED),
        LoadStatement(_end(plan, action, sql.SQL("v.ematix_held_until is null")), Count.CLOSED),
        LoadStatement(_end(plan, action, sql.SQL("v.ematix_held_until is not null")), Count.NOTHING),
        LoadStatement(_insert(plan), Count.INSERTED),
        *_close_absent(plan, action),
    )


# --- the timeline ------------------------------------------------------------------------------------


def _timeline(plan: TargetPlan, action: AddVersions, valid_from: str) -> sql.Composed:
    return create_timeline(
        sql.SQL(
            """with held as materialized ({held}), observed as materialized ({observed}), entries as ({entries}),
judged as (select e.*, {kept} as ematix_kept from entries as e window w as (partition by {keys} order by ematix_at, ematix_rank))
select j.*, lead(ematix_at) over (partition by {keys} order by ematix_at, ematix_rank) as ematix_until from judged as j where ematix_kept"""
        ).format(
            held=_held(plan, action),
            observed=sql.SQL("select s.*, {} as ematix_at from ({}) as s").format(
                sql.Identifier("s", valid_from), staged_rows(plan)
            ),
            entries=_entries(plan, action),
            kept=_kept(plan, action),
            keys=names_sql(action.keys),
        )
    )


def _held(plan: TargetPlan, action: AddVersions) -> sql.Composed:
    """The versions of the observed keys, each with the start of the next one."""
    return sql.SQL(
        "select t.*, lead(t.{valid_from}) over (partition by {keys} order by t.{valid_from}) as ematix_followed_at "
        "from {table} as t where exists (select from {stage} as s where {same})"
    ).format(
        keys=sql.SQL(", ").join(sql.Identifier("t", key) for key in action.keys),
        table=table_sql(plan.stored),
        stage=STAGE,
        same=same_key(action.keys, "t", "s"),
        **_NAMES,
    )


def _entries(plan: TargetPlan, action: AddVersions) -> sql.Composed:
    """Starts (rank 1) and, before a start at the same instant, ends that nothing follows (rank 0).

    The names that we add begin with `ematix_`, so that a column of the user's may be called `rank`.
    """
    corrected = sql.SQL("(o.ematix_at is not null and h.{valid_from} is not null and ({differs}))").format(
        differs=differs(compared_columns(plan, action), "o", "h"), **_NAMES
    )
    values = sql.SQL(", ").join(
        sql.SQL("case when h.{valid_from} is null or {corrected} then {new} else {old} end as {name}").format(
            corrected=corrected,
            new=sql.Identifier("o", name),
            old=sql.Identifier("h", name),
            name=sql.Identifier(name),
            **_NAMES,
        )
        for name in column_names(plan)
    )
    starts = sql.SQL(
        "select {values}, coalesce(o.ematix_at, h.{valid_from}) as ematix_at, 1 as ematix_rank, h.{valid_from} is not null as ematix_is_held, "
        "{corrected} as ematix_corrected, h.{valid_to} as ematix_held_until "
        "from observed as o full join held as h on {same} and o.ematix_at = h.{valid_from}"
    ).format(values=values, corrected=corrected, same=same_key(action.keys, "o", "h"), **_NAMES)
    ends = sql.SQL(
        "select {columns}, {valid_to}, 0, true, false, null from held "
        "where {valid_to} is not null and {valid_to} is distinct from ematix_followed_at"
    ).format(columns=names_sql(column_names(plan)), **_NAMES)
    return sql.SQL("{} union all {}").format(starts, ends)


def _kept(plan: TargetPlan, action: AddVersions) -> sql.Composed:
    """Whether an entry stays: what was held does, an observation only if it says something new."""
    same_values = [
        sql.SQL("lag({value}) over w is not distinct from {value}").format(
            value=comparable(column, sql.Identifier(column.name))
        )
        for column in compared_columns(plan, action)
    ]
    repeats = sql.SQL(" and ").join([sql.SQL("coalesce(lag(ematix_rank) over w = 1, false)"), *same_values])
    return sql.SQL("ematix_is_held or not ({})").format(repeats)


# --- what it changes ---------------------------------------------------------------------------------


def _correct(plan: TargetPlan, action: AddVersions) -> sql.Composed:
    """The same instant was observed with other values."""
    values = sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Identifier("v", name))
        for name in column_names(plan)
        if name not in action.keys
    )
    return sql.SQL(
        "update {table} as t set {values} from {timeline} as v "
        "where v.ematix_rank = 1 and v.ematix_corrected and {same} and t.{valid_from} = v.ematix_at"
    ).format(
        table=table_sql(plan.stored),
        values=values,
        timeline=TIMELINE,
        same=same_key(action.keys, "t", "v"),
        **_NAMES,
    )


def _end(plan: TargetPlan, action: AddVersions, which: sql.Composable) -> sql.Composed:
    """A held version ends where a new one begins."""
    return sql.SQL(
        "update {table} as t set {valid_to} = v.ematix_until, {is_current} = false from {timeline} as v "
        "where v.ematix_rank = 1 and v.ematix_is_held and {which} and v.ematix_until is distinct from v.ematix_held_until "
        "and {same} and t.{valid_from} = v.ematix_at"
    ).format(
        table=table_sql(plan.stored),
        timeline=TIMELINE,
        which=which,
        same=same_key(action.keys, "t", "v"),
        **_NAMES,
    )


def _insert(plan: TargetPlan) -> sql.Composed:
    columns = names_sql(column_names(plan))
    return sql.SQL(
        "insert into {table} ({columns}, {valid_from}, {valid_to}, {is_current}) "
        "select {columns}, ematix_at, ematix_until, ematix_until is null from {timeline} where ematix_rank = 1 and not ematix_is_held"
    ).format(table=table_sql(plan.stored), columns=columns, timeline=TIMELINE, **_NAMES)


def _close_absent(plan: TargetPlan, action: AddVersions) -> tuple[LoadStatement, ...]:
    """Current versions of keys that were not read end now."""
    if action.deletes is not Deletes.SOFT:
        return ()
    statement = sql.SQL(
        "update {table} as t set {valid_to} = greatest({clock}, t.{valid_from} + interval '1 microsecond'), "
        "{is_current} = false where t.{is_current} and not exists (select from {stage} as s where {same})"
    ).format(
        table=table_sql(plan.stored),
        clock=sql.Literal(plan.clock),
        stage=STAGE,
        same=same_key(action.keys, "t", "s"),
        **_NAMES,
    )
    return (LoadStatement(statement, Count.CLOSED),)
