"""One job, run by many processes at once.

`EMATIX_CONCURRENCY=all scripts/test -m slow tests/integration/concurrency` takes every mode into every kind of target; without
the variable a few of them do.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping

import psycopg
import pytest
from integration.concurrency import look
from integration.concurrency.race import Entry, Racers

from ematix_flow import run_job

pytestmark = pytest.mark.filterwarnings("ignore::ematix_flow.LiteralPasswordWarning")

# (mode, where to): on `origin` the rows stay in the source's own server.
MODES = ("append", "window", "truncate", "merge", "scd2")
ALL = [(mode, target) for target in ("origin", "other", "lake") for mode in MODES]
SOME = [("window", "origin"), ("append", "origin"), ("scd2", "other"), ("merge", "lake")]
LOADS = ALL if os.environ.get("EMATIX_CONCURRENCY") == "all" else SOME


def write_until(stop: threading.Event, url: str) -> None:
    """Insert and update, one transaction after the other, some of which are rolled back."""
    with psycopg.connect(url) as session:
        for number in range(61, 10**6):
            if stop.is_set():
                return
            session.execute("insert into raw.orders values (%s, 'new', clock_timestamp())", [number])
            session.execute(
                "update raw.orders set name = 'changed ' || %s, updated_at = clock_timestamp() where id = %s",
                [number, number % 50 + 1],
            )
            if number % 5 == 0:
                session.rollback()
            else:
                session.commit()
            time.sleep(0.01)


@pytest.mark.parametrize(("mode", "target"), LOADS, ids=lambda word: word)
def test_eight_processes_that_run_one_job_while_its_source_is_written_load_each_row_once(
    racers: Racers, urls: Mapping[str, str], mode: str, target: str
) -> None:
    entry = Entry(urls=urls, mode=mode, targets=((target, "orders"),))
    stop = threading.Event()
    writer = threading.Thread(target=write_until, args=(stop, urls["origin"]))
    writer.start()
    try:
        reports = racers.race([[entry.again(2)]] * 8)
    finally:
        stop.set()
        writer.join()
    assert [report.errors for report in reports] == [()] * 8
    project, job = entry.declare()
    run_job(job, project=project)
    check(mode, look.rows(urls, target, "orders"), look.source(urls))


def check(mode: str, held: list[look.Row], source: list[look.Row]) -> None:
    match mode:
        case "append":  # it leaves rows alone that it has
            assert [row["id"] for row in held] == [row["id"] for row in source]
        case "window":  # it has what each row once was, too
            assert set(look.counted(held).values()) == {1}
            assert look.counted(source) <= look.counted(held)
        case "truncate" | "merge":
            assert held == source
        case "scd2":
            look.check_history(held)
            assert look.current(held) == source


@pytest.mark.parametrize(("mode", "target"), LOADS, ids=lambda word: word)
def test_six_first_runs_make_schema_and_table_once_and_load_each_row_once(
    racers: Racers, urls: Mapping[str, str], mode: str, target: str
) -> None:
    entry = Entry(urls=urls, mode=mode, targets=((target, "orders"),))
    reports = racers.race([[entry]] * 6)
    assert [report.errors for report in reports] == [()] * 6
    held = look.rows(urls, target, "orders")
    assert [row["id"] for row in held] == [row["id"] for row in look.source(urls)]
    if mode == "scd2":
        look.check_history(held)


@pytest.mark.parametrize("target", ["origin", "other", "lake"])
def test_six_first_runs_of_different_jobs_make_their_tables_in_one_new_schema(
    racers: Racers, urls: Mapping[str, str], target: str
) -> None:
    entries = [
        Entry(urls=urls, mode="merge", job=f"load_{number}", targets=((target, f"orders_{number}"),))
        for number in range(6)
    ]
    reports = racers.race([[entry] for entry in entries])
    assert [report.errors for report in reports] == [()] * 6
    for number in range(6):
        assert look.rows(urls, target, f"orders_{number}") == look.source(urls)
