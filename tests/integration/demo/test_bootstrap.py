"""What the scripts do before their environment exists: finding a Python, making the environment, saying what hinders."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with nothing but what the scripts need before their environment exists."""
    (tmp_path / "scripts").mkdir()
    for name in ("demo", "test", "bootstrap.py", "interpreter.py"):
        shutil.copy(ROOT / "scripts" / name, tmp_path / "scripts" / name)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def _start_in(checkout: Path, *command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        cwd=checkout / "scripts",
        env={"PATH": "", **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def _installed(checkout: Path) -> str:
    """What the environment of a checkout is said to have installed."""
    code = "from bootstrap import *; print(sorted(Environment(folder=ROOT / '.venv').installed_extras()))"
    return _start_in(checkout, "-c", code).stdout.strip()


def _stamp(checkout: Path) -> None:
    code = "from bootstrap import *; Environment(folder=ROOT / '.venv').write_stamp({'s3', 'dev'})"
    _start_in(checkout, "-c", code).check_returncode()


def test_an_environment_is_ready_until_pyproject_changes(checkout: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", checkout / ".venv"], check=True)
    before = _installed(checkout)
    _stamp(checkout)
    stamped = _installed(checkout)
    with (checkout / "pyproject.toml").open("a") as file:
        file.write("\n")
    assert (before, stamped, _installed(checkout)) == ("[]", "['dev', 's3']", "[]")


def test_an_environment_whose_python_is_gone_is_not_ready(checkout: Path) -> None:
    (checkout / ".venv").mkdir()
    _stamp(checkout)
    assert _installed(checkout) == "[]"


def test_a_damaged_stamp_is_no_stamp(checkout: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", checkout / ".venv"], check=True)
    _stamp(checkout)
    for stamp in (checkout / ".venv").glob("*.json"):
        stamp.write_text('{"project": ')
    assert _installed(checkout) == "[]"


def test_a_folder_that_is_no_environment_is_left_alone(checkout: Path) -> None:
    (checkout / "mine").mkdir()
    (checkout / "mine" / "thesis.txt").write_text("precious")
    result = _start_in(checkout, "demo", "--once", EMATIX_VENV=str(checkout / "mine"))
    assert result.returncode == 1
    assert result.stderr == (
        f"demo: {checkout}/mine is no virtual environment and not empty; remove it, or set EMATIX_VENV to another folder\n"
    )
    assert (checkout / "mine" / "thesis.txt").read_text() == "precious"


def test_a_python_without_ensurepip_is_told_what_to_install(checkout: Path) -> None:
    hide = "import sys; sys.modules['ensurepip'] = None; sys.argv = ['demo']; import bootstrap; bootstrap.enter(frozenset('x'))"
    result = _start_in(checkout, "-c", hide)
    assert result.returncode == 1
    assert (
        "its module ensurepip is missing; on Debian and Ubuntu `apt install python3-venv` brings it"
        in result.stderr
    )


def test_a_place_that_cannot_be_written_names_the_variable_that_moves_it() -> None:
    result = _start_in(ROOT, "demo", "--once", EMATIX_VENV="/proc/venv")
    assert result.returncode == 1
    assert result.stderr == (
        "demo: cannot write the virtual environment /proc/venv (No such file or directory); set EMATIX_VENV to a folder "
        "of your own for it (and EMATIX_HOME to another one, for data)\n"
    )


def test_an_old_python_is_told_which_one_is_needed(checkout: Path) -> None:
    result = _start_in(
        checkout, "-c", "import interpreter; interpreter.OLDEST = (3, 99); interpreter.require()"
    )
    found = ".".join(str(part) for part in sys.version_info[:2])
    assert result.returncode == 1
    assert f"needs Python 3.99 or newer, and this is {found}" in result.stderr


def test_an_old_python_hands_over_to_a_newer_one_on_the_path(checkout: Path) -> None:
    (checkout / "python3.20").symlink_to(sys.executable)
    script = checkout / "scripts" / "old.py"
    script.write_text(
        "import os, sys, interpreter\n"
        "if 'AGAIN' in os.environ:\n"
        "    sys.exit(f'{os.path.basename(sys.executable)} got {sys.argv[1:]}')\n"
        "os.environ['AGAIN'] = 'yes'\n"
        "interpreter.OLDEST = (3, 19)\n"
        "interpreter.require()\n"
    )
    result = _start_in(checkout, str(script), "--once", PATH=str(checkout))
    assert result.stderr == "python3.20 got ['--once']\n"


@pytest.mark.parametrize("name", ["demo", "test", "interpreter.py"])
def test_old_pythons_can_read_the_scripts_as_far_as_the_check(name: str) -> None:
    ast.parse((ROOT / "scripts" / name).read_text(), feature_version=(3, 7))
