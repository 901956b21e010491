"""The physical limit between two servers: PostgreSQL's own client copying the server's own bytes.

The size of a loaded table is what `rows` says of it, because psql's COPY through a pipe tells no count.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from benchmarks.task import Done, Task, Work

_COPY_OUT = "copy ({}) to stdout (format binary)"
_COPY_IN = "copy {} from stdin (format binary)"


def copy_pipe(task: Task) -> Work:
    """`psql -c "copy (…) to stdout (format binary)" | psql -c "copy … from stdin (format binary)"`."""
    psql = _program()
    _run([psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", task.target, "-c", task.create])

    def work() -> Done:
        reader = subprocess.Popen(_copy_out(psql, task), stdout=subprocess.PIPE)  # noqa: S603  # psql
        _run(
            [psql, "-X", "-q", "-d", task.target, "-c", _COPY_IN.format(task.table)],
            stdin=reader.stdout,
        )
        _finish(reader)
        return Done(rows=int(task.options["rows"]))

    return work


def copy_out(task: Task) -> Work:
    """`psql -c "copy (…) to stdout (format binary)" > /dev/null`: reading alone."""
    psql = _program()

    def work() -> Done:
        _finish(subprocess.Popen(_copy_out(psql, task), stdout=subprocess.DEVNULL))  # noqa: S603  # psql
        return Done(rows=int(task.options["rows"]))

    return work


def _copy_out(psql: str, task: Task) -> list[str]:
    return [psql, "-X", "-q", "-d", task.source, "-c", _COPY_OUT.format(task.select)]


def _program() -> str:
    """The newest psql: of $EMATIX_PG_BIN, of the embedded server's wheel, of the system."""
    given = os.environ.get("EMATIX_PG_BIN")
    places = [Path(given) / "psql"] if given else []
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/psql"), reverse=True)
    found = shutil.which("psql")
    for place in (*places, *debian, *([Path(found)] if found else [])):
        if place.exists():
            return str(place)
    raise FileNotFoundError("there is no psql; install PostgreSQL's client, or set EMATIX_PG_BIN")


def _run(command: list[str], *, stdin: object = None) -> None:
    subprocess.run(command, stdin=stdin, check=True)  # type: ignore[call-overload]  # noqa: S603  # psql


def _finish(reader: subprocess.Popen[bytes]) -> None:
    if reader.wait() != 0:
        raise subprocess.CalledProcessError(reader.returncode, "psql")
