"""One run of one job, from its plan to its commit."""

from __future__ import annotations

from benchmarks.ours.declare import load, project_of
from benchmarks.task import Done, Task, Work
from ematix_flow import JobResult, run_job


def append(task: Task) -> Work:
    """A first load into each target that the task names."""
    project = project_of(task)
    targets = {"warehouse": task.target, "lake": task.lake}
    job = load(project, task, "append", tuple(name for name, place in targets.items() if place))
    return lambda: Done(rows=_read(run_job(job, project=project)))


def _read(result: JobResult) -> int:
    return max(target.counts.read for target in result.targets)
