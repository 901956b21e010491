"""The words of `ematix.workflow(…)` become a frozen `Workflow`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ematix_flow.problems import Report, suggestion
from ematix_flow.project.jobs import JobName, check_job_name, names_of
from ematix_flow.project.schedules import check_schedule, check_timezone
from ematix_flow.spec import Origin, Workflow

Edges: TypeAlias = Mapping[JobName, JobName | Sequence[JobName]]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowWords:
    """What `ematix.workflow(…)` was called with."""

    name: str
    jobs: Sequence[JobName]
    schedule: str | None
    timezone: str
    triggered_by: JobName | Workflow | Sequence[JobName | Workflow]
    depends_on: Edges


def parse_workflow(words: WorkflowWords, origin: Origin, report: Report) -> Workflow:
    """The workflow that the words mean; every mistake is noted in `report`."""
    check_job_name(words.name, report)
    check_schedule(words.schedule, report)
    check_timezone(words.timezone, report)
    jobs = names_of(words.jobs, field="jobs", report=report)
    if not words.jobs:
        report.add("has no jobs; name at least one", field="jobs")
    triggered_by = names_of(words.triggered_by, field="triggered_by", report=report)
    if triggered_by and words.schedule is not None:
        report.add(
            "has a schedule as well, and one trigger is all it can have; leave one out", field="triggered_by"
        )
    return Workflow(
        name=words.name,
        jobs=jobs,
        schedule=words.schedule,
        timezone=words.timezone,
        triggered_by=triggered_by,
        depends_on=_edges(words.depends_on, jobs, report),
        origin=origin,
    )


def _edges(written: Edges, jobs: tuple[str, ...], report: Report) -> tuple[tuple[str, tuple[str, ...]], ...]:
    field = "depends_on"
    if not isinstance(written, Mapping):
        report.add("is no dict; write {job: the jobs it waits for}", field=field)
        return ()
    edges = []
    for waiting, waited_for in written.items():
        upstream = names_of(waited_for, field=field, report=report)
        names = names_of(waiting, field=field, report=report)
        for name in (*names, *upstream):
            if name not in jobs:
                report.add(
                    f"'{name}' is not among the workflow's jobs; {suggestion(name, jobs)}", field=field
                )
        edges += [(name, upstream) for name in names]
    return tuple(edges)
