"""A source that is emptied and filled again while a run waits for it."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from typing import Annotated

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from ematix_flow import Project, pk, run_job
from ematix_flow.types import BigInt

QUERIES = {"a table": "select n from raw.numbers", "a view": "select n from raw.seen"}
pytestmark = pytest.mark.filterwarnings("ignore::ematix_flow.LiteralPasswordWarning")


@pytest.mark.parametrize("source", ["a table", "a view"])
@pytest.mark.parametrize("where", ["the same database", "another database"])
def test_a_source_that_is_filled_again_is_never_read_as_empty(
    db: psycopg.Connection,
    dsn: str,
    new_database: Callable[[], str],
    project: Project,
    where: str,
    source: str,
) -> None:
    db.execute("create schema raw")
    db.execute("create table raw.numbers (n bigint primary key)")
    db.execute("insert into raw.numbers select generate_series(1, 5)")
    db.execute("create view raw.seen as select n from raw.numbers")
    target = dsn if where == "the same database" else new_database()
    project.connection(type("origin", (), {"kind": "postgres", "url": dsn}))
    project.connection(type("warehouse", (), {"kind": "postgres", "url": target}))

    @project.table
    class Copies:
        n: Annotated[BigInt, pk()]

    @project.job(
        name="copy", target=Copies, target_connection="warehouse", source_connection="origin", mode="truncate"
    )
    def copy() -> str:
        return QUERIES[source]

    run_job(copy, project=project)
    emptied = threading.Event()

    def refill() -> None:
        with psycopg.connect(dsn) as session:
            session.execute("truncate raw.numbers")
            session.execute("insert into raw.numbers select generate_series(11, 13)")
            emptied.set()
            time.sleep(0.5)

    thread = threading.Thread(target=refill)
    thread.start()
    emptied.wait()
    counts = run_job(copy, project=project).targets[0].counts
    thread.join()
    assert (counts.read, counts.inserted, counts.deleted) == (3, 3, 5)


def test_a_role_that_may_read_some_columns_reads_those(
    db: psycopg.Connection, dsn: str, new_database: Callable[[], str], project: Project
) -> None:
    role = f"reader_{secrets.token_hex(6)}"
    name, user, word = (sql.Identifier(role), role, secrets.token_hex(8))
    db.execute("create schema raw")
    db.execute("create table raw.numbers (n bigint primary key, secret text)")
    db.execute("insert into raw.numbers select generate_series(1, 5)")
    db.execute(sql.SQL("create role {} login password {}").format(name, word))
    try:
        db.execute(sql.SQL("grant usage on schema raw to {}").format(name))
        db.execute(sql.SQL("grant select (n) on raw.numbers to {}").format(name))
        origin = make_conninfo(dsn, user=user, password=word)
        project.connection(type("origin", (), {"kind": "postgres", "url": origin}))
        project.connection(type("warehouse", (), {"kind": "postgres", "url": new_database()}))

        @project.table
        class Copies:
            n: Annotated[BigInt, pk()]

        @project.job(name="copy", target=Copies, target_connection="warehouse", source_connection="origin")
        def copy() -> str:
            return "select n from raw.numbers"

        assert run_job(copy, project=project).targets[0].counts.inserted == 5
    finally:
        db.execute(sql.SQL("drop owned by {}").format(name))
        db.execute(sql.SQL("drop role {}").format(name))
