"""The README's tutorial, as printed, with a wheel in a clean environment and no source tree in sight."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SERVE = "dagster dev -m flow"


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    # Without isolation, so that building needs no network: the backend is one of the development tools.
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture
def place() -> Iterator[Path]:
    """An empty folder that the server's account may enter, which pytest's own folders do not allow."""
    folder = Path(tempfile.mkdtemp(prefix="ematix-readme-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def clean(place: Path, dist: Path) -> Mapping[str, str]:
    """The environment variables of a clean virtual environment in which pip finds our wheel, and nothing of ours yet.

    What we depend on is not installed anew: its folders are linked.
    """
    home = place / "venv"
    venv.create(home, with_pip=True)
    (installed,) = {Path(path) for path in sys.path if path.endswith("site-packages")}
    linked = place / "dependencies"
    linked.mkdir()
    for each in installed.iterdir():
        if "ematix" not in each.name and each.name not in ("pip", "setuptools") and each.suffix != ".pth":
            (linked / each.name).symlink_to(each)
    (site,) = home.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(f"{linked}\n")
    dagster = home / "bin" / "dagster"
    dagster.write_text(f'#!/bin/sh\nexec {home}/bin/python -m dagster "$@"\n')
    dagster.chmod(0o755)
    return {
        "PATH": f"{home / 'bin'}:{os.environ['PATH']}",
        "HOME": str(place),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(dist),
        "DAGSTER_HOME": str(place),
    }


def section(first: str, following: str) -> str:
    """The README from one heading to another."""
    text = (ROOT / "README.md").read_text()
    return text[text.index(f"## {first}") : text.index(f"## {following}")]


def commands(text: str) -> list[str]:
    """The commands that a text shows, without their comments."""
    return re.findall(r"^\$ (.*?)(?: +# .*)?$", text, re.MULTILINE)


def files(text: str) -> dict[str, str]:
    """The files that a text shows."""
    return dict(re.findall(r"<!-- file: (\S+) -->\n```python\n(.*?)```", text, re.DOTALL))


def run(commands: list[str], place: Path, environ: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """What the commands print, one shell for all, and the environment that they leave behind."""
    work = place / "work"
    script = "\n".join(["set -e", *commands, f"env -0 > {place}/environment"])
    done = subprocess.run(
        ["bash", "-c", script], cwd=work, env=dict(environ), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    left = (place / "environment").read_text().rstrip("\0").split("\0")
    return done.stdout, dict(variable.split("=", 1) for variable in left)


def loads(place: Path, environ: Mapping[str, str]) -> bool:
    """Whether the server that the tutorial starts last loads its definitions."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (place / "log").open("w") as log:
        server = subprocess.Popen(
            [*SERVE.split(), "--port", str(port)],
            cwd=place / "work",
            env=dict(environ),
            stdout=log,
            stderr=log,
            start_new_session=True,
            executable=str(place / "venv" / "bin" / "dagster"),
            # Dagster gives SIGTERM what it finds for SIGINT, and a shell's background jobs ignore that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        try:
            return _is_loaded(f"http://127.0.0.1:{port}/graphql", server)
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(60)


def _is_loaded(url: str, server: subprocess.Popen[bytes]) -> bool:
    query = "{ assetNodes { assetKey { path } } }"
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and server.poll() is None:
        try:
            answer = _ask(url, query)
        except OSError:
            time.sleep(0.5)
            continue
        if found := sorted("/".join(node["assetKey"]["path"]) for node in answer["data"]["assetNodes"]):
            return found == [
                "lake/analytics/events_archive",
                "warehouse/analytics/events",
                "warehouse/raw/events",
            ]
        time.sleep(0.5)
    return False


def _ask(url: str, query: str) -> Any:
    request = urllib.request.Request(  # noqa: S310  # our own server
        url, json.dumps({"query": query}).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310  # our own server
        return json.load(response)


def test_the_tutorial_the_command_line_and_the_test_of_a_job_work_as_printed_with_an_installed_wheel(
    place: Path, clean: Mapping[str, str]
) -> None:
    tutorial = section("Five minutes", "What you declare")
    (place / "work").mkdir()
    for name, text in files((ROOT / "README.md").read_text()).items():
        (place / "work" / name).write_text(text)
    steps = commands(tutorial)
    serve = steps.index(SERVE)
    told, environ = run(steps[:serve], place, clean)
    try:
        lines = [line for line in told.splitlines() if " inserted " in line]
        assert lines == 2 * [
            "warehouse:analytics.events read 1000 inserted 1000",
            "lake:analytics.events_archive read 1000 inserted 1000",
        ]
        assert told.count("rows written since transaction") == 2
        told, _ = run(commands(section("On the command line", "In Dagster")), place, environ)
        assert "class Events:" in told
        assert "1 passed" in told
        assert loads(place, environ), (place / "log").read_text()
    finally:
        run(steps[serve + 1 :], place, environ)


def test_the_sdist_holds_both_packages_and_what_a_reader_needs(dist: Path) -> None:
    (archive,) = dist.glob("*.tar.gz")
    listed = subprocess.run(["tar", "tzf", archive], check=True, capture_output=True, text=True).stdout
    names = {line.partition("/")[2] for line in listed.splitlines()}
    assert {
        "LICENSE",
        "README.md",
        "CHANGELOG.md",
        "ematix_flow/py.typed",
        "ematix_flow_dagster/py.typed",
    } <= names
