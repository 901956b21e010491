"""Source and target in one database: the rows need not leave the server."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.contest import Contestant, Pace, Workload
from benchmarks.data import EVENTS, LINEITEM, Dataset
from benchmarks.servers import Stand
from benchmarks.task import Task
from benchmarks.workloads import first_load

CONTESTANTS = (
    Contestant(name="ours", program="benchmarks.ours.transfer:together"),
    Contestant(name="insert … select", program="benchmarks.peers.bare_sql:insert_select"),
    Contestant(
        name="Sling",
        program="benchmarks.peers.sling:to_postgres",
        package="sling-linux-amd64",
        pace=Pace.SLOW,
    ),
)
_ROWS = 5_000_000


def _workload(dataset: Dataset, name: str, keys: tuple[str, ...]) -> Workload:
    def prepare(stand: Stand, rows: int) -> Task:
        return replace(first_load.task(stand, dataset, rows, keys), target=stand.source.dsn)

    indexed = "with its primary key" if keys else "no index"
    return Workload(
        name=name,
        title=f"{dataset.name} → the same database, {indexed}",
        rows=_ROWS,
        contestants=CONTESTANTS,
        prepare=prepare,
        restore=first_load.clear,
        loaded=first_load.count_same,
    )


WORKLOADS = tuple(
    workload
    for dataset in (LINEITEM, EVENTS)
    for workload in (
        _workload(dataset, f"{dataset.name}-same", ()),
        _workload(dataset, f"{dataset.name}-same-key", dataset.keys),
    )
)
