"""Stopping a run in the middle: nothing is committed, nothing is left behind."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import psycopg
import pyarrow as pa
import pytest

from ematix_flow import Project, pk
from ematix_flow.results import Progress
from ematix_flow.run import iter_job
from ematix_flow.types import BigInt

pytestmark = pytest.mark.filterwarnings("ignore::ematix_flow.LiteralPasswordWarning")


@pytest.fixture
def numbers(project: Project, dsn: str) -> type:
    project.connection(type("warehouse", (), {"kind": "postgres", "url": dsn}))

    @project.table
    class Numbers:
        n: Annotated[BigInt, pk()]

    return Numbers


def our_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("ematix")]


def sessions(db: psycopg.Connection) -> list[Any]:
    """What our sessions still do after the two seconds that a server is given to notice that we left."""
    query = "select query from pg_stat_activity where application_name = 'ematix-flow' and datname = current_database()"
    deadline = time.monotonic() + 2
    while (left := db.execute(query).fetchall()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def test_closing_the_iterator_ends_a_stream_of_batches(
    db: psycopg.Connection, project: Project, numbers: type
) -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        for start in itertools.count(step=1000):
            yield pa.record_batch({"n": range(start, start + 1000)})

    @project.job(name="endless", target=numbers)
    def endless() -> Any:
        yield from batches()

    events = iter_job(endless, project=project)
    while not isinstance(next(events), Progress):
        pass
    started = time.monotonic()
    events.close()
    assert time.monotonic() - started < 2
    assert our_threads() == []
    assert sessions(db) == []
    assert db.execute("select to_regclass('public.numbers')").fetchall() == [(None,)]


def test_closing_the_iterator_cancels_a_select_inside_the_server(
    db: psycopg.Connection, project: Project, numbers: type
) -> None:
    @project.job(name="slow", target=numbers)
    def slow() -> str:
        return "select n::bigint from generate_series(1, 1000) as n, pg_sleep(60)"

    events = iter_job(slow, project=project)
    next(events)
    started = time.monotonic()
    events.close()
    assert time.monotonic() - started < 2
    assert our_threads() == []
    assert sessions(db) == []


def test_an_interrupt_while_rows_travel_between_servers_cancels_both_sides(
    db: psycopg.Connection, project: Project, numbers: type, new_database: Callable[[], str]
) -> None:
    project.connection(type("origin", (), {"kind": "postgres", "url": new_database()}))

    @project.job(name="endless", target=numbers, target_connection="warehouse", source_connection="origin")
    def endless() -> str:
        return "select generate_series(1, 1000000000)::bigint as n"

    events = iter_job(endless, project=project)
    while not isinstance(next(events), Progress):
        pass
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        events.throw(KeyboardInterrupt)
    assert time.monotonic() - started < 2
    assert our_threads() == []
    assert sessions(db) == []
