"""One read for two targets, beside two runs."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.contest import Contestant, Workload
from benchmarks.data import EVENTS, LINEITEM, Dataset
from benchmarks.servers import Stand
from benchmarks.task import Task
from benchmarks.workloads import first_load


def _workload(dataset: Dataset) -> Workload:
    def prepare(stand: Stand, rows: int) -> Task:
        task = first_load.task(stand, dataset, rows, ())
        return replace(task, target=stand.target.dsn, lake=str(stand.lake))

    return Workload(
        name=f"fan-out-{dataset.name}",
        title=f"{dataset.name} → another Postgres and Delta, no key",
        rows=dataset.rows,
        contestants=(
            Contestant(name="ours, one job", program="benchmarks.ours.transfer:together"),
            Contestant(name="ours, two jobs", program="benchmarks.ours.transfer:apart"),
        ),
        prepare=prepare,
        restore=first_load.clear,
        loaded=_count,
        wanted="one job ≤ 0.65 times two jobs",
    )


def _count(stand: Stand, task: Task) -> int:
    return min(first_load.count_postgres(stand, task), first_load.count_delta(stand, task))


WORKLOADS = (_workload(LINEITEM), _workload(EVENTS))
