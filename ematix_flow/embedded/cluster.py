"""What the data root of a private server holds, and how the server programs are called: no I/O here."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SUPERUSER = "postgres"
HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """The paths below a data root; `home` is absolute and free of links."""

    home: Path

    @property
    def data(self) -> Path:
        """PostgreSQL's own data directory; it exists only once initdb has finished."""
        return self.home / "data"

    @property
    def pid_file(self) -> Path:
        """What a running postmaster says of itself."""
        return self.data / "postmaster.pid"

    @property
    def password(self) -> Path:
        """The superuser's password."""
        return self.home / "password"

    @property
    def lock(self) -> Path:
        """Held while a server is looked for, started or stopped."""
        return self.home / "lock"

    @property
    def log(self) -> Path:
        """What initdb, pg_ctl and the server say."""
        return self.home / "log"


@dataclass(frozen=True, slots=True, kw_only=True)
class PidFile:
    """The process and the TCP port that a postmaster.pid names."""

    pid: int
    port: int


def parse_pid_file(text: str) -> PidFile | None:
    """Read a postmaster.pid; None if it is cut short or not one.

    Its lines: process id, data directory, start time, port, … (PostgreSQL's src/include/utils/pidfile.h).
    """
    lines = [line.strip() for line in text.splitlines()]
    if len(lines) < 4 or not (lines[0].isdecimal() and lines[3].isdecimal()):
        return None
    return PidFile(pid=int(lines[0]), port=int(lines[3]))


def parse_major(version: str) -> int | None:
    """Read the major version from `postgres --version` or a PG_VERSION file; None if there is none."""
    digits = re.search(r"\d+", version)
    return int(digits[0]) if digits else None


def dsn(*, port: int, password: str, dbname: str) -> str:
    """Build the libpq URL of a database of the private server."""
    return f"postgresql://{SUPERUSER}:{quote(password, safe='')}@{HOST}:{port}/{quote(dbname, safe='')}"


def initdb_command(
    *, programs: Path, data: Path, password: Path, settings: Mapping[str, str]
) -> tuple[str, ...]:
    """Build the call that makes a data directory.

    The locale is C: every system has it, and text sorts the same on all of them. A server that is not
    to sync its files to disk (`fsync=off`) gets a data directory that is not synced either.
    """
    sync = ("--no-sync",) if settings.get("fsync") == "off" else ()
    return (
        str(programs / "initdb"),
        f"--pgdata={data}",
        f"--username={SUPERUSER}",
        f"--pwfile={password}",
        "--auth=scram-sha-256",  # with trust, any local user would be superuser
        "--encoding=UTF8",
        "--locale=C",
        *sync,
    )


def start_command(*, programs: Path, data: Path, port: int, settings: Mapping[str, str]) -> tuple[str, ...]:
    """Build the call that starts a server in the background and waits until it is up.

    Settings override ours. pg_ctl hands the options to a shell, hence the quoting.
    """
    ours = {"listen_addresses": HOST, "port": str(port), "unix_socket_directories": ""}
    options = [part for name, value in (ours | dict(settings)).items() for part in ("-c", f"{name}={value}")]
    pg_ctl = str(programs / "pg_ctl")
    return (pg_ctl, "start", "-D", str(data), "-w", "-t", "60", "-o", shlex.join(options))
