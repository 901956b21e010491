"""One run of one job, from its plan to its commit."""

from __future__ import annotations

from benchmarks.ours.declare import connections, load, project_of
from benchmarks.task import Done, Task, Work
from ematix_flow import JobResult, run_job


def together(task: Task) -> Work:
    """One job for every target that the task names."""
    project = project_of(task)
    job = load(project, task, *connections(task))
    return lambda: Done(rows=_read(run_job(job, project=project)))


def apart(task: Task) -> Work:
    """A job for each target, one after the other."""
    projects = [(project_of(task), connection) for connection in connections(task)]
    jobs = [(load(project, task, connection), project) for project, connection in projects]
    return lambda: Done(rows=max(_read(run_job(job, project=project)) for job, project in jobs))


def _read(result: JobResult) -> int:
    return max(target.counts.read for target in result.targets)
