"""The demo as a person starts it: real processes, in a home of their own."""

from __future__ import annotations

import os
import pwd
import shutil
import site
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import psutil  # type: ignore[import-untyped]  # ships no type information
import pytest

from ematix_flow.embedded import Embedded

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"
ROWS = 500  # events; so 100 orders and 10 customers


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """A home for one demo, and an environment that is installed already."""

    home: Path
    venv: Path

    def run(self, *command: str, user: str | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a script to its end, from a folder that has nothing to do with the project."""
        return subprocess.run(
            [sys.executable, str(SCRIPTS / command[0]), *command[1:]],
            cwd="/",
            env=self._environ(**environ),
            user=user,
            group=None if user is None else pwd.getpwnam(user).pw_gid,
            extra_groups=None if user is None else [],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )

    def load(self, *, user: str | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run the demo once, with few rows."""
        return self.run("demo", "--once", f"--rows={ROWS}", user=user, **environ)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the demo and leave it running; all that it says comes out of one pipe."""
        return subprocess.Popen(
            [sys.executable, str(SCRIPTS / "demo"), f"--rows={ROWS}", *arguments],
            cwd="/",
            env=self._environ(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def processes(self) -> list[str]:
        """The commands of the live processes that have to do with this home."""
        found = []
        for process in psutil.process_iter():
            try:
                command = " ".join(process.cmdline())
                ours = process.environ().get("EMATIX_HOME") == str(self.home) or str(self.home) in command
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
            if ours:
                found.append(command)
        return found

    def _environ(self, **more: str) -> dict[str, str]:
        """No variable that could lead the demo elsewhere, such as a WAREHOUSE_DSN of the one who tests."""
        plain = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        return {**plain, "EMATIX_HOME": str(self.home), "EMATIX_VENV": str(self.venv), **more}


def wait_for(process: subprocess.Popen[str], text: str, seconds: float = 150) -> None:
    """Read what a demo says until a line holds `text`."""
    deadline, lines = time.monotonic() + seconds, []
    for line in process.stdout or ():
        lines.append(line)
        if text in line:
            return
        assert time.monotonic() < deadline, "".join(lines)
    raise AssertionError(f"it ended before it said {text!r}:\n{''.join(lines)}")


@contextmanager
def open_folder() -> Iterator[Path]:
    """Give a folder that `nobody` can enter, which pytest's tmp_path is not; stops the server that is left in it."""
    folder = Path(tempfile.mkdtemp(prefix="ematix-demo-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        Embedded(home=folder / "home" / "pg").stop()
        shutil.rmtree(folder)


@dg.job(name="interrupted")
def _interrupted() -> None:
    """Stands for a run whose process is gone."""


@contextmanager
def _instance(demo: Demo) -> Iterator[dg.DagsterInstance]:
    (demo.home / "dagster").mkdir(parents=True, exist_ok=True)
    with dg.DagsterInstance.from_config(str(demo.home / "dagster")) as instance:
        yield instance


@pytest.fixture
def dagster_of_serving(
    serving: tuple[subprocess.Popen[str], int], shared_demo: Demo
) -> Iterator[dg.DagsterInstance]:
    """The Dagster instance of the demo that serves."""
    with _instance(shared_demo) as instance:
        yield instance


@pytest.fixture(scope="session")
def demo_venv() -> Iterator[Path]:
    """An environment that sees the packages of the one we run in, so that nothing is installed or stamped there."""
    with open_folder() as folder:
        venv = folder / "venv"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
        packages = next(venv.glob("lib/python*/site-packages"))
        seen = [f"import site; site.addsitedir({path!r})" for path in site.getsitepackages()]
        (packages / "seen.pth").write_text("\n".join(seen))
        stamp = f"Environment(folder=Path({str(venv)!r})).write_stamp({{'dev', 'embedded', 's3'}})"
        code = f"from pathlib import Path; from bootstrap import Environment; {stamp}"
        subprocess.run([sys.executable, "-c", code], check=True, cwd=SCRIPTS)
        yield venv


@pytest.fixture(scope="module")
def shared_demo(demo_venv: Path) -> Iterator[Demo]:
    """A home for those tests of a module that leave it usable."""
    with open_folder() as folder:
        yield Demo(home=folder / "home", venv=demo_venv)


@pytest.fixture
def demo(demo_venv: Path) -> Iterator[Demo]:
    """A home that does not exist yet."""
    with open_folder() as folder:
        yield Demo(home=folder / "home", venv=demo_venv)


@pytest.fixture
def wait_until_said() -> Callable[[subprocess.Popen[str], str], None]:
    """Reads what a demo says until a line holds a text; fails if it ends before, or takes too long."""
    return wait_for


@pytest.fixture(scope="module")
def serving(shared_demo: Demo) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A demo that serves, and its port; an earlier one was stopped in the midst of a run."""
    with _instance(shared_demo) as instance:
        instance.create_run_for_job(_interrupted, status=dg.DagsterRunStatus.STARTED)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with shared_demo.start(f"--port={port}") as process:
        try:
            wait_for(process, "Dagster is up")
            yield process, port
        finally:
            process.terminate()
            process.communicate(timeout=90)
