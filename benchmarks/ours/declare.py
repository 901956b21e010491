"""The declarations that a user would write, made from a dataset's columns."""

from __future__ import annotations

import os
from typing import Annotated, Any

from benchmarks.data import EVENTS, LINEITEM, Dataset
from benchmarks.task import Task
from ematix_flow import Job, Project, Target, pk
from ematix_flow.types import JSONB, UUID, BigInt, Date, Double, Integer, Numeric, Text, TimestampTZ

_TYPES: dict[str, Any] = {
    "bigint": BigInt,
    "integer": Integer,
    "numeric(12,2)": Numeric[12, 2],
    "double precision": Double,
    "text": Text,
    "date": Date,
    "timestamptz": TimestampTZ,
    "uuid": UUID,
    "jsonb": JSONB,
}
_DATASETS = {dataset.name: dataset for dataset in (LINEITEM, EVENTS)}


def project_of(task: Task) -> Project:
    """A project with the connections `source`, `warehouse` and `lake`, as far as the task has them."""
    project = Project()
    places = {"source": task.source, "warehouse": task.target, "lake": task.lake}
    for name, place in places.items():
        if place:
            variable = f"BENCH_{name.upper()}"
            os.environ[variable] = place
            kind = "delta" if name == "lake" else "postgres"
            project.connection(type(name, (), {"kind": kind, "url": f"${{{variable}}}"}))
    return project


def table_of(project: Project, task: Task) -> type[Any]:
    """The dataset's table, with the task's key."""
    dataset = _DATASETS[task.dataset]
    annotations = {column: _annotation(dataset, column, task.keys) for column in dataset.names}
    return project.table(schema=task.schema, name=dataset.name)(
        type("Bench", (), {"__annotations__": annotations})
    )


def connections(task: Task) -> tuple[str, ...]:
    """The connections that the task loads into."""
    return tuple(name for name, place in (("warehouse", task.target), ("lake", task.lake)) if place)


def load(project: Project, task: Task, *targets: str) -> Job:
    """The job that loads the task's table in one connection or several, in the task's mode, which is append."""
    table = table_of(project, task)
    mode = task.options.get("mode", "append")

    @project.job(
        name=f"load_{'_'.join(targets)}",
        targets=[Target(table, connection=connection, mode=mode) for connection in targets],
        source_connection="warehouse" if task.source == task.target else "source",
        # Unless there is a key, what is held already cannot be told from what is new.
        incremental=task.options.get("incremental") or (None if task.keys else False),
    )
    def job() -> str:
        return task.query

    return job


def _annotation(dataset: Dataset, name: str, keys: tuple[str, ...]) -> Any:
    (column,) = (column for column in dataset.columns if column.name == name)
    type_ = _TYPES[column.type]
    return Annotated[type_, pk()] if name in keys else type_ | None
