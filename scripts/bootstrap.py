"""The project's own virtual environment: made once, installed into again when `pyproject.toml` changes.

Only the standard library is used here. The environment lies in `.venv`, or where $EMATIX_VENV says.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import subprocess
import sys
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
_LOG_LINES = 30
_QUIET_PIP = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PIP_ROOT_USER_ACTION": "ignore"}


def enter(extras: frozenset[str]) -> None:
    """Return inside an environment that has the project with these extras; make it if it is not there.

    Where this Python is another one, the script is started again with the environment's Python. Ends the process with
    a message if the environment cannot be made.
    """
    environment = Environment(folder=Path(os.environ.get("EMATIX_VENV") or ROOT / ".venv").absolute())
    installed = environment.installed_extras()
    if not extras <= installed:
        _prepare(environment, extras | installed)
    if not environment.folder.samefile(sys.prefix):
        python = str(environment.python)
        os.execv(python, [python, *sys.argv])  # noqa: S606 -- the environment made above


def home() -> Path:
    """Give the folder for data, logs and caches (`.ematix`, or $EMATIX_HOME), created if missing.

    Ends the process with a message if it cannot be written.
    """
    folder = Path(os.environ.get("EMATIX_HOME") or ROOT / ".ematix").absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fail(f"cannot create {folder} ({error.strerror}); set EMATIX_HOME to a folder of your own")
    if not os.access(folder, os.W_OK):
        fail(f"{folder} belongs to somebody else; set EMATIX_HOME to a folder of your own")
    return folder


def say(text: str) -> None:
    """Tell the person who waits; at once, also into a pipe."""
    print(text, flush=True)  # noqa: T201 -- its output


def fail(text: str) -> NoReturn:
    """End the process with a message."""
    sys.exit(f"{Path(sys.argv[0]).name}: {text}")


# --- the environment -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Environment:
    """A virtual environment, and the stamp in it that tells what was installed."""

    folder: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def _stamp(self) -> Path:
        return self.folder / "ematix-installed.json"

    def installed_extras(self) -> frozenset[str]:
        """Give the extras with which the project, as it is now, is installed; none if it is not."""
        try:
            stamp = json.loads(self._stamp.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return frozenset()
        up_to_date = stamp["project"] == _fingerprint() and self.works()
        return frozenset(stamp["extras"]) if up_to_date else frozenset()

    def write_stamp(self, extras: frozenset[str]) -> None:
        """Remember that the project, as it is now, is installed with these extras."""
        stamp = {"project": _fingerprint(), "extras": sorted(extras)}
        self._stamp.write_text(json.dumps(stamp), encoding="utf-8")

    def works(self) -> bool:
        """Whether its Python starts: the Python that it was made from may be gone, or closed to us."""
        test = "import sys; sys.exit(sys.version_info < (3, 11))"
        try:
            return subprocess.run([self.python, "-c", test], check=False).returncode == 0  # noqa: S603 -- our own
        except OSError:
            return False


def _fingerprint() -> str:
    # An editable install points at the folder, so a checkout that was moved needs another one.
    return hashlib.sha256(str(ROOT).encode() + (ROOT / "pyproject.toml").read_bytes()).hexdigest()


def _prepare(environment: Environment, extras: frozenset[str]) -> None:
    folder = environment.folder
    _require_writable(folder)
    if not environment.works():
        _create(folder)
    project = f"{ROOT}[{','.join(sorted(extras))}]"
    say(f"installing the project and what it needs into {folder} (once; a few minutes)")
    _run_pip([str(environment.python), "-m", "pip", "install", "--progress-bar=off", "--editable", project])
    environment.write_stamp(extras)


def _require_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        hindrance = None if os.access(folder, os.W_OK) else "it belongs to somebody else"
    except OSError as error:
        hindrance = error.strerror
    if hindrance is not None:
        fail(
            f"cannot write the virtual environment {folder} ({hindrance}); set EMATIX_VENV to a folder of your own for "
            "it (and EMATIX_HOME to another one, for data)"
        )


def _create(folder: Path) -> None:
    if importlib.util.find_spec("ensurepip") is None:
        fail(
            f"the Python {sys.executable} cannot make virtual environments, its module ensurepip is missing; on "
            "Debian and Ubuntu `apt install python3-venv` brings it"
        )
    if any(folder.iterdir()) and not (folder / "pyvenv.cfg").exists():
        fail(
            f"{folder} is no virtual environment and not empty; remove it, or set EMATIX_VENV to another folder"
        )
    say(f"making the virtual environment {folder}")
    made = subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=False)  # noqa: S603 -- ourselves
    if made.returncode != 0:
        fail(f"could not make the virtual environment {folder}; Python's own message stands above")


def _run_pip(command: list[str]) -> None:
    """Run pip, telling of each package it collects; its last lines are shown if it fails."""
    last: deque[str] = deque(maxlen=_LOG_LINES)
    with subprocess.Popen(  # noqa: S603 -- the environment's own pip
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **_QUIET_PIP},
    ) as pip:
        for line in pip.stdout or ():
            last.append(line)
            _tell(line)
    if pip.returncode != 0:
        fail(f"pip failed, and ended with:\n{''.join(last)}")


def _tell(line: str) -> None:
    if collected := re.match(r"Collecting ([\w.-]+)", line):
        say(f"  {collected[1]}")
    elif line.startswith("Installing"):
        say("  … unpacking")
