"""A job that was renamed goes on where it stopped, if it says what it was called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import psycopg
import pytest

from ematix_flow import LoadCounts, Project, pk, run_job
from ematix_flow.types import BigInt, Text

pytestmark = pytest.mark.filterwarnings("ignore::ematix_flow.LiteralPasswordWarning")
QUERY = "select id, name from raw.names"


@pytest.fixture
def names(db: psycopg.Connection) -> psycopg.Connection:
    db.execute("create schema raw")
    db.execute("create table raw.names (id bigint primary key, name text)")
    db.execute("insert into raw.names select n, 'n' || n from generate_series(1, 100) as n")
    return db


def load(
    dsn: str, lake: Path, where: str, *, name: str, previous: str | None = None, query: str = QUERY
) -> LoadCounts:
    project = Project()
    project.connection(type("warehouse", (), {"kind": "postgres", "url": dsn}))
    project.connection(type("lake", (), {"kind": "delta_local", "path": str(lake)}))

    @project.table(schema="analytics")
    class Names:
        id: Annotated[BigInt, pk()]
        name: Text | None

    @project.job(
        name=name,
        previous_name=previous,
        target=Names,
        target_connection=where,
        source_connection="warehouse",
        mode="merge",
    )
    def names() -> str:
        return query

    return run_job(names, project=project).targets[0].counts


@pytest.mark.parametrize("where", ["warehouse", "lake"])
def test_a_renamed_job_reads_what_is_new(
    names: psycopg.Connection, dsn: str, tmp_path: Path, where: str
) -> None:
    load(dsn, tmp_path, where, name="old")
    names.execute("insert into raw.names values (101, 'new')")
    counts = load(dsn, tmp_path, where, name="new", previous="old")
    assert (counts.read, counts.inserted) == (1, 1)


@pytest.mark.parametrize("where", ["warehouse", "lake"])
def test_without_its_previous_name_it_starts_anew(
    names: psycopg.Connection, dsn: str, tmp_path: Path, where: str
) -> None:
    load(dsn, tmp_path, where, name="old")
    counts = load(dsn, tmp_path, where, name="new")
    assert (counts.read, counts.unchanged) == (100, 100)


@pytest.mark.parametrize("where", ["warehouse", "lake"])
def test_the_old_name_is_not_fallen_back_on_when_the_new_one_has_no_watermark_any_more(
    names: psycopg.Connection, dsn: str, tmp_path: Path, where: str
) -> None:
    load(dsn, tmp_path, where, name="old")
    load(dsn, tmp_path, where, name="new", previous="old")
    names.execute("select txid_current()")
    every_row = "select id, name || now()::text as name from raw.names"
    load(dsn, tmp_path, where, name="new", previous="old", query=every_row)
    counts = load(dsn, tmp_path, where, name="new", previous="old")
    assert (counts.read, counts.updated) == (100, 100)
