"""The contract can fail: every listed fault turns it red, and without one it is green.

scripts/test tests/contract/test_faults.py            one fault in SQL and one in Arrow, in seconds
scripts/test -m slow tests/contract/test_faults.py    all of them, and none, in minutes
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from contract.faults import FAULTS, ROOT, Fault, put, run_scenarios

RED, GREEN = pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.OK
FEW = [next(fault for fault in FAULTS if fault.place == place) for place in ("staged", "lake")]


@pytest.mark.parametrize("fault", FEW, ids=str)
def test_a_fault_turns_the_scenarios_red(server: str, tmp_path: Path, fault: Fault) -> None:
    _expect(RED, fault, fault.place, server, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault not in FEW], ids=str)
def test_every_other_fault_turns_the_scenarios_red(server: str, tmp_path: Path, fault: Fault) -> None:
    _expect(RED, fault, fault.place, server, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("place", sorted({fault.place for fault in FAULTS}))
def test_without_a_fault_the_same_scenarios_are_green(server: str, tmp_path: Path, place: str) -> None:
    _expect(GREEN, None, place, server, tmp_path)


def _expect(code: pytest.ExitCode, fault: Fault | None, place: str, server: str, home: Path) -> None:
    put(fault, home)
    found, said = run_scenarios(home, place, {**os.environ, "EMATIX_PG_DSN": server})
    assert found == code, said


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_what_a_fault_changes_stands_in_the_code_once(fault: Fault) -> None:
    assert (ROOT / fault.file).read_text(encoding="utf-8").count(fault.text) == 1
    assert fault.instead != fault.text
