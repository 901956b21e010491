"""Runs one job and tells on standard output when it reaches what; it is killed meanwhile, or its server session is."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import deltalake
import psycopg
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).parent))


# What a library prints of its own accord goes elsewhere.
_TOLD = os.dup(1)
os.dup2(2, 1)


def tell(phase: str) -> None:
    """One whole line in one write: what was told before a kill stays readable."""
    os.write(_TOLD, f"{json.dumps({'phase': phase, 'at': time.monotonic()})}\n".encode())


def tell_of_commits() -> None:
    """Tell when a commit begins and when it is over, on either backend."""
    commit, write = psycopg.Connection.commit, deltalake.write_deltalake

    def told_commit(session: psycopg.Connection) -> None:
        if session.autocommit:  # leaving such a session commits too, and nothing
            return commit(session)
        tell("committing")
        commit(session)
        tell("committed")
        return None

    def told_write(table: Any, rows: Any, **options: Any) -> None:
        def until_the_last() -> Iterator[pa.RecordBatch]:
            yield from rows
            tell("committing")

        write(table, pa.RecordBatchReader.from_batches(rows.schema, until_the_last()), **options)
        tell("committed")

    psycopg.Connection.commit = told_commit  # type: ignore[method-assign]
    deltalake.write_deltalake = told_write  # type: ignore[assignment]


def main() -> None:
    tell_of_commits()
    # What a run imports is not what is measured.
    from scene import Scene

    import ematix_flow.backends.delta.sink
    import ematix_flow.backends.postgres.sink
    import ematix_flow.backends.postgres.source  # noqa: F401
    from ematix_flow import Planned, Progress, Retrying, TargetResult, iter_job

    seconds, facts = json.loads(sys.argv[1])
    project, job = Scene(**facts).declare(seconds)
    tell("started")
    for event in iter_job(job, project=project):
        match event:
            case Planned(plan=plan) if plan.targets[0].read.query is not None:
                tell("rows")  # the server starts with the query that reads them
            case Progress():
                tell("rows")
            case Retrying():
                tell("retrying")
            case TargetResult(error=None):
                tell("loaded")
            case TargetResult(error=error):
                tell(f"failed: {error}")
    tell("done")
    sys.stdin.read()  # to be killed afterwards is a moment too


if __name__ == "__main__":
    main()
