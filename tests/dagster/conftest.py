"""A project with two connections, ways to declare jobs in it, and its Dagster definitions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeAlias

import pytest

from ematix_flow import Job, Project, pk
from ematix_flow.types import BigInt, Numeric, Text, TimestampTZ

DeclareJob: TypeAlias = Callable[..., Job]


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Definitions load on a machine that knows no server; tests that run jobs set what they need."""
    for name in ("WAREHOUSE_DSN", "LAKE_URL", "EMATIX_START_SCHEDULES"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def project() -> Project:
    """A project that knows the connections `warehouse` (Postgres) and `lake` (Delta)."""
    project = Project()
    project.connection(type("warehouse", (), {"kind": "postgres", "url": "${WAREHOUSE_DSN}"}))
    project.connection(type("lake", (), {"kind": "delta", "url": "${LAKE_URL}"}))
    return project


@pytest.fixture
def declare_job(project: Project) -> DeclareJob:
    """Declares `load_<table>`, which reads raw.events into analytics.<table> of the warehouse, unless told otherwise."""
    tables: dict[str, type[Any]] = {}

    def table(name: str) -> type[Any]:
        if name not in tables:

            @project.table(schema="analytics", name=name)
            class Events:
                """What happened."""

                event_id: Annotated[BigInt, pk()]
                name: Text | None
                price: Numeric[12, 2] | None
                received_at: TimestampTZ

            tables[name] = Events
        return tables[name]

    def declare(
        *names: str,
        sql: str = "select * from raw.events",
        body: Callable[..., Any] | None = None,
        **words: Any,
    ) -> Job:
        words.setdefault("name", f"load_{names[0]}")
        words.setdefault("target_connection", "warehouse")

        def returns_sql() -> str:
            return sql

        return project.job(targets=[table(name) for name in names], **words)(body or returns_sql)

    return declare
