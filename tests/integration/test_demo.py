"""`scripts/demo` and `scripts/test`, as a person starts them: real processes, a real server, a real Dagster."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import signal
import site
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # ships no type information
import psycopg
import pytest
import yaml  # type: ignore[import-untyped]  # ships no type information

from ematix_flow.embedded import Embedded
from example_project import generate, rows, stand
from example_project.rows import Slice

ROOT = Path(__file__).resolve().parents[2]
AS_ROOT = os.geteuid() == 0
ROWS = 500  # events; so 100 orders and 10 customers
TIME = datetime(2026, 1, 1, tzinfo=UTC)
ORDER_LINES = sum(1 for _ in rows.order_lines(1, Slice(ids=range(1, 101), start=TIME, end=TIME)))

# What every first run must print: (job, target) -> (rows read, rows inserted). How many days and countries had
# revenue is left to the one who can count; see below.
FIRST_RUN = {
    ("ingest_events", "warehouse:analytics.events"): (ROWS, ROWS),
    ("ingest_events_fanout", "warehouse:analytics.events"): (ROWS, 0),
    ("ingest_events_fanout", "s3_archive:analytics.events_archive"): (ROWS, ROWS),
    ("load_order_lines", "warehouse:analytics.order_lines"): (ORDER_LINES, ORDER_LINES),
    ("load_orders", "warehouse:analytics.orders"): (100, 100),
    ("load_customers", "warehouse:analytics.customers"): (10, 10),
    ("load_exchange_rates", "warehouse:analytics.exchange_rates"): (1600, 1600),
    ("archive_events", "lake:bronze.events"): (ROWS, ROWS),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """A home of its own for one demo, and an environment that is installed already."""

    home: Path
    venv: Path

    def environ(self, **more: str) -> dict[str, str]:
        """The variables that a demo gets, and none that would lead it elsewhere."""
        plain = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        return {**plain, "EMATIX_HOME": str(self.home), "EMATIX_VENV": str(self.venv), **more}

    def run(self, *command: str, user: str | None = None, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a script to its end, from a folder that has nothing to do with the project."""
        return subprocess.run(
            [sys.executable, str(ROOT / "scripts" / command[0]), *command[1:]],
            cwd="/",
            env=self.environ(**more),
            user=user,
            group=None if user is None else pwd.getpwnam(user).pw_gid,
            extra_groups=None if user is None else [],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        """Start a demo and leave it running; its output is one pipe."""
        return subprocess.Popen(
            [sys.executable, str(ROOT / "scripts" / "demo"), f"--rows={ROWS}", *arguments],
            cwd="/",
            env=self.environ(**more),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def processes(self) -> list[str]:
        """The live processes that the demo of this home started, and those that they started."""
        found = []
        for process in psutil.process_iter():
            try:
                ours = str(self.home) in process.environ().get("EMATIX_HOME", "")
                ours = ours or str(self.home) in " ".join(process.cmdline())
            except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                continue
            if ours and process.pid != os.getpid():
                found.append(" ".join(process.cmdline()))
        return found


@pytest.fixture(scope="module")
def venv() -> Iterator[Path]:
    """An environment of its own that sees the packages of this one, so that nothing is installed or stamped here."""
    with _open_folder() as folder:
        venv = folder / "venv"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
        packages = next(venv.glob("lib/python*/site-packages"))
        lines = [f"import site; site.addsitedir({path!r})" for path in site.getsitepackages()]
        (packages / "these.pth").write_text("\n".join([*lines, str(ROOT)]))
        stamp = f"Environment(folder=Path({str(venv)!r})).write_stamp({{'dev', 'embedded', 's3'}})"
        code = f"from pathlib import Path; from bootstrap import Environment; {stamp}"
        subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT / "scripts")
        yield venv


@pytest.fixture
def stand_(venv: Path) -> Iterator[Stand]:
    with _open_folder() as folder:
        yield Stand(home=folder / "home", venv=venv)


@contextmanager
def _open_folder() -> Iterator[Path]:
    """Give a folder that `nobody` can enter, which pytest's tmp_path is not; stops the server that is left in it."""
    folder = Path(tempfile.mkdtemp(prefix="ematix-demo-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        Embedded(home=folder / "home" / "pg").stop()
        shutil.rmtree(folder)


def table(output: str) -> dict[tuple[str, str], tuple[int, int]]:
    """Read the table that the demo prints: (job, target) -> (rows read, rows inserted)."""
    line = re.compile(r"^(\w+) +(\w+:[\w.]+) +([\d,]+) +([\d,]+) +\d+\.\d\d  \S", re.MULTILINE)
    numbers = {
        (job, target): (int(read.replace(",", "")), int(inserted.replace(",", "")))
        for job, target, read, inserted in line.findall(output)
    }
    assert numbers, output
    return numbers


def without_revenue(
    numbers: dict[tuple[str, str], tuple[int, int]],
) -> dict[tuple[str, str], tuple[int, int]]:
    return {key: value for key, value in numbers.items() if key[0] != "publish_daily_revenue"}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def wait_for(process: subprocess.Popen[str], text: str, seconds: float = 120) -> str:
    """Read a demo's output until a line holds `text`, and give all of it up to there."""
    deadline, lines = time.monotonic() + seconds, []
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return "".join(lines)
        assert time.monotonic() < deadline, "".join(lines)
    raise AssertionError(f"it ended before it said {text!r}:\n{''.join(lines)}")


@contextmanager
def serving(stand_: Stand, *arguments: str, **more: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A demo that serves, and its port; stopped at the end."""
    port = free_port()
    with stand_.start(f"--port={port}", *arguments, **more) as process:
        try:
            wait_for(process, "Dagster is up")
            yield process, port
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)


# --- loading once ----------------------------------------------------------------------------------------


def test_the_first_run_loads_every_target_and_prints_its_numbers(stand_: Stand) -> None:
    result = stand_.run("demo", "--once", f"--rows={ROWS}")
    assert (result.returncode, result.stderr) == (0, "")
    printed = table(result.stdout)
    assert without_revenue(printed) == FIRST_RUN
    revenue = {key[1]: value for key, value in printed.items() if key[0] == "publish_daily_revenue"}
    assert revenue.keys() == {"warehouse:analytics.daily_revenue", "lake:analytics.daily_revenue"}
    assert len(set(revenue.values())) == 1
    assert all(read == inserted > 90 for read, inserted in revenue.values())  # a row a day, at the least


def test_the_second_run_adds_nothing_and_replaces_what_is_replaced(stand_: Stand) -> None:
    first = table(stand_.run("demo", "--once", f"--rows={ROWS}").stdout)
    result = stand_.run("demo", "--once", f"--rows={ROWS}")
    assert (result.returncode, result.stderr) == (0, "")
    second = table(result.stdout)
    assert second.keys() == first.keys()
    inserted = {key: value[1] for key, value in second.items() if value[1]}
    replaced = ("load_customers", "publish_daily_revenue")
    assert inserted == {key: value[1] for key, value in first.items() if key[0] in replaced}


def test_the_server_is_stopped_in_the_end(stand_: Stand) -> None:
    stand_.run("demo", "--once", f"--rows={ROWS}")
    assert stand_.processes() == []


@pytest.mark.skipif(not AS_ROOT, reason="only root can be somebody else")
def test_it_works_as_a_normal_user_in_a_home_of_his_own(stand_: Stand) -> None:
    python = Path(sys.executable).resolve()
    if subprocess.run([python, "-c", ""], check=False, user="nobody", cwd="/", env={}).returncode != 0:
        pytest.skip(f"user nobody cannot start {python}")
    stand_.home.mkdir()
    os.chown(stand_.home, pwd.getpwnam("nobody").pw_uid, -1)
    result = stand_.run("demo", "--once", f"--rows={ROWS}", user="nobody")
    assert (result.returncode, result.stderr) == (0, "")
    assert without_revenue(table(result.stdout)) == FIRST_RUN


@pytest.mark.skipif(not AS_ROOT, reason="only root's server runs as another user")
def test_root_may_have_his_home_closed_to_others(stand_: Stand) -> None:
    stand_.home.mkdir(mode=0o700)
    result = stand_.run("demo", "--once", f"--rows={ROWS}")
    data = re.search(r"so its data is in (\S+)", result.stdout)
    assert data is not None, result.stdout + result.stderr
    shutil.rmtree(data[1])
    assert result.returncode == 0, result.stderr
    assert without_revenue(table(result.stdout)) == FIRST_RUN


# --- serving ---------------------------------------------------------------------------------------------


def test_it_serves_the_three_locations_while_rows_keep_arriving(stand_: Stand) -> None:
    query = "{ workspaceOrError { ... on Workspace { locationEntries { name locationOrLoadError { __typename } } } } }"
    with serving(stand_) as (process, port):
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/graphql",
            data=json.dumps({"query": query}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 -- our own server
            entries = json.load(answer)["data"]["workspaceOrError"]["locationEntries"]
        wait_for(process, "rows added to raw.*", seconds=30)
    assert {entry["name"]: entry["locationOrLoadError"]["__typename"] for entry in entries} == {
        "shop": "RepositoryLocation",
        "minimal": "RepositoryLocation",
        "fanout": "RepositoryLocation",
    }


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything_it_started(stand_: Stand, number: signal.Signals) -> None:
    port = free_port()
    with stand_.start(f"--port={port}") as process:
        wait_for(process, "Dagster is up")
        assert len(stand_.processes()) > 3
        process.send_signal(number)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.endswith("stopped\n")
    assert stand_.processes() == []
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_an_interrupt_while_jobs_run_stops_everything_too(stand_: Stand) -> None:
    with stand_.start("--once") as process:
        wait_for(process, "ingest_events")
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert stand_.processes() == []


def test_a_taken_port_is_told_before_anything_is_started(stand_: Stand) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        result = stand_.run("demo", f"--port={port}")
    assert result.returncode == 1
    assert re.fullmatch(
        rf"demo: cannot serve on 127\.0\.0\.1:{port} \(.*in use.*\); if an earlier demo still runs there, stop it, "
        r"or choose another port with --port\n",
        result.stderr,
    )
    assert not stand_.home.exists()


def test_a_second_demo_in_the_same_home_is_refused(stand_: Stand) -> None:
    with serving(stand_):
        result = stand_.run("demo", f"--port={free_port()}", f"--rows={ROWS}")
    assert result.returncode == 1
    assert result.stderr == f"demo: another demo serves from {stand_.home}; stop it, or set EMATIX_HOME\n"


# --- a server of the user's own --------------------------------------------------------------------------


@pytest.fixture
def their_dsn(dsn: str, db: psycopg.Connection) -> str:
    """A database that the demo did not make, where a table of the shop's name holds something else."""
    db.execute("create schema raw")
    db.execute(
        "create table raw.events as select 7::bigint as event_id, 'theirs' as name, 1::bigint as customer_id,"
        " '{}'::jsonb as properties, timestamptz '2026-01-01' as received_at"
    )
    return dsn


def test_on_a_server_of_ones_own_only_missing_tables_are_seeded(
    stand_: Stand, their_dsn: str, db: psycopg.Connection
) -> None:
    result = stand_.run("demo", "--once", f"--rows={ROWS}", WAREHOUSE_DSN=their_dsn)
    assert (result.returncode, result.stderr) == (0, "")
    assert "raw.events: was there, left as it is" in result.stdout
    assert not (stand_.home / "pg").exists()
    counts = db.execute(
        "select (select count(*) from raw.events), (select count(*) from analytics.events),"
        " (select count(*) from raw.orders)"
    ).fetchone()
    assert counts == (1, 1, 100)


def test_no_rows_are_generated_into_a_table_that_is_not_the_shops(
    stand_: Stand, their_dsn: str, db: psycopg.Connection
) -> None:
    stand_.run("demo", "--once", f"--rows={ROWS}", WAREHOUSE_DSN=their_dsn)
    with pytest.raises(LookupError, match=r"raw\.events was not made by example_project\.seed"):
        generate.grow(db, number=1, events=10, since=TIME, until=TIME)


def test_a_wrong_password_is_not_shown(stand_: Stand, their_dsn: str) -> None:
    dsn = re.sub(r":[^:@/]+@", ":%zzhidden-7@", their_dsn)
    result = stand_.run("demo", "--once", WAREHOUSE_DSN=dsn)
    assert result.returncode == 1
    assert result.stderr.startswith("demo: cannot seed the shop: ")
    assert "hidden-7" not in result.stdout + result.stderr


def test_a_home_that_cannot_be_written_names_the_variable_that_moves_it(stand_: Stand) -> None:
    result = stand_.run("demo", "--once", EMATIX_HOME="/proc/home")
    assert result.returncode == 1
    assert result.stderr == (
        "demo: cannot create /proc/home (No such file or directory); set EMATIX_HOME to a folder of your own\n"
    )


# --- the rest --------------------------------------------------------------------------------------------


def test_the_locations_that_are_loaded_are_those_that_are_served() -> None:
    workspace = yaml.safe_load((ROOT / "workspace.yaml").read_text())
    served = [entry["python_module"]["module_name"] for entry in workspace["load_from"]]
    assert sorted(served) == sorted(stand.LOCATIONS)


def test_the_test_script_hands_its_arguments_to_pytest(stand_: Stand) -> None:
    result = stand_.run(
        "test", "--collect-only", "-q", "tests/integration/test_demo.py", "-k", "hands_its_arguments"
    )
    assert result.returncode == 0
    assert "1/" in result.stdout.splitlines()[-1]  # "1/30 tests collected (29 deselected) in 0.5s"
