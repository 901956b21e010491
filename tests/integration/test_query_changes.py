"""A query that changes and changes back leaves no row as the query between wrote it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import psycopg
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from ematix_flow import LoadCounts, Project, RunError, Window, pk, run_job
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


# --- without a key ------------------------------------------------------------------------------------

AS_READ = "select name, seen from raw.sightings"
CHANGED = "select upper(name) as name, seen from raw.sightings"


@pytest.fixture
def sightings(db: psycopg.Connection) -> psycopg.Connection:
    db.execute("create schema raw")
    db.execute("create table raw.sightings (name text, seen bigint)")
    db.execute("insert into raw.sightings values ('a', 1), ('b', 2)")
    return db


def append(dsn: str, lake: Path, where: str, query: str, **asked: Any) -> LoadCounts:
    """Run a keyless append with another query, as a project that was edited would."""
    project = Project()
    project.connection(type("warehouse", (), {"kind": "postgres", "url": dsn}))
    project.connection(type("lake", (), {"kind": "delta_local", "path": str(lake)}))

    @project.table(schema="analytics")
    class Sightings:
        name: Text | None
        seen: BigInt

    @project.job(
        name="sightings",
        target=Sightings,
        target_connection=where,
        source_connection="warehouse",
        incremental="seen",
    )
    def sightings() -> str:
        return query

    return run_job(sightings, project=project, **asked).targets[0].counts


@pytest.mark.parametrize("where", ["warehouse", "lake"])
def test_another_query_on_a_target_without_a_key_asks_for_a_full_refresh(
    sightings: psycopg.Connection, dsn: str, tmp_path: Path, where: str
) -> None:
    append(dsn, tmp_path, where, AS_READ)
    with pytest.raises(RunError) as raised:
        append(dsn, tmp_path, where, CHANGED)
    assert str(raised.value.__cause__) == (
        "job 'sightings': table analytics.sightings: its rows come from another query than this one, and without a key "
        "a row that is read again could stand there twice; run the job with full_refresh, which replaces all rows, or "
        "declare a key"
    )
    counts = append(dsn, tmp_path, where, CHANGED, full_refresh=True)
    assert (counts.deleted, counts.inserted) == (2, 2)
    sightings.execute("insert into raw.sightings values ('c', 3)")
    assert append(dsn, tmp_path, where, CHANGED).inserted == 1


@pytest.mark.parametrize("where", ["warehouse", "lake"])
def test_a_query_that_is_only_written_otherwise_is_no_other_query(
    sightings: psycopg.Connection, dsn: str, tmp_path: Path, where: str
) -> None:
    append(dsn, tmp_path, where, AS_READ)
    append(dsn, tmp_path, where, "SELECT name, -- of the bird\n seen FROM raw.sightings;")
    sightings.execute("insert into raw.sightings values ('c', 3)")
    assert append(dsn, tmp_path, where, AS_READ).inserted == 1
    with pytest.raises(RunError, match="another query"):
        append(dsn, tmp_path, where, CHANGED)


@pytest.mark.parametrize("where", ["warehouse", "lake"])
def test_a_slice_by_another_query_replaces_its_rows_and_remembers_the_query_of_the_others(
    sightings: psycopg.Connection, dsn: str, tmp_path: Path, where: str
) -> None:
    append(dsn, tmp_path, where, AS_READ)
    counts = append(dsn, tmp_path, where, CHANGED, window=Window(start="2", end="3"))
    assert (counts.deleted, counts.inserted) == (1, 1)
    with pytest.raises(RunError, match="another query"):
        append(dsn, tmp_path, where, CHANGED)


@pytest.mark.parametrize("where", ["warehouse", "lake"])
def test_another_query_fills_a_target_that_was_emptied(
    sightings: psycopg.Connection, dsn: str, tmp_path: Path, where: str
) -> None:
    append(dsn, tmp_path, where, AS_READ)
    if where == "lake":
        DeltaTable(tmp_path / "analytics" / "sightings").delete()
    else:
        sightings.execute("delete from analytics.sightings")
    assert append(dsn, tmp_path, where, CHANGED).inserted == 2
