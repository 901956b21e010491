"""Which project and jobs the words on the command line mean."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ematix_flow import UnknownNameError, ematix
from ematix_flow.cli import main
from ematix_flow.cli.selection import load_project, select_jobs

SHOP = """
from ematix_flow import Project
from ematix_flow.types import BigInt

shop = Project()

@shop.connection
class lake:
    kind = "delta_local"
    path = "${LAKE}"

@shop.connection
class archive:
    kind = "delta_local"
    path = "${ARCHIVE}"

@shop.table
class A:
    id: BigInt

@shop.table
class B:
    id: BigInt

def rows():
    yield from ()

@shop.job(name="second", targets=[A, B], target_connection={"a": "lake", "b": "archive"}, depends_on="first")
def second():
    yield from ()

@shop.job(name="first", target=A, target_connection="archive")
def first():
    yield from ()
"""


@pytest.fixture(autouse=True)
def _imports() -> Iterator[None]:
    """What a test imports is forgotten after it."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


@pytest.fixture
def shop(tmp_path: Path) -> str:
    """A file with a project of its own."""
    file = tmp_path / "shop.py"
    file.write_text(SHOP)
    return str(file)


def selected(shop: str, *jobs: str, labels: tuple[str, ...] = ()) -> dict[str, list[str]]:
    chosen = select_jobs(load_project(shop), jobs, labels)
    return {job: [target.label for target in targets] for job, targets in chosen.targets.items()}


def test_all_jobs_come_in_the_order_of_their_dependencies(shop: str) -> None:
    assert list(selected(shop).items()) == [
        ("first", ["archive:public.a"]),
        ("second", ["lake:public.a", "archive:public.b"]),
    ]


def test_named_jobs_come_in_the_order_of_their_dependencies_too(shop: str) -> None:
    assert list(selected(shop, "second", "first")) == ["first", "second"]


def test_a_label_leaves_out_other_targets_and_the_jobs_without_it(shop: str) -> None:
    assert selected(shop, labels=("archive:public.b",)) == {"second": ["archive:public.b"]}


def test_an_unknown_job_is_told_with_its_neighbours(shop: str) -> None:
    with pytest.raises(UnknownNameError, match=r"job 'frist': there is no such job; did you mean 'first'\?"):
        selected(shop, "frist")


def test_an_unknown_label_is_told_with_its_neighbours(shop: str) -> None:
    with pytest.raises(
        UnknownNameError, match=r"target 'lake:public\.b': there is no such target; did you mean"
    ):
        selected(shop, "second", labels=("lake:public.b",))


def test_a_file_may_be_called_like_a_module_of_the_standard_library(tmp_path: Path) -> None:
    file = tmp_path / "json.py"
    file.write_text(SHOP)
    assert set(load_project(str(file)).jobs) == {"first", "second"}


def test_a_file_finds_what_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "beside_cli.py").write_text(SHOP)
    (tmp_path / "all.py").write_text("import beside_cli\nproject = beside_cli.shop")
    assert set(load_project(str(tmp_path / "all.py")).jobs) == {"first", "second"}


def test_a_file_of_a_package_is_imported_as_part_of_it(tmp_path: Path) -> None:
    package = tmp_path / "cli_package" / "inner"
    package.mkdir(parents=True)
    (tmp_path / "cli_package" / "__init__.py").touch()
    (package / "__init__.py").touch()
    (tmp_path / "cli_package" / "shop.py").write_text(SHOP)
    (package / "jobs.py").write_text("from ..shop import shop")
    assert set(load_project(str(package / "jobs.py")).jobs) == {"first", "second"}


def test_a_dotted_name_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "cli_dotted").mkdir()
    (tmp_path / "cli_dotted" / "shop.py").write_text(SHOP)
    assert set(load_project("cli_dotted.shop").jobs) == {"first", "second"}


def test_a_module_without_a_project_declares_in_the_ready_made_one(tmp_path: Path) -> None:
    (tmp_path / "empty.py").touch()
    assert load_project(str(tmp_path / "empty.py")) is ematix


def test_a_module_with_several_projects_is_refused(tmp_path: Path) -> None:
    (tmp_path / "two.py").write_text("from ematix_flow import Project, ematix\nmine = Project()")
    with pytest.raises(UnknownNameError, match="has several projects; keep one of them under a name in it"):
        load_project(str(tmp_path / "two.py"))


def test_a_project_without_a_job_is_told(tmp_path: Path) -> None:
    (tmp_path / "none.py").write_text("from ematix_flow import Project\nmine = Project()")
    with pytest.raises(UnknownNameError, match=r"the module: declares no job; write one with @ematix.job"):
        selected(str(tmp_path / "none.py"))


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("nowhere.jobs", "module 'nowhere.jobs': there is no such module"),
        ("ematix_flow.nowhere", "module 'ematix_flow.nowhere': there is no such module"),
        ("nowhere.py", "module 'nowhere.py': there is no such file"),
    ],
)
def test_a_module_that_does_not_exist_is_told(module: str, text: str) -> None:
    with pytest.raises(UnknownNameError, match=text):
        load_project(module)


def test_what_a_module_cannot_import_itself_is_its_own_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "cli_broken.py").write_text("import not_installed_anywhere")
    with pytest.raises(ModuleNotFoundError, match="not_installed_anywhere"):
        load_project("cli_broken")


def test_declarations_that_do_not_fit_together_are_told_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "wrong.py"
    file.write_text(
        SHOP.replace('depends_on="first"', 'depends_on="frist"').replace('"archive")', '"archiv")')
    )
    assert main(["plan", str(file)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("2 problems in the declarations:\n")


def test_a_literal_password_is_warned_of_in_one_line_that_does_not_show_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "literal.py"
    file.write_text(
        "import warnings\nwarnings.simplefilter('default')\n"
        "from ematix_flow import Project\nproject = Project()\n"
        "@project.connection\nclass w:\n    kind = 'postgres'\n    url = 'postgresql://u:hunter2@h/d'\n"
    )
    assert main(["plan", str(file)]) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first == (
        "warning: connection 'w', url: holds a secret in plain text; put it into an environment variable and refer to "
        "it, as in ${W_URL}"
    )
    assert second.startswith("the module: declares no job")


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        ([], "the following arguments are required: command"),
        (["plan"], "the following arguments are required: MODULE"),
        (["plan", "m", "--fast"], "unrecognized arguments: --fast"),
        (["watermarks", "m", "--reset"], "watermarks --reset needs the names of the jobs to reset"),
    ],
)
def test_a_wrong_word_exits_with_1_since_2_means_drift(
    argv: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exited:
        main(argv)
    assert exited.value.code == 1
    assert text in capsys.readouterr().err
