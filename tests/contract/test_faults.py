"""The contract can fail: every listed fault turns it red.

    EMATIX_FAULTS=all scripts/test tests/contract/test_faults.py        all of them, in minutes

By default one fault in SQL and one in Arrow show that the list is good for something.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from contract.faults import FAULTS, ROOT, Fault, put, run_scenarios

RED, GREEN = pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.OK
CASES = [(fault, fault.place, RED) for fault in FAULTS]
if os.environ.get("EMATIX_FAULTS") == "all":
    CASES += [(None, place, GREEN) for place in sorted({fault.place for fault in FAULTS})]
else:
    CASES = [next(case for case in CASES if case[1] == place) for place in ("staged", "lake")]


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "place", "colour"), CASES, ids=str)
def test_a_fault_turns_the_scenarios_red_and_nothing_else_does(
    server: str, tmp_path: Path, fault: Fault | None, place: str, colour: pytest.ExitCode
) -> None:
    put(fault, tmp_path)
    code, said = run_scenarios(tmp_path, place, {**os.environ, "EMATIX_PG_DSN": server})
    assert code == colour, said


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_what_a_fault_changes_stands_in_the_code_once(fault: Fault) -> None:
    assert (ROOT / fault.file).read_text(encoding="utf-8").count(fault.text) == 1
    assert fault.instead != fault.text
