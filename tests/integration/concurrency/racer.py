"""One of the processes that race: each line of input holds entries, each line of output tells how they went."""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
# What a library prints of its own accord goes elsewhere.
_TOLD = os.dup(1)
os.dup2(2, 1)


def main() -> None:
    # What a run imports should not hold up the first one.
    from race import Entry

    import ematix_flow.backends.delta.sink
    import ematix_flow.backends.postgres.sink
    import ematix_flow.backends.postgres.source  # noqa: F401

    tell([], 0)
    for line in sys.stdin:
        errors: list[str] = []
        retries = 0
        for facts in json.loads(line):
            entry = Entry(**{**facts, "targets": tuple(tuple(each) for each in facts["targets"])})
            for _ in range(entry.times):
                more_errors, more_retries = run(entry)
                errors += more_errors
                retries += more_retries
        tell(errors, retries)


def run(entry: Any) -> tuple[list[str], int]:
    from ematix_flow import EmatixError, Retrying, TargetResult, iter_job

    project, job = entry.declare()
    errors: list[str] = []
    retries = 0
    try:
        for event in iter_job(job, project=project):
            match event:
                case Retrying():
                    retries += 1
                case TargetResult(error=EmatixError() as error):
                    errors.append(f"{event.label}: {type(error).__name__}: {error}")
    except Exception:  # noqa: BLE001  # whatever reaches a user is what the test is about
        errors.append(traceback.format_exc())
    return errors, retries


def tell(errors: list[str], retries: int) -> None:
    os.write(_TOLD, (json.dumps({"errors": errors, "retries": retries}) + "\n").encode())


if __name__ == "__main__":
    main()
