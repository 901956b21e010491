"""Postgres to another Postgres, as the first load of an empty table."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.contest import Contestant, Pace, Workload
from benchmarks.data import EVENTS, LINEITEM, Dataset
from benchmarks.servers import Stand
from benchmarks.task import Task
from benchmarks.workloads import first_load

CONTESTANTS = (
    Contestant(name="ours", program="benchmarks.ours.transfer:together"),
    Contestant(name="psql pipe", program="benchmarks.peers.psql:copy_pipe"),
    Contestant(name="psycopg loop", program="benchmarks.peers.bare_sql:psycopg_pipe"),
    Contestant(name="ADBC ingest", program="benchmarks.peers.adbc:ingest", package="adbc-driver-postgresql"),
    Contestant(name="DuckDB", program="benchmarks.peers.duckdb_scanner:to_postgres", package="duckdb"),
    Contestant(
        name="Sling",
        program="benchmarks.peers.sling:to_postgres",
        package="sling-linux-amd64",
        pace=Pace.SLOW,
    ),
    Contestant(
        name="dlt, connectorx and ADBC",
        program="benchmarks.peers.dlt_pipeline:to_postgres",
        package="dlt",
        pace=Pace.SLOW,
        options={"backend": "connectorx", "files": "parquet"},
    ),
    Contestant(
        name="dlt as it comes",
        program="benchmarks.peers.dlt_pipeline:to_postgres",
        package="dlt",
        pace=Pace.CRAWLING,
    ),
)


def _workload(dataset: Dataset, name: str, keys: tuple[str, ...]) -> Workload:
    def prepare(stand: Stand, rows: int) -> Task:
        return replace(first_load.task(stand, dataset, rows, keys), target=stand.target.dsn)

    indexed = "with its primary key" if keys else "no index"
    return Workload(
        name=name,
        title=f"{dataset.name} → another Postgres, {indexed}",
        rows=dataset.rows,
        contestants=CONTESTANTS,
        prepare=prepare,
        restore=first_load.clear,
        loaded=first_load.count_postgres,
    )


WORKLOADS = tuple(
    workload
    for dataset in (LINEITEM, EVENTS)
    for workload in (
        _workload(dataset, f"{dataset.name}-postgres", ()),
        _workload(dataset, f"{dataset.name}-postgres-key", dataset.keys),
    )
)
