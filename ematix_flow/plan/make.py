"""make_plan: from what was declared, asked and seen to what will be done. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import assert_never

from ematix_flow.casts import Cast
from ematix_flow.errors import PlanError, SchemaDriftError
from ematix_flow.manifest import ResolvedJob
from ematix_flow.migration import diff, is_unique
from ematix_flow.plan.columns import read_columns
from ematix_flow.plan.cursors import Cursor, NoCursor, unfit, watermark_after, window_for
from ematix_flow.plan.values import (
    Action,
    AddMissing,
    AddNewKeys,
    AddRows,
    AddVersions,
    ArrowStream,
    ColumnRange,
    Form,
    InsertSelect,
    JobPlan,
    MergeRows,
    Path,
    Proven,
    ReadPlan,
    ReadWindow,
    ReplaceRows,
    StagedSelect,
    TargetPlan,
    Uniqueness,
    Unproven,
)
from ematix_flow.query import Select, attributes, impurity, single_table
from ematix_flow.spec import Append, Deletes, Incremental, JobTarget, Merge, Scd2, Truncate
from ematix_flow.state import RelationKind, RunRequest, SourceState, TargetState

# A view may repeat a key, and so may the children of an inheritance parent.
_ONE_ROW_A_KEY = (RelationKind.HEAP, RelationKind.PARTITIONED)
_TABLES = (*_ONE_ROW_A_KEY, RelationKind.INHERITED)


def make_plan(
    job: ResolvedJob,
    request: RunRequest,
    select: Select | None,
    source: SourceState,
    observed: Sequence[tuple[JobTarget, Cursor, TargetState]],
) -> JobPlan:
    """What one run of `job` does to each observed target.

    `select` is None when the body yields record batches.

    Raises:
        PlanError: or one of its kinds, when a target cannot be loaded as declared.
    """
    columns = read_columns(job, [target.table for target, _, _ in observed], source)
    plans = []
    for target, cursor, state in observed:
        _check_cursor(job, select, target, cursor)
        window = window_for(job.job, request, cursor, source, state)
        read = ReadPlan(
            job=job.job.name,
            query=select.text if select else None,
            columns=columns,
            window=window,
            form=Form.ARROW,
        )
        plans.append(_target_plan(job, request, select, source, (target, cursor, state), read))
    plan = JobPlan(job=job.job.name, targets=tuple(plans))
    return _inside_the_server(plan, select, source, {t.label: state for t, _, state in observed})


def _check_cursor(job: ResolvedJob, select: Select | None, target: JobTarget, cursor: Cursor) -> None:
    if isinstance(job.job.increment, Incremental) and select is None:
        raise PlanError(
            job=job.job.name,
            reason="incremental= bounds a query, and the body yields record batches; return SQL, or drop incremental=",
        )
    if isinstance(job.job.increment, Incremental) and isinstance(cursor, NoCursor):
        raise PlanError(
            job=job.job.name,
            reason=f"{cursor.why}, which incremental= names; add it to the query, or name another column",
        )
    if why := unfit(cursor, target):
        raise PlanError(job=job.job.name, reason=f"table {target.table.full_name}: {why}")


def _target_plan(
    job: ResolvedJob,
    request: RunRequest,
    select: Select | None,
    source: SourceState,
    seen: tuple[JobTarget, Cursor, TargetState],
    read: ReadPlan,
) -> TargetPlan:
    target, cursor, state = seen
    migration = diff(state, () if isinstance(target.mode, Truncate | Scd2) else target.mode.keys)
    if migration.drifts:
        raise SchemaDriftError(
            job=job.job.name,
            table=target.table.full_name,
            drifts=tuple(drift.text for drift in migration.drifts),
            sql=(),
            reason="change the declaration or the table so that both agree",
        )
    return TargetPlan(
        job=job.job.name,
        connection=target.connection.name,
        table=target.table,
        stored=state.stored,
        mode=target.mode,
        action=_action(target, request, read.window, state, uniqueness(target, select, source, read)),
        steps=migration.steps,
        path=ArrowStream(why=_why_arrow(job, target)),
        read=read,
        watermark=watermark_after(cursor, source, state),
        clock=state.clock,
        show_values=target.connection.show_values,
        notes=_notes(target, read),
    )


def _action(
    target: JobTarget, request: RunRequest, window: ReadWindow, state: TargetState, unique: Uniqueness
) -> Action:
    mode = target.mode
    match mode:
        case Truncate(keys=keys):
            return ReplaceRows(keys=keys, uniqueness=unique)
        case Append(keys=()) if request.full_refresh:
            return ReplaceRows(keys=(), uniqueness=unique)
        case Append(keys=()):
            holds_rows = state.live is not None and not state.empty
            if isinstance(window, ColumnRange) and holds_rows:
                return AddMissing(window=window)
            return AddRows()
        case Append(keys=keys):
            return AddNewKeys(keys=keys, uniqueness=unique, indexed=is_unique(state.live, keys))
        case Merge():
            return MergeRows(
                keys=mode.keys,
                update=mode.update or _others(target, mode.keys),
                deletes=mode.deletes,
                allow_empty_source=mode.allow_empty_source,
                uniqueness=unique,
                indexed=is_unique(state.live, mode.keys),
            )
        case Scd2():
            return AddVersions(
                keys=mode.keys,
                compare=mode.compare or _others(target, (*mode.keys, mode.valid_from)),
                valid_from=mode.valid_from,
                deletes=mode.deletes,
                allow_empty_source=mode.allow_empty_source,
                uniqueness=unique,
            )
        case _:
            assert_never(mode)


def _others(target: JobTarget, keys: Collection[str | None]) -> tuple[str, ...]:
    return tuple(column.name for column in target.table.columns if column.name not in keys)


def uniqueness(target: JobTarget, select: Select | None, source: SourceState, read: ReadPlan) -> Uniqueness:
    """Whether the key can repeat, or be null, in what the query returns."""
    keys = target.mode.keys
    if not keys:
        return Proven(why="there is no key to check")
    table = single_table(select) if select else None
    if table is None or len(source.relations) != 1 or source.relations[0].kind not in _ONE_ROW_A_KEY:
        return Unproven(why="the query is more than a plain select from one table")
    for column in read.columns:
        if column.name in keys and column.cast not in (Cast.NONE, Cast.LOSSLESS):
            return Unproven(why=f"the cast of {column.name} could make two keys equal")
    relation = source.relations[0]
    outputs = dict(table.outputs)
    if not {origin for origin in outputs.values() if origin} <= {column.name for column in relation.columns}:
        return Unproven(why="an output is no column of its table, and may be a function of the row")
    origins = {outputs.get(key, key) for key in keys if key in outputs or table.star}
    for unique in relation.unique_keys:
        if set(unique) <= origins:
            where = f"{relation.schema}.{relation.name}"
            return Proven(why=f"{where} has a unique index on ({', '.join(unique)})")
    return Unproven(why=f"no unique index of {relation.schema}.{relation.name} lies within the key")


def _notes(target: JobTarget, read: ReadPlan) -> tuple[str, ...]:
    """What a reader of the plan should know, and would not expect."""
    notes = [
        f"{column.name} is read as {column.declared}, the narrowest type among the job's targets"
        for column in read.columns
        if (own := target.table.column(column.name)) and own.type != column.declared
    ]
    match read.window:
        case ColumnRange(column=name, lookback=lookback):
            below = f"more than {lookback} below" if lookback else "below"
            notes.append(f"a row whose {name} lies {below} the watermark when it commits is not seen")
    return tuple(notes)


# --- the path ----------------------------------------------------------------------------------------


def _why_arrow(job: ResolvedJob, target: JobTarget) -> str:
    if job.source is None:
        return "the body yields record batches"
    if job.source == target.connection:
        return "the rows do not come from a query in the target's own database, or go to several targets"
    return f"rows travel from {job.source.name} to {target.connection.name}"


def _inside_the_server(
    plan: JobPlan, select: Select | None, source: SourceState, states: Mapping[str, TargetState]
) -> JobPlan:
    """A read that serves one target in the source's own database need not leave the server."""
    if select is None:
        return plan
    targets: dict[str, TargetPlan] = {}
    for read, group in plan.reads().items():
        for target in group:
            mark = states[target.label].mark
            if len(group) == 1 and mark is not None and mark in source.marks_held:
                path = _server_path(target, select, source)
                own = tuple(column for column in read.columns if target.stored.column(column.name))
                alone = replace(read, columns=own, form=Form.SERVER_SELECT)
                targets[target.label] = replace(target, path=path, read=alone)
            else:
                targets[target.label] = target
    return replace(plan, targets=tuple(targets[target.label] for target in plan.targets))


