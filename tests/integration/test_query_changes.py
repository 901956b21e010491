"""A query that changes and changes back leaves no row as the query between wrote it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import psycopg
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from ematix_flow import Project, pk, run_job
from ematix_flow.types import BigInt, Text

pytestmark = pytest.mark.filterwarnings("ignore::ematix_flow.LiteralPasswordWarning")

PLAIN = "select id, name from raw.names"
TRACKED = "select id, upper(name) as name from raw.names"
READ_IN_FULL = "select id, name || now()::text as name from raw.names"


@pytest.fixture
def names(db: psycopg.Connection) -> psycopg.Connection:
    db.execute("create schema raw")
    db.execute("create table raw.names (id bigint primary key, name text)")
    db.execute("insert into raw.names values (1, 'a'), (2, 'b')")
    return db


def load(dsn: str, lake: Path, where: str, query: str) -> None:
    """Run the job with another query, as a project that was edited would."""
    project = Project()
    project.connection(type("warehouse", (), {"kind": "postgres", "url": dsn}))
    project.connection(type("lake", (), {"kind": "delta_local", "path": str(lake)}))

    @project.table(schema="analytics")
    class Names:
        id: Annotated[BigInt, pk()]
        name: Text | None

    @project.job(
        name="names", target=Names, target_connection=where, source_connection="warehouse", mode="merge"
    )
    def names() -> str:
        return query

    run_job(names, project=project)


def held(db: psycopg.Connection, lake: Path, where: str) -> list[str]:
    if where == "warehouse":
        return [row[0] for row in db.execute("select name from analytics.names order by id").fetchall()]
    rows = (
        pa.RecordBatchReader.from_stream(DeltaTable(lake / "analytics" / "names").scan())
        .read_all()
        .to_pylist()
    )
    return [row["name"] for row in sorted(rows, key=lambda row: row["id"])]


@pytest.mark.parametrize("where", ["warehouse", "lake"])
@pytest.mark.parametrize("between", [TRACKED, READ_IN_FULL])
def test_going_back_to_an_old_query_reads_everything_again(
    names: psycopg.Connection, dsn: str, tmp_path: Path, where: str, between: str
) -> None:
    for query in (PLAIN, between, PLAIN):
        load(dsn, tmp_path, where, query)
        names.execute("select txid_current()")  # time goes on in the source
    assert held(names, tmp_path, where) == ["a", "b"]
