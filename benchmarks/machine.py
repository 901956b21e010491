"""What the numbers were measured on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

from benchmarks.peers_environment import Peers, versions
from benchmarks.servers import SETTINGS, Stand

_OURS = ("deltalake", "psycopg", "pyarrow")


def describe(stand: Stand, peers: Peers) -> str:
    """The machine, the servers and the versions, one a line."""
    packages = {name: importlib.metadata.version(name) for name in _OURS} | versions(peers)
    settings = ", ".join(f"{name}={value}" for name, value in SETTINGS.items())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return "\n".join(
        [
            f"{platform.platform()}, {os.cpu_count()} cores shared by client and servers, {memory:.0f} GB, {_processor()}",
            f"PostgreSQL {stand.source.version()}, two servers on this machine: {settings}",
            f"Python {platform.python_version()}, {', '.join(f'{name} {version}' for name, version in packages.items())}",
            f"commit {_commit()}",
            *(f"{name} did not install: {reason}" for name, reason in peers.packages.items() if reason),
        ]
    )


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return platform.processor()
    names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
    return names[0].partition(": ")[2] if names else platform.machine()


def _commit() -> str:
    told = subprocess.run(
        ["git", "describe", "--always", "--dirty"],  # noqa: S607  # whatever git there is
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return told.stdout.strip() or "unknown"
