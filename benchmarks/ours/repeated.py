"""Runs in a process that has run the job before, as a scheduler's worker has: each is a sample."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from deltalake import DeltaTable

from benchmarks.growing import Growing
from benchmarks.ours.declare import connections, load, project_of
from benchmarks.task import Done, Task, Work
from ematix_flow import JobResult, run_job

_WARM = 2  # runs: the first loads, and the second is the first of its kind
_NEW = 1_000  # rows


def idle(task: Task) -> Work:
    """Nothing is new. With the option `busy` other transactions went by, so that the watermark moves."""
    run = _runner(task)
    runs = int(task.options["runs"])
    source = Growing.open(task.source, task.source_table, int(task.options["rows"]))
    for _ in range(_WARM):
        run()

    def work() -> Done:
        samples = []
        for _ in range(runs):
            if "busy" in task.options:
                source.advance()
            samples.append(_seconds(lambda: _expect(run(), 0)))
        return Done(rows=0, samples=tuple(samples))

    return work


def growing(task: Task) -> Work:
    """Before each run 1,000 rows are new; in turns with it, a count of those rows and nothing else."""
    run = _runner(task)
    runs = int(task.options["runs"])
    source = Growing.open(task.source, task.source_table, int(task.options["rows"]))
    last = run()
    source.grow(_NEW)
    last = run()
    source.count_since(_transaction(last))

    def load() -> None:
        nonlocal last
        last = _expect(run(), _NEW)

    def work() -> Done:
        samples: list[float] = []
        counts: list[float] = []
        for number in range(runs):
            source.grow(_NEW)
            count = partial(source.count_since, _transaction(last))
            turns: list[tuple[list[float], Callable[[], object]]] = [(samples, load), (counts, count)]
            for kept, one in turns if number % 2 == 0 else reversed(turns):
                kept.append(_seconds(one))
        return Done(rows=_NEW * runs, samples=tuple(samples), beside={"select count(*)": tuple(counts)})

    return work


def appends(task: Task) -> Work:
    """A lake's day: a run for each 1,000 rows that came; what it leaves is counted."""
    run = _runner(task)
    runs = int(task.options["rows"]) // _NEW
    source = Growing.open(task.source, task.source_table, 0)
    run()  # creates the table

    def work() -> Done:
        samples = []
        for _ in range(runs):
            source.grow(_NEW)
            samples.append(_seconds(run))
        files = len(DeltaTable(task.folder).file_uris())
        return Done(rows=source.rows, samples=tuple(samples), facts={"live files at the end": files})

    return work


def _runner(task: Task) -> Callable[[], JobResult]:
    project = project_of(task)
    job = load(project, task, *connections(task))
    return lambda: run_job(job, project=project)


def _expect(result: JobResult, inserted: int) -> JobResult:
    (target,) = result.targets
    if target.counts.inserted != inserted:
        raise AssertionError(f"{target.counts} instead of {inserted} new rows")
    return result


def _transaction(result: JobResult) -> int:
    """The watermark of an automatic window: the oldest transaction that the read may have missed."""
    (target,) = result.targets
    if target.watermark is None:
        raise AssertionError("the engine tracks this source, and stores how far it got")
    return int(target.watermark.value)


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
