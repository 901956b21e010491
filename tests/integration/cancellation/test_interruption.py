"""Five million rows on their way, and something stops them: within two seconds everything is as it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from deltalake import DeltaTable

from ematix_flow import Project, RunError
from ematix_flow.embedded import Embedded
from ematix_flow.errors import BackendUnavailableError
from ematix_flow.results import Progress, TargetResult
from ematix_flow.run import iter_job, run_job
from ematix_flow.types import BigInt

pytestmark = pytest.mark.filterwarnings("ignore::ematix_flow.LiteralPasswordWarning")
CHILD = Path(__file__).with_name("child.py")
SERIES = "select n::bigint as n from generate_series(1, 5000000) as n"


@pytest.fixture
def places(new_database: Callable[[], str], tmp_path: Path) -> dict[str, str]:
    """Where rows come from and go to, and an empty folder for temporary files."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return {
        "ORIGIN_DSN": new_database(),
        "TARGET_DSN": new_database(),
        "LAKE": str(tmp_path / "lake"),
        "TMPDIR": str(scratch),
    }


def sessions(dsn: str) -> list[str]:
    """What our sessions in a database still do, asked until they are gone or two seconds have passed."""
    query = "select query from pg_stat_activity where application_name = 'ematix-flow' and datname = current_database()"
    deadline = time.monotonic() + 2
    with psycopg.connect(dsn, autocommit=True) as session:
        while (left := session.execute(query).fetchall()) and time.monotonic() < deadline:
            time.sleep(0.05)
    return [query for (query,) in left]


def tables(dsn: str) -> list[str]:
    query = (
        "select relname from pg_class join pg_namespace n on n.oid = relnamespace where nspname = 'loaded'"
    )
    with psycopg.connect(dsn) as session:
        return [name for (name,) in session.execute(query)]


def our_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("ematix")]


@pytest.mark.parametrize("kind", ["postgres", "lake", "both"])
def test_an_interrupt_from_the_keyboard_leaves_nothing(kind: str, places: dict[str, str]) -> None:
    command = [sys.executable, str(CHILD), kind]
    with subprocess.Popen(command, env={**os.environ, **places}, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "flowing\n"
        started = time.monotonic()
        child.send_signal(signal.SIGINT)
        *_, last = child.stdout.read().splitlines()
        assert child.wait(timeout=10) == 130
    assert time.monotonic() - started < 2
    assert last == "interrupted"
    assert sessions(places["ORIGIN_DSN"]) == sessions(places["TARGET_DSN"]) == []
    assert tables(places["TARGET_DSN"]) == []
    assert not DeltaTable.is_deltatable(f"{places['LAKE']}/loaded/numbers_lake")
    assert list(Path(places["TMPDIR"]).iterdir()) == []


@pytest.fixture
def numbers(project: Project, places: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Project:
    """A job from one server to another."""
    for variable, value in places.items():
        monkeypatch.setenv(variable, value)
    project.connection(type("origin", (), {"kind": "postgres", "url": "${ORIGIN_DSN}"}))
    project.connection(type("target", (), {"kind": "postgres", "url": "${TARGET_DSN}"}))

    @project.table(schema="loaded")
    class Numbers:
        n: BigInt

    @project.job(
        name="numbers",
        target=Numbers,
        target_connection="target",
        source_connection="origin",
        incremental=False,
    )
    def _numbers() -> str:
        return SERIES

    return project


def test_a_target_that_fails_in_the_middle_stops_the_source(numbers: Project, places: dict[str, str]) -> None:
    with psycopg.connect(places["TARGET_DSN"]) as session:
        session.execute("create schema loaded")
        session.execute("create table loaded.numbers (n bigint not null check (n < 2500000))")
    begun: list[float] = []

    def failing() -> None:
        for event in iter_job("numbers", project=numbers):
            if isinstance(event, Progress):
                begun.append(time.monotonic())
            if isinstance(event, TargetResult):
                assert event.error is not None
                assert "numbers_n_check" in str(event.error)

    failing()
    # The last progress was told before the row that the table refuses.
    assert time.monotonic() - begun[-1] < 2
    assert sessions(places["ORIGIN_DSN"]) == sessions(places["TARGET_DSN"]) == []
    assert our_threads() == []
    with psycopg.connect(places["TARGET_DSN"]) as session:
        assert session.execute("select count(*) from loaded.numbers").fetchone() == (0,)


@pytest.fixture
def doomed() -> Iterator[Embedded]:
    """A server of its own, to be stopped."""
    with tempfile.TemporaryDirectory(prefix="ematix-doomed-") as folder:
        Path(folder).chmod(0o755)
        embedded = Embedded(home=Path(folder) / "pg", settings={"fsync": "off"})
        embedded.ensure()
        yield embedded
        embedded.stop()


def test_a_source_that_dies_in_the_middle_ends_the_run(
    numbers: Project, doomed: Embedded, places: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORIGIN_DSN", doomed.ensure())
    events = iter_job("numbers", project=numbers)
    while not isinstance(next(events), Progress):
        pass
    doomed.stop()
    started = time.monotonic()
    with pytest.raises((BackendUnavailableError, RunError)):
        _drain(events)
    assert time.monotonic() - started < 2
    events.close()
    assert sessions(places["TARGET_DSN"]) == []
    assert our_threads() == []
    assert tables(places["TARGET_DSN"]) == []


def _drain(events: Iterator[object]) -> None:
    for event in events:
        if isinstance(event, TargetResult) and event.error is not None:
            raise event.error


def test_a_run_that_was_stopped_leaves_nothing_in_the_way_of_the_next(
    numbers: Project, places: dict[str, str]
) -> None:
    events = iter_job("numbers", project=numbers)
    while not isinstance(next(events), Progress):
        pass
    events.close()
    result = run_job("numbers", project=numbers)
    assert result.targets[0].counts.inserted == 5_000_000
