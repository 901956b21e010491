"""A source that is emptied and filled again while a run waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Annotated

import psycopg
import pytest

from ematix_flow import Project, pk, run_job
from ematix_flow.types import BigInt

pytestmark = pytest.mark.filterwarnings("ignore::ematix_flow.LiteralPasswordWarning")


@pytest.mark.parametrize("where", ["the same database", "another database"])
def test_a_source_that_is_filled_again_is_never_read_as_empty(
    db: psycopg.Connection, dsn: str, new_database: Callable[[], str], project: Project, where: str
) -> None:
    db.execute("create schema raw")
    db.execute("create table raw.numbers (n bigint primary key)")
    db.execute("insert into raw.numbers select generate_series(1, 5)")
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
        return "select n from raw.numbers"

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
