"""A project with every name resolved, frozen: what planning, running and Dagster work with.

`build_manifest` is pure. It checks whatever one declaration cannot know of another (unknown names, rings, which
connection serves where none was named) and reports every mistake of the project in one error.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar

from ematix_flow import dag
from ematix_flow.errors import DependencyCycleError, DuplicateNameError, UnknownNameError
from ematix_flow.problems import Problems, Report, either, suggestion
from ematix_flow.spec import (
    NOWHERE,
    Connection,
    Job,
    JobTarget,
    PostgresConnection,
    Table,
    Target,
    Workflow,
)

_Declaration = TypeVar("_Declaration", Connection, Table, Job, Workflow)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedJob:
    """A job whose connections and upstream jobs are known.

    `source` is None only where no connection can serve as source and the body, being a generator, needs none.
    `upstream` names the jobs that it waits for: its own `depends_on` and the edges of workflows, sorted.
    """

    job: Job
    source: Connection | None
    targets: tuple[JobTarget, ...]
    upstream: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Everything that a project declares. `jobs` stand in DAG order, and else as declared."""

    connections: Mapping[str, Connection]
    tables: tuple[Table, ...]
    jobs: Mapping[str, ResolvedJob]
    workflows: Mapping[str, Workflow]

    def job(self, name: str) -> ResolvedJob:
        """The job called `name`.

        Raises:
            UnknownNameError: there is none; the message names those that come close.
        """
        if name not in self.jobs:
            problems = Problems()
            problems.about(f"job '{name}'", NOWHERE).add(
                f"there is no such job; {suggestion(name, self.jobs)}", family=UnknownNameError
            )
            problems.raise_if_any()
        return self.jobs[name]


def build_manifest(
    connections: Iterable[Connection],
    tables: Iterable[Table],
    jobs: Iterable[Job],
    workflows: Iterable[Workflow],
) -> Manifest:
    """Resolve every name that the declarations use.

    Raises:
        DeclarationError: one error with every mistake found, sorted by file and line; DuplicateNameError,
            UnknownNameError or DependencyCycleError where all mistakes are of that kind.
    """
    problems = Problems()
    names = _Names(
        connections=_by_name(connections, "connection", lambda c: c.name, problems),
        tables=_by_name(tables, "table", lambda t: t.full_name, problems),
        jobs=_by_name(jobs, "job", lambda j: j.name, problems),
        workflows=_by_name(workflows, "workflow", lambda w: w.name, problems),
    )
    _check_workflows(names, problems)
    upstream = _upstream(names, problems)
    _check_rings(upstream, names, problems)
    resolved = {job.name: _resolve(job, upstream[job.name], names, problems) for job in names.jobs.values()}
    problems.raise_if_any()
    return Manifest(
        connections=MappingProxyType(names.connections),
        tables=tuple(names.tables.values()),
        jobs=MappingProxyType({name: resolved[name] for name in dag.in_order(upstream)}),
        workflows=MappingProxyType(names.workflows),
    )


# --- names -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Names:
    """The declarations by name."""

    connections: dict[str, Connection]
    tables: dict[str, Table]
    jobs: dict[str, Job]
    workflows: dict[str, Workflow]


def _by_name(
    declarations: Iterable[_Declaration],
    noun: str,
    name_of: Callable[[_Declaration], str],
    problems: Problems,
) -> dict[str, _Declaration]:
    found: dict[str, _Declaration] = {}
    for declaration in declarations:
        name = name_of(declaration)
        first = found.setdefault(name, declaration)
        if first is not declaration:
            problems.about(f"{noun} '{name}'", declaration.origin).add(
                f"is already declared at {first.origin.file}:{first.origin.line}; rename one of them",
                family=DuplicateNameError,
            )
    return found


def _about_job(job: Job, problems: Problems) -> Report:
    return problems.about(f"job '{job.name}'", job.origin)


def _about_workflow(workflow: Workflow, problems: Problems) -> Report:
    return problems.about(f"workflow '{workflow.name}'", workflow.origin)


def _check_known(
    used: Iterable[str], known: Iterable[str], noun: str, *, field: str, report: Report
) -> list[str]:
    """Those of the `used` names that exist; each other one is reported."""
    choices = set(known)
    for name in used:
        if name not in choices:
            report.add(
                f"there is no {noun} '{name}'; {suggestion(name, choices)}",
                field=field,
                family=UnknownNameError,
            )
    return [name for name in used if name in choices]


# --- the graph ---------------------------------------------------------------------------------------


