"""What passes is tried again, and nothing else."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import psycopg
import pyarrow as pa
import pytest

from ematix_flow import Project, Retrying, RunError, Target, TargetResult, iter_job, pk, run_job
from ematix_flow.types import BigInt

pytestmark = pytest.mark.filterwarnings("ignore::ematix_flow.LiteralPasswordWarning")


@pytest.fixture
def numbers(project: Project, dsn: str) -> type:
    project.connection(type("warehouse", (), {"kind": "postgres", "url": dsn}))

    @project.table
    class Numbers:
        n: Annotated[BigInt, pk()]

    return Numbers


def end_sessions(db: psycopg.Connection, running: str) -> None:
    """End the sessions that run such a statement, as an administrator or a failover would; wait until there is one."""
    while not db.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'ematix-flow' "
        "and datname = current_database() and state = 'active' and query like %s",
        [running],
    ).fetchall():
        time.sleep(0.02)


def test_a_session_that_is_ended_while_it_loads_is_tried_again_and_only_the_events_tell(
    db: psycopg.Connection,
    project: Project,
    numbers: type,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)

    @project.job(name="slow", target=numbers)
    def slow() -> str:
        return "select n::bigint from generate_series(1, 3) as n, pg_sleep(0.3)"

    events = iter_job(slow, project=project)
    next(events)
    thread = threading.Thread(target=end_sessions, args=(db, "insert%"))
    thread.start()
    told = list(events)
    thread.join()
    assert [event.attempt for event in told if isinstance(event, Retrying)] == [1]
    (result,) = [event for event in told if isinstance(event, TargetResult)]
    assert (result.error, result.counts.inserted) == (None, 3)
    assert db.execute("select count(*) from numbers").fetchone() == (3,)
    assert (capfd.readouterr(), caplog.messages) == (("", ""), [])


def test_an_error_that_would_come_again_is_not_tried_again(
    db: psycopg.Connection, project: Project, numbers: type
) -> None:
    calls: list[int] = []

    @project.job(name="wrong", target=numbers)
    def wrong() -> str:
        calls.append(1)
        return "select (1 / (n - 1))::bigint as n from generate_series(1, 3) as n"

    with pytest.raises(RunError, match="division by zero"):
        run_job(wrong, project=project)
    assert len(calls) == 1


def test_of_a_fan_out_only_the_target_that_failed_is_tried_again(
    db: psycopg.Connection, project: Project, numbers: type, tmp_path: Path
) -> None:
    project.connection(type("lake", (), {"kind": "delta_local", "path": str(tmp_path)}))
    calls: list[int] = []

    @project.job(
        name="both", targets=[Target(numbers, connection="warehouse"), Target(numbers, connection="lake")]
    )
    def both() -> Iterator[pa.RecordBatch]:
        calls.append(1)
        yield pa.record_batch({"n": [1, 2]})
        if len(calls) == 1:
            end_sessions(db, "copy%")
        yield pa.record_batch({"n": [3]})

    told = list(iter_job(both, project=project))
    results = {event.label: event for event in told if isinstance(event, TargetResult)}
    assert [event.label for event in told if isinstance(event, Retrying)] == ["warehouse:public.numbers"]
    assert {label: result.counts.inserted for label, result in results.items()} == {
        "lake:public.numbers": 3,
        "warehouse:public.numbers": 3,
    }
    assert next(event.label for event in told if isinstance(event, TargetResult)) == "lake:public.numbers"
    assert len(calls) == 2