def _server_path(target: TargetPlan, select: Select, source: SourceState) -> Path:
    same = "source and target are one database"
    if why := impurity(select) or _more_than_tables(select, source):
        return StagedSelect(why=f"{same}, but {why}")
    if any((r.schema, r.name) == (target.table.schema, target.table.name) for r in source.relations):
        return StagedSelect(why=f"{same}, but the query reads the target itself")
    match target.action:
        case AddRows():
            return InsertSelect(why=same)
        case AddMissing():
            return StagedSelect(why=f"{same}, but the slice is compared with the target's")
        case AddVersions():
            return StagedSelect(why=f"{same}, and versions are compared with those that are held")
        case MergeRows(deletes=Deletes()):
            return StagedSelect(why=f"{same}, and rows that are gone are looked for")
        case AddNewKeys(indexed=False) | MergeRows(indexed=False):
            return StagedSelect(why=f"{same}, but no unique index of the target tells its rows apart")
        case AddNewKeys(uniqueness=unique) | ReplaceRows(uniqueness=unique) | MergeRows(uniqueness=unique):
            if isinstance(unique, Proven):
                return InsertSelect(why=f"{same}, and {unique.why}")
            return StagedSelect(why=f"{same}, but {unique.why}")
        case _:
            assert_never(target.action)


def _more_than_tables(select: Select, source: SourceState) -> str | None:
    """Why the query might run somebody's code: what its text cannot tell, and the catalog can."""
    for relation in source.relations:
        name = f"{relation.schema}.{relation.name}"
        if relation.kind not in _TABLES:
            return f"{name} is {relation.kind.value}"
        if relation.row_security:
            return f"row security is active on {name}"
        for column in relation.columns:
            if not column.built_in:
                return f"the type {column.type} of {name} is not built in"
    known = {column.name for relation in source.relations for column in relation.columns}
    if unknown := sorted(attributes(select) - known):
        return f"{unknown[0]} is no column of the tables that it names, and may be a function"
    return None
