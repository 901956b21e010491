"""The declarations that a user would write, made from a dataset's columns."""

from __future__ import annotations

import os
from typing import Annotated, Any, Literal

from benchmarks.data import EVENTS, LINEITEM, Dataset
from benchmarks.task import SCHEMA, Task
from ematix_flow import Job, LoadMode, Project, Target, pk
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
    return project.table(schema=SCHEMA, name=dataset.name)(
        type("Bench", (), {"__annotations__": annotations})
    )


def load(project: Project, task: Task, mode: str | LoadMode, connections: tuple[str, ...]) -> Job:
    """The job that loads the task's table in one connection or several."""
    table = table_of(project, task)
    targets = [Target(table, connection=connection, mode=mode) for connection in connections]
    source = "warehouse" if task.source == task.target else "source"

    # What a keyless target has already cannot be told from what is new, and the first load is all there is.
    incremental: Literal[False] | None = None if task.keys else False

    @project.job(name="load", targets=targets, source_connection=source, incremental=incremental)
    def job() -> str:
        return task.select

    return job


def _annotation(dataset: Dataset, name: str, keys: tuple[str, ...]) -> Any:
    (column,) = (column for column in dataset.columns if column.name == name)
    type_ = _TYPES[column.type]
    return Annotated[type_, pk()] if name in keys else type_ | None
