"""Processes that are stopped together with whoever started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_STOP_SECONDS = 30


@contextmanager
def child(
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
