"""The peers' own virtual environment: what they bring along must not decide what we run with."""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_PYPROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"
_SHARED = ("deltalake", "psycopg", "psycopg-binary", "pyarrow")  # at our versions
_KEPT = "installed.json"
_SHOWN = 200  # characters of why a package did not install


@dataclass(frozen=True, slots=True, kw_only=True)
class Peers:
    """The environment's Python; of each package in the `bench` extra "" or why it did not install."""

    python: Path
    packages: Mapping[str, str]

    def python_with(self, package: str) -> str:
        """The Python that has the package; LookupError says why there is none."""
        reason = self.packages.get(package, "is not in the bench extra")
        if reason:
            raise LookupError(f"{package} did not install: {reason}")
        return str(self.python)


def peers(home: Path) -> Peers:
    """Make the environment below `home`, or anew if the extra or the versions we share have changed."""
    folder = home / "peers"
    python = folder / "bin" / "python"
    shared = tuple(f"{name}=={importlib.metadata.version(name)}" for name in _SHARED)
    wanted = {"extra": _extra(), "shared": list(shared)}
    kept = folder / _KEPT
    if kept.exists():
        found = json.loads(kept.read_text())
        if {name: found[name] for name in wanted} == wanted:
            return Peers(python=python, packages=found["packages"])
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)  # noqa: S603  # ours
    if reason := _install(python, *shared):
        raise LookupError(f"the peers' environment cannot be made: {reason}")
    packages = {_name(requirement): _install(python, requirement) for requirement in wanted["extra"]}
    kept.write_text(json.dumps(wanted | {"packages": packages}))
    return Peers(python=python, packages=packages)


def versions(peers: Peers) -> dict[str, str]:
    """The version of each package of theirs that is installed."""
    script = "import json, sys; from importlib.metadata import version; "
    script += "print(json.dumps({name: version(name) for name in sys.argv[1:]}))"
    installed = [name for name, reason in peers.packages.items() if not reason]
    told = subprocess.run(  # noqa: S603  # our own script
        [peers.python, "-c", script, *installed], capture_output=True, text=True, check=True
    )
    found: dict[str, str] = json.loads(told.stdout)
    return found


def _extra() -> list[str]:
    declared = tomllib.loads(_PYPROJECT.read_text())["project"]["optional-dependencies"]["bench"]
    return [str(requirement) for requirement in declared]


def _name(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9_.-]", requirement, maxsplit=1)[0]


def _install(python: Path, *requirements: str) -> str:
    """Install; gives "" or the last thing that pip said."""
    told = subprocess.run(  # noqa: S603  # pip
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements],
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if told.returncode == 0 else told.stderr.strip().splitlines()[-1][:_SHOWN]
