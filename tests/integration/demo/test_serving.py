"""`scripts/demo`: Dagster served, rows that keep arriving, and everything stopped in the end. And `scripts/test`."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import pytest
import yaml  # type: ignore[import-untyped]  # ships no type information

from example_project import stand

if TYPE_CHECKING:
    from tests.integration.demo.conftest import Demo

# Dagster may take its time on a busy machine.
pytestmark = pytest.mark.timeout(300)


def test_the_three_locations_load(serving: tuple[subprocess.Popen[str], int]) -> None:
    query = "{ workspaceOrError { ... on Workspace { locationEntries { name locationOrLoadError { __typename } } } } }"
    request = urllib.request.Request(
        f"http://127.0.0.1:{serving[1]}/graphql",
        data=json.dumps({"query": query}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 -- our own server
        entries = json.load(answer)["data"]["workspaceOrError"]["locationEntries"]
    assert {entry["name"]: entry["locationOrLoadError"]["__typename"] for entry in entries} == {
        "shop": "RepositoryLocation",
        "minimal": "RepositoryLocation",
        "fanout": "RepositoryLocation",
    }


def test_a_run_that_an_earlier_demo_left_behind_is_ended(dagster_of_serving: dg.DagsterInstance) -> None:
    runs = dagster_of_serving.get_runs(filters=dg.RunsFilter(job_name="interrupted"))
    assert [run.status for run in runs] == [dg.DagsterRunStatus.CANCELED]


def test_rows_keep_arriving(
    serving: tuple[subprocess.Popen[str], int],
    wait_until_said: Callable[[subprocess.Popen[str], str], None],
) -> None:
    wait_until_said(serving[0], "rows added to raw.*")


def test_a_second_demo_in_the_same_home_is_refused(
    serving: tuple[subprocess.Popen[str], int], shared_demo: Demo
) -> None:
    result = shared_demo.run("demo", "--port=0")
    assert result.returncode == 1
    assert (
        result.stderr == f"demo: another demo serves from {shared_demo.home}; stop it, or set EMATIX_HOME\n"
    )


def test_ctrl_c_stops_everything_that_was_started(
    demo: Demo, wait_until_said: Callable[[subprocess.Popen[str], str], None]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with demo.start(f"--port={port}") as process:
        wait_until_said(process, "Dagster is up")
        started = len(demo.processes())
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=90)
    assert started > 5  # PostgreSQL, Dagster's page and daemon, three locations, the generator
    assert process.returncode == 130
    assert said.endswith("stopped\n")
    assert demo.processes() == []


def test_a_taken_port_is_told_before_anything_is_started(demo: Demo) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        result = demo.run("demo", f"--port={port}")
    assert result.returncode == 1
    assert re.fullmatch(
        rf"demo: cannot serve on 127\.0\.0\.1:{port} \(.*in use.*\); if an earlier demo still runs there, stop it, "
        r"or choose another port with --port\n",
        result.stderr,
    )
    assert not demo.home.exists()


def test_the_locations_that_are_loaded_are_those_that_are_served() -> None:
    workspace = yaml.safe_load((Path(__file__).parents[3] / "workspace.yaml").read_text())
    served = [entry["python_module"]["module_name"] for entry in workspace["load_from"]]
    assert sorted(served) == sorted(stand.LOCATIONS)


def test_the_test_script_hands_its_arguments_to_pytest(demo: Demo) -> None:
    result = demo.run("test", "--collect-only", "-q", "tests/integration/demo", "-k", "hands_its_arguments")
    assert result.returncode == 0
    assert re.match(r"1/\d+ tests collected", result.stdout.splitlines()[-1])
