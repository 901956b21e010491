"""make_plan: from what was declared, asked and seen to what will be done. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import assert_never

from ematix_flow.casts import Cast
from ematix_flow.errors import PlanError, SchemaDriftError
from ematix_flow.manifest import ResolvedJob
from ematix_flow.migration import Migration, diff, is_unique, version_drifts
from ematix_flow.plan.columns import read_columns
from ematix_flow.plan.cursors import Cursor, NoCursor, unfit, watermark_after, window_for
from ematix_flow.plan.paths import form_of, inside_the_server, travelling
from ematix_flow.plan.queries import query_fingerprint, refuse_changed_query
from ematix_flow.plan.values import (
    Action,
    AddMissing,
    AddNewKeys,
    AddRows,
    AddVersions,
    ColumnRange,
    JobPlan,
    MergeRows,
    Proven,
    ReadPlan,
    ReadWindow,
    ReplaceRows,
    ReplaceSlice,
    Slice,
    TargetPlan,
    Uniqueness,
    Unproven,
)
from ematix_flow.query import Select, single_table
from ematix_flow.spec import Append, Deletes, Incremental, Job, JobTarget, Merge, OnDrift, Scd2, Truncate
from ematix_flow.state import Alters, RelationKind, RunRequest, SourceState, TargetState

# A view may repeat a key, and so may the children of an inheritance parent.
_ONE_ROW_A_KEY = (RelationKind.HEAP, RelationKind.PARTITIONED)


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
            form=form_of(job, select),
            show_values=_shows_values(job),
        )
        plans.append(_target_plan(job, request, select, source, (target, cursor, state), read))
    plan = JobPlan(job=job.job.name, targets=tuple(plans))
    return inside_the_server(plan, select, source, {t.label: state for t, _, state in observed})


def _shows_values(job: ResolvedJob) -> bool:
    sides = [target.connection for target in job.targets] + ([job.source] if job.source else [])
    return all(connection.show_values for connection in sides)


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
    query = query_fingerprint(target, cursor, select)
    refuse_changed_query(job.job, request, target, query, state)
    migration = migration_of(target, state, job.job.on_drift)
    if migration.drifts and job.job.on_drift is not OnDrift.IGNORE:
        raise SchemaDriftError(
            job=job.job.name,
            table=target.table.full_name,
            drifts=tuple(drift.text for drift in migration.drifts),
            sql=(),
            reason="change the declaration or the table so that both agree",
        )
    action = _action(job.job, target, request, read.window, state, uniqueness(target, select, source, read))
    return TargetPlan(
        job=job.job.name,
        connection=target.connection.name,
        table=target.table,
        stored=state.stored,
        mode=target.mode,
        action=action,
        steps=migration.steps,
        path=travelling(job, target, select, action, state, request, read.columns),
        read=read,
        watermark=None if request.window else watermark_after(cursor, read.window, source, state),
        replaces=None if request.window else state.watermark,
        query=query,
        clock=state.clock,
        show_values=target.connection.show_values,
        previous_name=job.job.previous_name,
        notes=(*_notes(target, read), *(f"ignored: {drift}" for drift in migration.drifts)),
    )


def migration_of(target: JobTarget, state: TargetState, on_drift: OnDrift) -> Migration:
    """What makes the live table fit a target, and what stands in the way."""
    if on_drift is OnDrift.REWRITE and state.alters is Alters.NULLABLE_COLUMNS:
        state = replace(state, alters=Alters.REWRITING)
    match target.mode:
        case Scd2() as mode:
            migration = diff(state, ())
            return replace(migration, drifts=(*migration.drifts, *version_drifts(state, mode)))
        case Truncate():
            return diff(state, ())
        case Append(keys=keys) | Merge(keys=keys):
            return diff(state, keys)
        case _:
            assert_never(target.mode)


def _action(
    job: Job,
    target: JobTarget,
    request: RunRequest,
    window: ReadWindow,
    state: TargetState,
    unique: Uniqueness,
) -> Action:
    mode = target.mode
    # An insert that meets rows already there gives an account of itself that leaves triggers out.
    indexed = is_unique(state.live, mode.keys) and not state.drops_rows
    if isinstance(window, Slice):
        _check_slice(target, window, job)
    match mode:
        case Append(keys=keys) | Truncate(keys=keys) if isinstance(window, Slice):
            return ReplaceSlice(window=window, keys=keys, uniqueness=unique)
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
            return AddNewKeys(keys=keys, uniqueness=unique, indexed=indexed)
        case Merge():
            return MergeRows(
                keys=mode.keys,
                update=mode.update or _others(target, mode.keys),
                deletes=mode.deletes,
                allow_empty_source=mode.allow_empty_source,
                uniqueness=unique,
                indexed=indexed,
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


def _check_slice(target: JobTarget, window: Slice, job: Job) -> None:
    """A slice is replaced in the target too; what is not in a slice is not gone."""
    held = target.table.column(window.column)
    match target.mode:
        case Scd2():
            why = "scd2 keeps versions, and a slice of them cannot be replaced; run it without a window"
        case Merge(deletes=Deletes()):
            why = "a window hides rows, and deletes= would take them for gone; run it without a window"
        case Append() | Truncate() if held is None or held.type != window.type:
            why = (
                f"the window column '{window.column}' is {window.type} in the query and {held.type if held else 'missing'} "
                "in the table, whose slice it has to bound too; declare it there"
            )
        case _:
            return
    raise PlanError(job=job.name, reason=f"table {target.table.full_name}: {why}")


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
