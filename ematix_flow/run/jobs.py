"""What a caller asks for: a plan, a run, or the events of one."""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime

from ematix_flow.errors import PlanError, RunError, UncheckedKeyError
from ematix_flow.manifest import ResolvedJob
from ematix_flow.plan import JobPlan
from ematix_flow.project import Project, ematix
from ematix_flow.results import Event, JobResult, Planned, Retrying, TargetResult
from ematix_flow.retries import pauses
from ematix_flow.run.prepare import prepare
from ematix_flow.run.transfer import load_group
from ematix_flow.spec import Connection, Job
from ematix_flow.state import RunRequest, Window

# Serialization failures, deadlocks, lock timeouts, lost sessions and Delta conflicts pass within seconds, or not soon.
# Of several writers of one Delta table each commit fails all others, so that eight of them need more than six attempts.
_ATTEMPTS = 10


def plan_job(
    job: Job | str,
    *,
    project: Project = ematix,
    targets: Sequence[str] | None = None,
    full_refresh: bool = False,
    window: Window | None = None,
    connections: Mapping[str, Connection] | None = None,
) -> JobPlan:
    """What a run would do now. Changes nothing; printing `explain(plan)` is the dry run.

    Args:
        job: the job or its name.
        project: where it is declared.
        targets: labels (`connection:schema.table`) of the targets to take; all by default.
        full_refresh: plan as if no watermark were stored.
        window: an explicit slice to read, and in append and truncate to replace; it moves no watermark.
        connections: connections to use instead of the declared ones, by name.

    Raises:
        PlanError: or one of its kinds, for the first target that cannot be planned.
        SourceQueryError: the source cannot run the query.
        BackendUnavailableError: a server or store cannot be reached.
    """
    resolved, request = _asked(job, project, targets, full_refresh, window, connections)
    with ExitStack() as stack:
        prepared = prepare(resolved, request, os.environ, stack)
        for failure in prepared.failures:
            raise failure.error or AssertionError("a failure carries its error")
        return prepared.plan


def run_job(
    job: Job | str,
    *,
    project: Project = ematix,
    targets: Sequence[str] | None = None,
    full_refresh: bool = False,
    window: Window | None = None,
    connections: Mapping[str, Connection] | None = None,
) -> JobResult:
    """Run a job to its end; arguments as for `plan_job`.

    Raises:
        RunError: a target failed; its `result` tells of all targets, and the others have committed.
        SourceQueryError: the source cannot run the query; nothing was changed.
        BackendUnavailableError: the source cannot be reached; nothing was changed.
    """
    resolved, _ = _asked(job, project, targets, full_refresh, window, connections)
    events = iter_job(
        job,
        project=project,
        targets=targets,
        full_refresh=full_refresh,
        window=window,
        connections=connections,
    )
    results = {event.label: event for event in events if isinstance(event, TargetResult)}
    declared = [target.label for target in resolved.targets if target.label in results]
    result = JobResult(job=resolved.job.name, targets=tuple(results[label] for label in declared))
    if result.failed:
        told = "; ".join(f"{target.label}: {target.error}" for target in result.failed)
        raise RunError(
            job=result.job,
            reason=f"{len(result.failed)} of {len(results)} targets failed: {told}",
            result=result,
        ) from result.failed[0].error
    return result


def iter_job(
    job: Job | str,
    *,
    project: Project = ematix,
    targets: Sequence[str] | None = None,
    full_refresh: bool = False,
    window: Window | None = None,
    connections: Mapping[str, Connection] | None = None,
) -> Generator[Event, None, None]:
    """Run a job and tell each thing as it happens; arguments as for `plan_job`. Closing the iterator cancels.

    A target that fails is told as a `TargetResult` with its error, and the others go on.

    Raises:
        SourceQueryError: the source cannot run the query; nothing was changed.
        BackendUnavailableError: the source cannot be reached; nothing was changed.
    """
    resolved, request = _asked(job, project, targets, full_refresh, window, connections)
    yield from _with_retries(resolved, request)


def _with_retries(job: ResolvedJob, request: RunRequest) -> Generator[Event, None, None]:
    """Attempts with growing pauses between them; each takes only the targets that failed in a way that passes."""
    for attempt, pause in enumerate(pauses(_ATTEMPTS), start=1):
        again: set[str] = set()
        for event in _attempt(job, request, attempt):
            match event:
                case TargetResult(label=label, error=RunError(transient=True) as error):
                    again.add(label)
                    yield Retrying(label=label, error=error, attempt=attempt)
                case _:
                    yield event
        if not again:
            return
        request = replace(request, targets=frozenset(again))
        time.sleep(pause)
    yield from _attempt(job, request, _ATTEMPTS)


def _attempt(job: ResolvedJob, request: RunRequest, number: int) -> Generator[Event, None, None]:
    """One attempt; what was loaded unchecked and refused is at once loaded again, checked."""
    refused: set[str] = set()
    for event in _once(job, request):
        match event:
            case TargetResult(label=label, error=UncheckedKeyError() as error):
                refused.add(label)
                yield Retrying(label=label, error=error, attempt=number)
            case _:
                yield event
    if refused:
        yield from _once(job, replace(request, targets=frozenset(refused), staged=frozenset(refused)))


def _once(job: ResolvedJob, request: RunRequest) -> Generator[Event, None, None]:
    with ExitStack() as stack:
        prepared = prepare(job, request, os.environ, stack)
        yield from prepared.failures
        if prepared.plan.targets:
            yield Planned(plan=prepared.plan)
        for read, group in prepared.plan.reads().items():
            yield from load_group(prepared, read, group)


# --- what was asked ----------------------------------------------------------------------------------


def _asked(
    job: Job | str,
    project: Project,
    targets: Sequence[str] | None,
    full_refresh: bool,
    window: Window | None,
    connections: Mapping[str, Connection] | None,
) -> tuple[ResolvedJob, RunRequest]:
    resolved = project.manifest().job(job if isinstance(job, str) else job.name)
    resolved = _with_connections(resolved, connections or {})
    labels = {target.label for target in resolved.targets}
    if unknown := sorted(set(targets or ()) - labels):
        raise PlanError(
            job=resolved.job.name,
            reason=f"no target is called {', '.join(unknown)}; there are {', '.join(sorted(labels))}",
        )
    request = RunRequest(
        loaded_at=datetime.now(UTC),
        full_refresh=full_refresh,
        window=window,
        targets=None if targets is None else frozenset(targets),
    )
    return resolved, request


def _with_connections(job: ResolvedJob, connections: Mapping[str, Connection]) -> ResolvedJob:
    def instead(connection: Connection) -> Connection:
        return connections.get(connection.name, connection)

    return replace(
        job,
        source=instead(job.source) if job.source else None,
        targets=tuple(replace(target, connection=instead(target.connection)) for target in job.targets),
    )
