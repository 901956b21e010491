"""Dagster serving the shop, while rows keep arriving in it. For `scripts/demo`."""

from __future__ import annotations

import fcntl
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from example_project.children import ROOT, child
from example_project.stand import Say, StandError

GENERATE_EVERY = "10s"
# What Dagster would warn of, and a reader of the demo need not wonder about.
_EXPECTED = (
    "ignore:Function `dev_command` is superseded",  # its successor is one more package
    "ignore:Found MATERIALIZATION nodes for some asset keys",  # two examples load one table
)
_START_SECONDS = 180


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
        _end_lost_runs(dagster_home)
        dagster = stack.enter_context(child(*command, environ=quiet, stop=signal.SIGINT))
        say(f"Dagster is starting on http://{host}:{port}")
        _wait_until_up(dagster, f"http://{host}:{port}/server_info")
        stack.enter_context(child("example_project.generate", "--every", GENERATE_EVERY, environ=environ))
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


def _end_lost_runs(dagster_home: Path) -> None:
    """End the runs in whose midst an earlier demo was stopped: Dagster would wait for them before it starts others."""
    # Importing Dagster takes a second, which `scripts/demo --once` can do without.
    from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

    lost = [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]
    with DagsterInstance.from_config(str(dagster_home)) as instance:
        for run in instance.get_runs(filters=RunsFilter(statuses=lost)):
            instance.report_run_canceled(run, "The demo was stopped while this ran.")


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
