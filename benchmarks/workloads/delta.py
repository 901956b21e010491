"""Postgres to Delta Lake, as the first load of an empty table."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.contest import Contestant, Pace, Workload
from benchmarks.data import EVENTS, LINEITEM, Dataset
from benchmarks.servers import Stand
from benchmarks.task import Task
from benchmarks.workloads import first_load

CONTESTANTS = (
    Contestant(name="ours", program="benchmarks.ours.transfer:together"),
    Contestant(name="copy out alone", program="benchmarks.peers.psql:copy_out", discards=True),
    Contestant(
        name="DuckDB → deltalake", program="benchmarks.peers.duckdb_scanner:to_delta", package="duckdb"
    ),
    Contestant(
        name="connectorx → deltalake",
        program="benchmarks.peers.connectorx_reader:to_delta",
        package="connectorx",
    ),
    Contestant(
        name="dlt, connectorx",
        program="benchmarks.peers.dlt_pipeline:to_delta",
        package="dlt",
        pace=Pace.SLOW,
        options={"backend": "connectorx"},
    ),
)


def _workload(dataset: Dataset, name: str, keys: tuple[str, ...]) -> Workload:
    def prepare(stand: Stand, rows: int) -> Task:
        return replace(first_load.task(stand, dataset, rows, keys), lake=str(stand.lake))

    indexed = "keyed" if keys else "no key"
    return Workload(
        name=name,
        title=f"{dataset.name} → Delta, {indexed}",
        rows=dataset.rows,
        contestants=CONTESTANTS,
        prepare=prepare,
        restore=first_load.clear,
        loaded=first_load.count_delta,
    )


WORKLOADS = tuple(
    workload
    for dataset in (LINEITEM, EVENTS)
    for workload in (
        _workload(dataset, f"{dataset.name}-delta", ()),
        _workload(dataset, f"{dataset.name}-delta-key", dataset.keys),
    )
)
