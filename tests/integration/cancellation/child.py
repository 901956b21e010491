"""A run that a test interrupts: tells when rows have begun to flow, and how it ended.

child.py KIND      to `postgres`, `lake` or `both`; ORIGIN_DSN, TARGET_DSN and LAKE say where they are
"""

from __future__ import annotations

import signal
import sys
import threading

from ematix_flow import Project
from ematix_flow.results import Progress
from ematix_flow.run import iter_job
from ematix_flow.types import BigInt, Text

CONNECTIONS = {"postgres": ["target"], "lake": ["lake"], "both": ["target", "lake"]}


def declared(kind: str) -> Project:
    """5,000,000 rows of one table into the asked targets."""
    project = Project()
    project.connection(type("origin", (), {"kind": "postgres", "url": "${ORIGIN_DSN}"}))
    project.connection(type("target", (), {"kind": "postgres", "url": "${TARGET_DSN}"}))
    project.connection(type("lake", (), {"kind": "delta", "url": "${LAKE}"}))

    class Numbers:
        n: BigInt
        text: Text

    tables = {
        name: project.table(schema="loaded", name=f"numbers_{name}")(type(name, (), dict(Numbers.__dict__)))
        for name in CONNECTIONS[kind]
    }
    project.job(
        name="numbers",
        targets=list(tables.values()),
        target_connection={f"numbers_{name}": name for name in tables},
        source_connection="origin",
        incremental=False,
    )(body)
    return project


def body() -> str:
    """As many rows as the acceptance asks for, computed by the server."""
    return "select n::bigint as n, repeat('x', 40) as text from generate_series(1, 5000000) as n"


def main() -> int:
    """Run; 130 if interrupted, 1 if failed, as a shell would say."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    try:
        for event in iter_job("numbers", project=declared(sys.argv[1])):
            if isinstance(event, Progress) and event.rows > 100_000:
                print("flowing", flush=True)  # noqa: T201 -- the test reads it
    except KeyboardInterrupt:
        left = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
        print("interrupted", *left, flush=True)  # noqa: T201 -- the test reads it
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
