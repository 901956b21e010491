"""`scripts/demo --once`: what it loads, what it prints, and what it leaves alone."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from example_project import generate, rows, seed
from example_project.rows import Slice

if TYPE_CHECKING:
    from tests.integration.demo.conftest import Demo

pytestmark = pytest.mark.timeout(300)

AS_ROOT = os.geteuid() == 0
TIME = datetime(2026, 1, 1, tzinfo=UTC)
ORDER_LINES = sum(1 for _ in rows.order_lines(1, Slice(ids=range(1, 101), start=TIME, end=TIME)))

# (job, target) -> (rows read, rows inserted), without the revenue, whose rows depend on the day of the run.
FIRST_RUN = {
    ("ingest_events", "warehouse:analytics.events"): (500, 500),
    ("ingest_events_fanout", "warehouse:analytics.events"): (500, 0),
    ("ingest_events_fanout", "s3_archive:analytics.events_archive"): (500, 500),
    ("load_order_lines", "warehouse:analytics.order_lines"): (ORDER_LINES, ORDER_LINES),
    ("load_orders", "warehouse:analytics.orders"): (100, 100),
    ("load_customers", "warehouse:analytics.customers"): (10, 10),
    ("load_exchange_rates", "warehouse:analytics.exchange_rates"): (1600, 1600),
    ("archive_events", "lake:bronze.events"): (500, 500),
}
REVENUE = ("warehouse:analytics.daily_revenue", "lake:analytics.daily_revenue")


def table(output: str) -> dict[tuple[str, str], tuple[int, int]]:
    """Read the table that the demo prints: (job, target) -> (rows read, rows inserted)."""
    line = re.compile(r"^(\w+) +(\w+:[\w.]+) +([\d,]+) +([\d,]+) +\d+\.\d\d  \S", re.MULTILINE)
    return {
        (job, target): (int(read.replace(",", "")), int(inserted.replace(",", "")))
        for job, target, read, inserted in line.findall(output)
    }


def without_revenue(output: str) -> dict[tuple[str, str], tuple[int, int]]:
    return {key: value for key, value in table(output).items() if key[1] not in REVENUE}


@pytest.fixture(scope="module")
def runs(shared_demo: Demo) -> list[subprocess.CompletedProcess[str]]:
    """The demo, run twice in a row."""
    return [shared_demo.load(), shared_demo.load()]


# --- on its own server -----------------------------------------------------------------------------------


def test_it_ends_well_twice_in_a_row(runs: list[subprocess.CompletedProcess[str]]) -> None:
    assert [(run.returncode, run.stderr) for run in runs] == [(0, ""), (0, "")]


def test_the_first_run_loads_every_target_and_prints_its_numbers(
    runs: list[subprocess.CompletedProcess[str]],
) -> None:
    assert without_revenue(runs[0].stdout) == FIRST_RUN


def test_the_revenue_is_the_same_in_the_warehouse_and_in_the_lake(
    runs: list[subprocess.CompletedProcess[str]],
) -> None:
    warehouse, lake = (table(runs[0].stdout)["publish_daily_revenue", target] for target in REVENUE)
    assert warehouse == lake
    assert warehouse[0] == warehouse[1] > 50  # a hundred orders, of seven countries and ninety days


def test_the_second_run_adds_nothing_and_replaces_what_is_replaced(
    runs: list[subprocess.CompletedProcess[str]],
) -> None:
    first, second = (table(run.stdout) for run in runs)
    assert second.keys() == first.keys()
    replaced = {("load_customers", "warehouse:analytics.customers"): 10} | {
        ("publish_daily_revenue", target): first["publish_daily_revenue", target][1] for target in REVENUE
    }
    assert {key: inserted for key, (_, inserted) in second.items() if inserted} == replaced


def test_nothing_that_was_started_is_left(
    runs: list[subprocess.CompletedProcess[str]], shared_demo: Demo
) -> None:
    assert shared_demo.processes() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_jobs_run_stops_everything(
    demo: Demo, number: signal.Signals, wait_until_said: Callable[[subprocess.Popen[str], str], None]
) -> None:
    with demo.start("--once") as process:
        wait_until_said(process, "ingest_events")
        process.send_signal(number)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.endswith("stopped\n")
    assert "Traceback" not in said
    assert demo.processes() == []


# --- as anybody ------------------------------------------------------------------------------------------


def _nobody_can_start(python: Path) -> bool:
    try:
        return subprocess.run([python, "-c", ""], check=False, user="nobody", cwd="/", env={}).returncode == 0
    except PermissionError:
        return False


@pytest.mark.skipif(not AS_ROOT, reason="only root can be somebody else")
def test_it_works_as_a_normal_user_in_a_home_of_his_own(demo: Demo) -> None:
    python = Path(sys.executable).resolve()
    if not _nobody_can_start(python):
        pytest.skip(f"user nobody cannot start {python}")
    demo.home.mkdir()
    os.chown(demo.home, pwd.getpwnam("nobody").pw_uid, -1)
    result = demo.load(user="nobody")
    assert (result.returncode, result.stderr) == (0, "")
    assert without_revenue(result.stdout) == FIRST_RUN


@pytest.mark.skipif(not AS_ROOT, reason="only root's server runs as another user")
def test_root_may_have_his_home_closed_to_others(demo: Demo) -> None:
    demo.home.mkdir(mode=0o700)
    result = demo.load()
    elsewhere = re.search(r"so its data is in (\S+)", result.stdout)
    assert elsewhere is not None, result.stdout + result.stderr
    shutil.rmtree(elsewhere[1])
    assert (result.returncode, result.stderr) == (0, "")
    assert without_revenue(result.stdout) == FIRST_RUN


def test_a_home_that_cannot_be_written_names_the_variable_that_moves_it(demo: Demo) -> None:
    result = demo.load(EMATIX_HOME="/proc/home")
    assert result.returncode == 1
    assert result.stderr == (
        "demo: cannot create /proc/home (No such file or directory); set EMATIX_HOME to a folder of your own\n"
    )


# --- on a server of the user's own -----------------------------------------------------------------------


@pytest.fixture
def theirs(db: psycopg.Connection) -> psycopg.Connection:
    """A database that the demo did not make, where a table of the shop's name holds something else."""
    db.execute("create schema raw")
    db.execute(
        "create table raw.events as select 7::bigint as event_id, 'theirs' as name, 1::bigint as customer_id,"
        " '{}'::jsonb as properties, timestamptz '2026-01-01' as received_at"
    )
    return db