def _check_workflows(names: _Names, problems: Problems) -> None:
    for workflow in names.workflows.values():
        report = _about_workflow(workflow, problems)
        if (job := names.jobs.get(workflow.name)) is not None:
            report.add(
                f"a job has this name too, at {job.origin.file}:{job.origin.line}; rename one of them",
                family=DuplicateNameError,
            )
        _check_known(workflow.jobs, names.jobs, "job", field="jobs", report=report)
        known = [*names.jobs, *names.workflows]
        _check_known(workflow.triggered_by, known, "job or workflow", field="triggered_by", report=report)


def _upstream(names: _Names, problems: Problems) -> dict[str, tuple[str, ...]]:
    """For each job, the jobs it waits for: its own word and the edges of every workflow, sorted."""
    found: dict[str, set[str]] = {}
    for job in names.jobs.values():
        report = _about_job(job, problems)
        found[job.name] = set(
            _check_known(job.depends_on, names.jobs, "job", field="depends_on", report=report)
        )
    for workflow in names.workflows.values():
        for name, waits_for in workflow.depends_on:
            found.get(name, set()).update(set(waits_for) & names.jobs.keys())
    return {name: tuple(sorted(waits_for)) for name, waits_for in found.items()}


def _check_rings(upstream: Mapping[str, tuple[str, ...]], names: _Names, problems: Problems) -> None:
    for ring in dag.rings(upstream):
        _about_job(names.jobs[ring[0]], problems).add(
            f"jobs wait for each other in a ring: {' → '.join(ring)}; take one of these edges out",
            field="depends_on",
            family=DependencyCycleError,
        )
    for ring in dag.rings(_triggers(names)):
        first = next(name for name in ring if name in names.workflows)
        _about_workflow(names.workflows[first], problems).add(
            f"it would start itself again and again: {' → '.join(ring)}; take one of these triggers out",
            field="triggered_by",
            family=DependencyCycleError,
        )


def _triggers(names: _Names) -> dict[str, list[str]]:
    """What starts what: a workflow starts after those it is triggered by, a job with the workflows it is in."""
    starts: dict[str, list[str]] = {name: [] for name in names.jobs}
    for workflow in names.workflows.values():
        for name in workflow.jobs:
            starts.get(name, []).append(workflow.name)
    for workflow in names.workflows.values():
        known = names.jobs.keys() | names.workflows.keys()
        starts[workflow.name] = [name for name in workflow.triggered_by if name in known]
    return starts


# --- connections of a job ----------------------------------------------------------------------------


def _resolve(job: Job, upstream: tuple[str, ...], names: _Names, problems: Problems) -> ResolvedJob:
    report = _about_job(job, problems)
    targets = tuple(
        JobTarget(table=target.table, connection=connection, mode=target.mode)
        for target in job.targets
        if (connection := _target_connection(target, names.connections, report)) is not None
    )
    _check_distinct(targets, report)
    # A target without a connection was reported; a source guessed from the others would only mislead.
    complete = len(targets) == len(job.targets)
    source = _source(job, targets, names.connections, report) if complete else None
    return ResolvedJob(job=job, source=source, targets=targets, upstream=upstream)


def _target_connection(
    target: Target, connections: Mapping[str, Connection], report: Report
) -> Connection | None:
    if target.connection is not None:
        _check_known([target.connection], connections, "connection", field="target_connection", report=report)
        return connections.get(target.connection)
    match list(connections.values()):
        case [only]:
            return only
        case []:
            text = "is missing, and the project has no connection; declare one with @ematix.connection"
        case _:
            text = (
                f"is missing, and the project has several connections; say which holds "
                f"{target.table.full_name}: {either(sorted(connections))}"
            )
    report.add(text, field="target_connection")
    return None


def _check_distinct(targets: tuple[JobTarget, ...], report: Report) -> None:
    seen: set[tuple[str, str]] = set()
    for target in targets:
        place = (target.connection.name, target.table.full_name)
        if place in seen:
            report.add(
                f"table {place[1]} in connection '{place[0]}' is a target twice; leave one out",
                field="targets",
            )
        seen.add(place)


def _source(
    job: Job, targets: tuple[JobTarget, ...], connections: Mapping[str, Connection], report: Report
) -> Connection | None:
    """The source named by the job, else its first Postgres target, else the project's only Postgres."""
    if job.source is not None:
        _check_known([job.source], connections, "connection", field="source_connection", report=report)
        return connections.get(job.source)
    for target in targets:
        if isinstance(target.connection, PostgresConnection):
            return target.connection
    candidates = [c for c in connections.values() if isinstance(c, PostgresConnection)]
    if len(candidates) == 1:
        return candidates[0]
    if not inspect.isgeneratorfunction(job.body):
        report.add(
            f"is missing, and it is not plain which Postgres to read; name the source: "
            f"{either(sorted(connections))}",
            field="source_connection",
        )
    return None
