"""Run every job of one code location once: `python -m example_project.load example_project.minimal`.

Prints one JSON object per target as soon as it is loaded, for whoever started it. A process per location, because all
of them declare into the one ready-made project.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from ematix_flow import EmatixError, TargetResult, describe_path, ematix, iter_job


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What became of one target; `error` is None when it was loaded, `target` when its job failed as a whole."""

    job: str
    target: str | None = None
    read: int = 0
    inserted: int = 0
    unchanged: int = 0
    path: str = ""
    seconds: float = 0.0
    error: str | None = None


def load(module: str) -> Iterator[Loaded]:
    """Import a module of declarations, and run the jobs of the ready-made project in the order of their DAG."""
    importlib.import_module(module)
    for job in ematix.manifest().jobs:
        try:
            for event in iter_job(job):
                if isinstance(event, TargetResult):
                    yield _loaded(job, event)
        except EmatixError as error:
            yield Loaded(job=job, error=str(error))


def _loaded(job: str, result: TargetResult) -> Loaded:
    # "insert … select inside the server, because …": the reason is for the plan, not for a table.
    path = describe_path(result.plan.path).partition(", because")[0] if result.plan else ""
    return Loaded(
        job=job,
        target=result.label,
        read=result.counts.read,
        inserted=result.counts.inserted,
        unchanged=result.counts.unchanged,
        path=path,
        seconds=result.seconds,
        error=None if result.error is None else str(result.error),
    )


def main() -> None:
    """Load the location that the command line names."""
    for loaded in load(sys.argv[1]):
        print(json.dumps(asdict(loaded)), flush=True)  # noqa: T201 -- its output


if __name__ == "__main__":
    main()
