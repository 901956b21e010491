"""The task of loading a whole source table into an empty target."""

from __future__ import annotations

from deltalake import DeltaTable

from benchmarks import data
from benchmarks.data import Dataset
from benchmarks.servers import Stand
from benchmarks.task import SCHEMA, Task


def task(stand: Stand, dataset: Dataset, rows: int, keys: tuple[str, ...]) -> Task:
    """The task without its target; makes the source."""
    table = stand.provide(dataset, rows)
    stand.source.warm(table)
    return Task(
        dataset=dataset.name,
        source=stand.source.dsn,
        source_table=table,
        select=data.select_all(dataset, table).as_string(),
        create=data.create_target(dataset, keys).as_string(),
        keys=keys,
        columns=dataset.names,
        options={"rows": str(rows)},
    )


def clear(stand: Stand, task: Task) -> None:
    """Before each measurement nothing is there."""
    stand.clear()


def count_postgres(stand: Stand, task: Task) -> int:
    """How many rows the other server has."""
    return stand.target.count(SCHEMA, task.dataset)


def count_same(stand: Stand, task: Task) -> int:
    """How many rows the source's own server has."""
    return stand.source.count(SCHEMA, task.dataset)


def count_delta(stand: Stand, task: Task) -> int:
    """How many rows the lake has."""
    return int(DeltaTable(task.folder).count())
