"""What type checkers say of declarations: of the design's examples as they stand, and of fully typed ones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.examples import NAMES, write_declarations

HERE = Path(__file__).parent
TYPED = HERE / "typed_declarations.py"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mypy_cache")


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    # An empty folder as cwd keeps the checkers from this project's own configuration. Without the variable pyright
    # asks the package index for newer versions.
    environ = os.environ | {"PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    return subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, timeout=240)


def mypy(*arguments: str, cache: Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return run(sys.executable, "-m", "mypy", "--cache-dir", str(cache), *arguments, cwd=cwd)


def pyright(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return run(sys.executable, "-m", "pyright", "--pythonpath", sys.executable, *arguments, cwd=cwd)


@pytest.mark.parametrize("example", NAMES)
def test_mypy_in_its_default_mode_accepts_the_verbatim_examples(
    example: str, cache: Path, tmp_path: Path
) -> None:
    write_declarations(tmp_path)
    done = mypy(example, cache=cache, cwd=tmp_path)
    assert done.stdout == "Success: no issues found in 1 source file\n", done.stdout + done.stderr


def test_pyright_in_its_standard_mode_accepts_the_verbatim_examples(tmp_path: Path) -> None:
    examples = write_declarations(tmp_path)
    done = pyright(*map(str, examples), cwd=tmp_path)
    assert done.stdout == "0 errors, 0 warnings, 0 informations\n", done.stdout + done.stderr


def test_mypy_strict_accepts_typed_declarations(cache: Path, tmp_path: Path) -> None:
    done = mypy("--strict", str(TYPED), cache=cache, cwd=tmp_path)
    assert done.stdout == "Success: no issues found in 1 source file\n", done.stdout + done.stderr


def test_pyright_strict_accepts_typed_declarations(tmp_path: Path) -> None:
    done = pyright(str(TYPED), cwd=tmp_path)
    assert done.stdout == "0 errors, 0 warnings, 0 informations\n", done.stdout + done.stderr


WRONG = """\
# pyright: strict
from ematix_flow import Project

project = Project()

@project.job(target=int, schedule=5)
def load() -> str:
    return "select 1"
"""


def test_mypy_finds_a_schedule_that_is_no_text(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(WRONG)
    done = mypy("--strict", "wrong.py", cache=cache, cwd=tmp_path)
    assert (
        'wrong.py:6: error: Argument "schedule" to "job" of "Project" has incompatible type "int"'
        in done.stdout
    )


def test_pyright_finds_a_schedule_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(WRONG)
    done = pyright("wrong.py", cwd=tmp_path)
    assert "wrong.py:6:" in done.stdout
    assert '"schedule"' in done.stdout


def test_typed_declarations_also_run() -> None:
    done = run(sys.executable, "-W", "error", str(TYPED), cwd=HERE)
    assert done.returncode == 0, done.stderr
