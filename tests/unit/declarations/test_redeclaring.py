"""A name declared twice: an error, unless the second is the first one, read again."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import ematix_flow
from ematix_flow import DuplicateNameError, Project

SHOP = """\
from typing import Annotated
from ematix_flow import ematix, pk
from ematix_flow.types import BigInt

@ematix.connection
class warehouse:
    kind = "postgres"
    url = "${DSN}"

@ematix.table
class Orders:
    order_id: Annotated[BigInt, pk()]

@ematix.job(target=Orders, schedule="@daily")
def load(conn):
    return "select 1"

ematix.workflow("nightly", jobs=[load])
"""


@pytest.fixture
def project(monkeypatch: pytest.MonkeyPatch) -> Project:
    """A fresh project in place of the ready-made one."""
    fresh = Project()
    monkeypatch.setattr(ematix_flow, "ematix", fresh)
    return fresh


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, str], ModuleType]:
    """Import a file under a name."""

    def run(file: Path, name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        return module

    return run


Load = Callable[[Path, str], ModuleType]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    file = tmp_path / "shop.py"
    file.write_text(SHOP)
    return file


def rewrite(file: Path, text: str) -> None:
    """Change a file as an editor does: its time moves on."""
    file.write_text(text)
    state = file.stat()
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns + 1_000_000))
    importlib.invalidate_caches()


def test_one_file_under_two_names_declares_once(project: Project, load: Load, shop: Path) -> None:
    load(shop, "shop")
    load(shop, "__shop_as_main__")
    assert list(project.manifest().jobs) == ["load"]
    assert list(project.manifest().workflows) == ["nightly"]


def test_one_file_by_way_of_a_link_declares_once(project: Project, load: Load, shop: Path) -> None:
    link = shop.with_name("link.py")
    link.symlink_to(shop)
    load(shop, "shop")
    load(link, "link")
    assert list(project.manifest().jobs) == ["load"]


def test_a_module_reloaded_after_an_edit_takes_the_place_of_its_declarations(
    project: Project, load: Load, shop: Path
) -> None:
    load(shop, "shop")
    rewrite(shop, "# a line more\n" + SHOP.replace("@daily", "@hourly"))
    load(shop, "shop")
    assert project.jobs["load"].schedule == "@hourly"
    assert project.jobs["load"].origin.line == 15


def test_what_was_declared_again_keeps_its_place_in_the_order(
    project: Project, load: Load, shop: Path
) -> None:
    load(shop, "shop")
    project.job("other", target=load(shop, "shop").Orders)(lambda: "select 1")
    load(shop, "shop")
    assert list(project.jobs) == ["load", "other"]


def test_a_function_pasted_twice_is_found(project: Project, load: Load, shop: Path) -> None:
    pasted = '\n@ematix.job(target=Orders)\ndef load(conn):\n    return "select 2"\n'
    shop.write_text(SHOP + pasted)
    with pytest.raises(DuplicateNameError) as caught:
        load(shop, "shop")
    assert str(caught.value) == (
        f"{shop}:20: job 'load': a job of this name is already declared at {shop}:14; rename one of them"
    )


def test_a_function_pasted_twice_is_found_after_an_edit_too(project: Project, load: Load, shop: Path) -> None:
    load(shop, "shop")
    rewrite(shop, SHOP + '\n@ematix.job(target=Orders)\ndef load(conn):\n    return "select 2"\n')
    with pytest.raises(DuplicateNameError, match="job 'load': a job of this name is already declared"):
        load(shop, "shop")


def test_the_same_text_in_another_file_is_another_declaration(
    project: Project, load: Load, shop: Path
) -> None:
    copy = shop.with_name("copy.py")
    copy.write_text(SHOP)
    load(shop, "shop")
    with pytest.raises(DuplicateNameError) as caught:
        load(copy, "copy")
    assert str(caught.value) == (
        f"{copy}:5: connection 'warehouse': a connection of this name is already declared at {shop}:5; rename one of "
        "them"
    )


def test_another_name_in_code_for_a_name_that_is_taken_is_found(
    project: Project, load: Load, shop: Path
) -> None:
    shop.write_text(SHOP + '\n@ematix.table(name="orders")\nclass Sales:\n    id: BigInt\n')
    with pytest.raises(DuplicateNameError, match=r"table 'public\.orders': a table of this name"):
        load(shop, "shop")


CELL = """
@ematix.job("load", target=Orders, schedule="{}")
def load(conn):
    return "select 1"
"""


@pytest.mark.parametrize(
    ("first", "second"),
    [("<stdin>", "<stdin>"), ("/nowhere/cell-1.py", "/nowhere/cell-2.py")],
    ids=["interactive lines", "cells of a notebook"],
)
def test_a_cell_run_again_corrects_what_it_declared(
    project: Project, load: Load, shop: Path, first: str, second: str
) -> None:
    shop.write_text(SHOP.partition("@ematix.job")[0])
    namespace = vars(load(shop, "shop"))
    exec(compile(CELL.format("@daily"), first, "exec"), namespace)  # noqa: S102  # what a notebook does
    exec(compile("\n" + CELL.format("@hourly"), second, "exec"), namespace)  # noqa: S102  # what a notebook does
    assert project.jobs["load"].schedule == "@hourly"


def test_a_cell_does_not_take_the_place_of_a_file(project: Project, load: Load, shop: Path) -> None:
    namespace = vars(load(shop, "shop"))
    cell = compile(CELL.format("@daily"), "<stdin>", "exec")
    with pytest.raises(DuplicateNameError) as caught:
        exec(cell, namespace)  # noqa: S102  # what a notebook does
    assert str(caught.value) == (
        f"<stdin>:2: job 'load': a job of this name is already declared at {shop}:14; rename one of them"
    )