def test_on_a_server_of_ones_own_only_missing_tables_are_seeded(
    demo: Demo, dsn: str, theirs: psycopg.Connection
) -> None:
    result = demo.load(WAREHOUSE_DSN=dsn)
    assert (result.returncode, result.stderr) == (0, "")
    assert "raw.events: was there, left as it is" in result.stdout
    assert not (demo.home / "pg").exists()
    counts = theirs.execute(
        "select (select count(*) from raw.events), (select count(*) from analytics.events),"
        " (select count(*) from raw.orders)"
    )
    assert counts.fetchone() == (1, 1, 100)


def test_no_rows_are_generated_into_a_table_that_is_not_the_shops(theirs: psycopg.Connection) -> None:
    list(seed.seed(theirs, number=1, events=50, until=TIME))
    with pytest.raises(LookupError, match=r"raw\.events was not made by example_project\.seed"):
        generate.grow(theirs, number=1, events=10, since=TIME, until=TIME)


def test_a_wrong_password_is_not_shown(demo: Demo, dsn: str) -> None:
    result = demo.load(WAREHOUSE_DSN=re.sub(r":[^:@/]+@", ":%zzhidden-7@", dsn))
    assert result.returncode == 1
    assert result.stderr.startswith("demo: cannot seed the shop: ")
    assert "hidden-7" not in result.stdout + result.stderr
