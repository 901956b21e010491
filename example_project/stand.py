"""The shop set up to be looked at: a seeded PostgreSQL, every job run once, Dagster serving. For `scripts/demo`."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import psycopg

from ematix_flow.embedded import Embedded, UnreachableFolderError
from ematix_flow.secrets import redact, secrets_in
from example_project import seed
from example_project.load import Loaded

ROOT = Path(__file__).resolve().parent.parent
LOCATIONS = ("example_project.minimal", "example_project.fanout", "example_project.definitions")
GENERATE_EVERY = "10s"

# What Dagster would warn of, and a reader of the demo need not wonder about.
_EXPECTED = (
    "ignore:Function `dev_command` is superseded",  # its successor is one more package
    "ignore:Found MATERIALIZATION nodes for some asset keys",  # two examples load one table
)
_START_SECONDS = 180
_STOP_SECONDS = 30

Say: TypeAlias = Callable[[str], None]


class StandError(Exception):
    """The shop cannot be set up; the message says why, and what to do."""


# --- the database ----------------------------------------------------------------------------------------


@contextmanager
def seeded_shop(home: Path, *, rows: int, say: Say) -> Iterator[dict[str, str]]:
    """Give the environment in which the code locations find a seeded PostgreSQL, their lakes, and Dagster's home.

    The server is that of $WAREHOUSE_DSN, else a private one in `home`, which is stopped at the end if it was started
    here. Raises StandError or an EmbeddedError.
    """
    with ExitStack() as stack:
        dsn = os.environ.get("WAREHOUSE_DSN")
        if dsn:
            say("PostgreSQL: the one of $WAREHOUSE_DSN; its schema raw gets the tables that it lacks")
        else:
            dsn = _private_server(home / "pg", stack, say)
        _seed(dsn, rows, say)
        yield {
            "LAKE_URL": str(home / "lake"),
            "ARCHIVE_URL": str(home / "archive"),
            **os.environ,
            "WAREHOUSE_DSN": dsn,
            "DAGSTER_HOME": str(home / "dagster"),
        }


def _private_server(folder: Path, stack: ExitStack, say: Say) -> str:
    say(f"PostgreSQL: a private one in {folder}")
    try:
        return stack.enter_context(Embedded(home=folder, dbname="shop").serve())
    except UnreachableFolderError as error:
        # Root, whose server runs as another user, in a home that is closed to others: say /root/ematix-flow.
        name = hashlib.sha256(bytes(folder)).hexdigest()[:12]
        elsewhere = Path("/var/lib/ematix-flow") / name
        say(f"PostgreSQL: {error.account} cannot enter {error.folder}, so its data is in {elsewhere}")
        return stack.enter_context(Embedded(home=elsewhere, dbname="shop").serve())


def _seed(dsn: str, rows: int, say: Say) -> None:
    try:
        with psycopg.connect(dsn, connect_timeout=10) as connection:
            for seeded in seed.seed(connection, number=seed.SEED, events=rows, until=datetime.now(UTC)):
                say(f"  {seed.describe(seeded)}")
    except psycopg.Error as error:
        # From None: the driver's message may hold the password, and so would the chained one.
        raise StandError(f"cannot seed the shop: {redact(str(error), secrets_in(dsn))}") from None


# --- the jobs --------------------------------------------------------------------------------------------


_LINE = "{job:<22} {target:<36} {read:>9} {inserted:>9} {seconds:>8}  {path}"


def load(environ: Mapping[str, str], *, say: Say) -> None:
    """Run every job of every code location once, and say a table of what was loaded where.

    Raises StandError with what went wrong, after the others have run.
    """
    say("")
    titles = ("job", "target", "read", "inserted", "seconds", "path")
    say(_LINE.format(**{title: title for title in titles}))
    failed = []
    for location in LOCATIONS:
        for loaded in _load_location(location, environ):
            say(_line(loaded))
            if loaded.error is not None:
                failed.append(f"job '{loaded.job}': {loaded.error}")
    say("")
    if failed:
        raise StandError("not everything was loaded:\n" + "\n".join(failed))


def _load_location(location: str, environ: Mapping[str, str]) -> Iterator[Loaded]:
    with _child("example_project.load", location, environ=environ, stdout=subprocess.PIPE) as process:
        for line in process.stdout or ():
            yield Loaded(**json.loads(line))
        if process.wait() != 0:
            raise StandError(f"{location} cannot be loaded; Python's own message stands above")


def _line(loaded: Loaded) -> str:
    return _LINE.format(
        job=loaded.job,
        target=loaded.target or "",
        read=f"{loaded.read:,}",
        inserted=f"{loaded.inserted:,}",
        seconds=f"{loaded.seconds:.2f}",
        path=loaded.path if loaded.error is None else "FAILED",
    )


# --- Dagster ---------------------------------------------------------------------------------------------


def serve(environ: Mapping[str, str], home: Path, *, host: str, port: int, say: Say) -> None:
    """Serve Dagster, while rows keep arriving in the shop, until interrupted; stops whatever it started.

    Raises StandError if another demo serves from `home`, or if Dagster ends by itself.
    """
    dagster_home = home / "dagster"
    dagster_home.mkdir(exist_ok=True)
    shutil.copyfile(ROOT / "example_project" / "dagster.yaml", dagster_home / "dagster.yaml")
    workspace = str(ROOT / "workspace.yaml")
    command = ("dagster", "dev", "-w", workspace, "-h", host, "-p", str(port), "--log-level", "warning")
    quiet = {**environ, "PYTHONWARNINGS": ",".join(_EXPECTED)}
    with ExitStack() as stack:
        stack.enter_context(_only_one(home))
        dagster = stack.enter_context(_child(*command, environ=quiet, stop=signal.SIGINT))
        say(f"Dagster is starting on http://{host}:{port}")
        _wait_until_up(dagster, f"http://{host}:{port}/server_info")
        stack.enter_context(_child("example_project.generate", "--every", GENERATE_EVERY, environ=environ))
        say(f"Dagster is up: http://{host}:{port} (Ctrl-C stops everything)")
        dagster.wait()
        raise StandError(f"Dagster ended by itself, with exit code {dagster.returncode}; see above")


@contextmanager
def _only_one(home: Path) -> Iterator[None]:
    """Keep a second demo away: two Dagsters on one home would both run every schedule."""
    with (home / "serving.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StandError(f"another demo serves from {home}; stop it, or set EMATIX_HOME") from error
        yield


def _wait_until_up(dagster: subprocess.Popen[str], url: str) -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + _START_SECONDS
    while dagster.poll() is None:
        with suppress(urllib.error.URLError, ConnectionError, TimeoutError):  # not yet
            direct.open(url, timeout=5).close()
            return
        if time.monotonic() > deadline:
            raise StandError(f"Dagster did not answer within {_START_SECONDS} seconds")
        time.sleep(0.5)


# --- processes -------------------------------------------------------------------------------------------


@contextmanager
def _child(
    module: str,
    *arguments: str,
    environ: Mapping[str, str],
    stop: signal.Signals = signal.SIGTERM,
    stdout: int | None = None,
) -> Iterator[subprocess.Popen[str]]:
    """Run a module as a process of its own, which is stopped at the end together with whatever it started.

    In a session of its own, so that a Ctrl-C in the terminal reaches us alone, and everything is stopped in order.
    """
    process = subprocess.Popen(  # noqa: S603 -- our own modules and Dagster's
        [sys.executable, "-m", module, *arguments],
        env=dict(environ),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        _stop(process, stop)


def _stop(process: subprocess.Popen[str], number: signal.Signals) -> None:
    if process.poll() is None:
        process.send_signal(number)
    with suppress(subprocess.TimeoutExpired):  # then it is killed with its group
        process.wait(_STOP_SECONDS)
    with suppress(ProcessLookupError):  # nothing of the group is left: the usual case
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
