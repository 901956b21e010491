"""A source, another database and a lake, into which tables of any name are loaded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import psycopg
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from psycopg import sql
from support.databases import drop_everything, new_databases

from ematix_flow import Project, pk, run_job
from ematix_flow.types import BigInt, Text


@dataclass(frozen=True)
class House:
    """A source, another database and a lake."""

    origin: psycopg.Connection
    other: psycopg.Connection
    project: Project
    lake: Path

    def declare(self, schema: str, name: str, columns: dict[str, Any]) -> type:
        declared: type = self.project.table(schema=schema, name=name)(
            type("T", (), {"__annotations__": columns})
        )
        return declared

    def read_lake(self, schema: str, name: str) -> None:
        """Fill a table of the lake, and copy it to the other database; its key is called as the table is."""
        table_class = self.declare(schema, name, {name: Annotated[BigInt, pk()], "v": Text | None})
        query = sql.SQL("select {}, v from {}").format(sql.Identifier(name), sql.Identifier(schema, name))
        fill = self.project.job(
            name="fill", target=table_class, source_connection="origin", target_connection="lake"
        )
        load = self.project.job(
            name="load", target=table_class, source_connection="lake", target_connection="other"
        )
        run_job(fill(lambda: pa.record_batch({name: [1, 2], "v": ["a", None]})), project=self.project)
        run_job(load(lambda: query.as_string()), project=self.project)

    def rows(self, connection: str, schema: str, name: str) -> list[dict[str, Any]]:
        """Every row of a target, in the order of its columns' values."""
        if connection == "lake":
            scan = DeltaTable(str(self.lake / schema / name)).scan()
            found = pa.RecordBatchReader.from_stream(scan).read_all().to_pylist()
        else:
            session = self.origin if connection == "origin" else self.other
            with session.cursor(row_factory=psycopg.rows.dict_row) as cursor:
                query = sql.SQL("select * from {}").format(sql.Identifier(schema, name))
                found = cursor.execute(query).fetchall()
        return sorted(found, key=lambda row: [str(value) for value in row.values()])

    def values(self, connection: str, schema: str, name: str, *columns: str) -> list[tuple[Any, ...]]:
        """These columns of every row."""
        return sorted(tuple(row[column] for column in columns) for row in self.rows(connection, schema, name))


@pytest.fixture(scope="module")
def databases(server: str) -> Iterator[list[psycopg.Connection]]:
    """Sessions on two databases, which a module's tests share."""
    with new_databases(server, "ORIGIN_DSN", "OTHER_DSN") as sessions:
        yield sessions


@pytest.fixture
def house(databases: list[psycopg.Connection], project: Project, tmp_path: Path) -> House:
    """A house without what another test made."""
    for session in databases:
        drop_everything(session)
    for name in ("origin", "other"):
        project.connection(type(name, (), {"kind": "postgres", "url": f"${{{name.upper()}_DSN}}"}))
    lake = tmp_path / "lake"
    project.connection(type("lake", (), {"kind": "delta_local", "path": str(lake)}))
    return House(*databases, project, lake)
