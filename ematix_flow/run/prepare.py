"""Before any row moves: take the locks, look at source and targets, make the plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from ematix_flow.backends import Environ, Sink, Source, lock_order, open_sink, open_source
from ematix_flow.body import Given, Query, Rows, SourceHandle, call_body, takes_argument
from ematix_flow.errors import EmatixError, PlanError, SchemaDriftError
from ematix_flow.history import physical_table
from ematix_flow.manifest import ResolvedJob
from ematix_flow.plan import (
    ColumnCursor,
    Cursor,
    JobPlan,
    NoCursor,
    TargetPlan,
    TransactionCursor,
    cursor_for,
    make_plan,
    migration_of,
)
from ematix_flow.query import source_tables
from ematix_flow.results import LoadCounts, TargetResult
from ematix_flow.spec import Incremental, Job, JobTarget
from ematix_flow.state import Inquiry, RunRequest, SourceColumn, SourceState, TargetState


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A target whose lock is held. Closing `stack` ends its unit of work."""

    target: JobTarget
    sink: Sink
    stack: ExitStack
    state: TargetState


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Everything that is open for one run, and the plan made from it."""

    job: ResolvedJob
    plan: JobPlan
    opened: Mapping[str, Opened]
    failures: tuple[TargetResult, ...]
    source: Source | None
    given: Given


def prepare(job: ResolvedJob, request: RunRequest, environ: Environ, stack: ExitStack) -> Prepared:
    """Take all locks, then open the source's snapshot, then plan: nobody waits for a lock while reading."""
    opened, failures = _open_targets(job, request, environ, stack)
    source, given = _ask_body(job, environ, stack)
    state = _describe(job, given, source, opened)
    plan, unplanned = _plan(job, request, given, state, opened)
    return Prepared(
        job=job,
        plan=plan,
        opened={each.target.label: each for each in opened},
        failures=(*failures, *unplanned),
        source=source,
        given=given,
    )


def _ask_body(job: ResolvedJob, environ: Environ, stack: ExitStack) -> tuple[Source | None, Given]:
    """What the body gives, and the source where one is needed: by the body, or for its SQL."""
    source = None
    if job.source is not None and takes_argument(job.job.body):
        source = stack.enter_context(open_source(job.source, job=job.job.name, environ=environ))
    given = call_body(job.job, SourceHandle(source.name, source.read) if source else None)
    if job.source is not None and source is None and isinstance(given, Query):
        source = stack.enter_context(open_source(job.source, job=job.job.name, environ=environ))
    return source, given


def _open_targets(
    job: ResolvedJob, request: RunRequest, environ: Environ, stack: ExitStack
) -> tuple[list[Opened], list[TargetResult]]:
    """Every asked target, locked and seen, in an order that is the same in every run, so that none deadlock."""
    opened: list[Opened] = []
    failures: list[TargetResult] = []
    wanted = [t for t in job.targets if request.targets is None or t.label in request.targets]
    for target in sorted(wanted, key=lambda target: lock_order(target, environ)):
        own = stack.enter_context(ExitStack())
        try:
            sink = own.enter_context(open_sink(target.connection, job=job.job.name, environ=environ))
            opened.append(
                Opened(target=target, sink=sink, stack=own, state=sink.observe(physical_table(target)))
            )
        except EmatixError as error:
            own.close()
            failures.append(failed(target, None, error, 0.0))
    return sorted(opened, key=lambda each: wanted.index(each.target)), failures


def _describe(job: ResolvedJob, given: Given, source: Source | None, opened: Sequence[Opened]) -> SourceState:
    match given:
        case Rows(columns=columns):
            return SourceState(columns=_declared_columns(opened) if columns is None else columns)
        case Query(select=select):
            if source is None:
                raise PlanError(
                    job=job.job.name, reason="the body returns SQL; name a source_connection to run it"
                )
            increment = job.job.increment
            return source.describe(
                Inquiry(
                    text=select.text,
                    tables=tuple((table.schema, table.name) for table in source_tables(select)),
                    cursor_column=increment.column if isinstance(increment, Incremental) else None,
                    marks=tuple(each.state.mark for each in opened if each.state.mark is not None),
                )
            )


def _declared_columns(opened: Sequence[Opened]) -> tuple[SourceColumn, ...]:
    """What a body that yields nothing would have yielded."""
    declared = {column.name: column.type for each in opened for column in each.target.table.columns}
    return tuple(SourceColumn(name=name, type=type_) for name, type_ in declared.items())


def _with_stored(
    state: TargetState, sink: Sink, job: Job, cursor: ColumnCursor | TransactionCursor
) -> TargetState:
    """The state with what the job stored in the target, else with what it stored there under its previous name."""
    names = [job.name] if job.previous_name is None else [job.name, job.previous_name]
    watermarks = (sink.watermark(name, cursor.name, cursor.type) for name in names)
    queries = (sink.query(name) for name in names)
    return replace(
        state,
        watermark=next((each for each in watermarks if each is not None), None),
        query=next((each for each in queries if each is not None), None),
    )


def _plan(
    job: ResolvedJob, request: RunRequest, given: Given, source: SourceState, opened: Sequence[Opened]
) -> tuple[JobPlan, list[TargetResult]]:
    """The plan of all targets that can be planned, and a failure for each that cannot."""
    select = given.select if isinstance(given, Query) else None
    seen: list[tuple[JobTarget, Cursor, TargetState]] = []
    failures: list[TargetResult] = []
    for each in opened:
        cursor = cursor_for(job.job, each.target, select, source)
        state = each.state
        if not isinstance(cursor, NoCursor):
            state = _with_stored(state, each.sink, job.job, cursor)
        try:
            make_plan(job, request, select, source, [(each.target, cursor, state)])
        except SchemaDriftError as error:
            remedy = each.sink.remedy(migration_of(each.target, state, job.job.on_drift).drifts)
            failures.append(failed(each.target, None, replace(error, sql=remedy), 0.0))
        except PlanError as error:
            failures.append(failed(each.target, None, error, 0.0))
        else:
            seen.append((each.target, cursor, state))
    plan = make_plan(job, request, select, source, seen)
    sinks = {each.target.label: each.sink for each in opened}
    rendered = tuple(replace(target, sql=sinks[target.label].render(target)) for target in plan.targets)
    return replace(plan, targets=rendered), failures


def failed(target: JobTarget, plan: TargetPlan | None, error: EmatixError, seconds: float) -> TargetResult:
    """The result of a target that was not loaded."""
    return TargetResult(
        connection=target.connection.name,
        table=target.table.full_name,
        plan=plan,
        counts=LoadCounts(),
        watermark=None,
        seconds=seconds,
        error=error,
    )
