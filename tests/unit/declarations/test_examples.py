"""The design's two examples, word for word, and what importing declarations does not do."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.examples import verbatim, write_declarations

COPIES = Path(__file__).resolve().parents[2] / "examples"
USED = ("WAREHOUSE_", "ARCHIVE_", "AWS_")  # how the variables begin that the examples refer to
BLOCKS = {"minimal.py": "design_block_1.txt", "fanout.py": "design_block_2.txt"}


Run = Callable[[str], subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs code beside the examples' declarations, in a process of its own where their variables are unset, and a
    warning fails.
    """
    write_declarations(tmp_path)

    def ran(code: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-B", "-W", "error", "-c", code],
            cwd=tmp_path,
            env={name: value for name, value in os.environ.items() if not name.startswith(USED)},
            capture_output=True,
            text=True,
            timeout=60,
        )

    return ran


@pytest.mark.parametrize(("example", "block"), BLOCKS.items(), ids=BLOCKS)
def test_an_example_holds_the_designs_block_word_for_word(example: str, block: str) -> None:
    copy = (COPIES / block).read_text(encoding="utf-8")
    sums = json.loads((COPIES / "design_blocks.json").read_text(encoding="utf-8"))
    assert verbatim(example) == copy
    assert hashlib.sha256(copy.encode()).hexdigest() == sums[block]


def test_the_minimal_example_is_one_job_from_and_to_the_warehouse(run: Run) -> None:
    done = run(
        "import minimal; from ematix_flow import ematix\n"
        "job = ematix.manifest().job('ingest_events')\n"
        "print(job.source.name, [target.label for target in job.targets], job.job.schedule, job.job(None))"
    )
    assert done.stdout == (
        "warehouse ['warehouse:analytics.events'] */5 * * * * "
        "SELECT event_id, name, received_at FROM raw.events\n"
    ), done.stderr


def test_the_fan_out_is_one_job_with_two_targets(run: Run) -> None:
    done = run(
        "import fanout; from ematix_flow import ematix\n"
        "job = ematix.manifest().job('ingest_events_fanout')\n"
        "print(job.source.name, [target.label for target in job.targets])"
    )
    assert done.stdout == (
        "warehouse ['warehouse:analytics.events', 's3_archive:analytics.events_archive']\n"
    ), done.stderr


def test_both_examples_in_one_process_declare_one_name_twice(run: Run, tmp_path: Path) -> None:
    done = run("import minimal, fanout")
    assert done.stderr.splitlines()[-1] == (
        f"ematix_flow.errors.DuplicateNameError: {tmp_path}/fanout.py:11: connection 'warehouse': a connection of this "
        f"name is already declared at {tmp_path}/minimal.py:10; rename one of them"
    )


AUDIT = """
import sys, ematix_flow
seen = []
sys.addaudithook(lambda event, arguments: seen.append((event, arguments)))
import fanout
from ematix_flow import ematix
ematix.manifest()
opened = [str(a[0]) for event, a in list(seen) if event == "open" and not str(a[0]).endswith((".py", ".pyc"))]
other = [event for event, _ in list(seen) if event.startswith(("socket.", "subprocess.", "os.system", "os.exec"))]
print(opened, other)
"""


def test_importing_declarations_opens_nothing_but_their_own_text(run: Run) -> None:
    done = run(AUDIT)
    assert done.stdout == "[] []\n", done.stderr


def test_importing_the_engine_does_not_import_dagster(run: Run) -> None:
    done = run("import sys, ematix_flow; print([name for name in sys.modules if name.startswith('dagster')])")
    assert done.stdout == "[]\n", done.stderr


def test_the_public_names_are_sorted_and_all_there(run: Run) -> None:
    done = run(
        "import ematix_flow as e; print(e.__all__ == sorted(e.__all__), [n for n in e.__all__ if not hasattr(e, n)])"
    )
    assert done.stdout == "True []\n", done.stderr
