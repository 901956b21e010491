"""Declarations as users write them: a text in a file of its own, run in a fresh project."""

from __future__ import annotations

import runpy
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

import pytest

import ematix_flow
from ematix_flow import Project, types

# What the texts may use without importing it, so that their first line is line 1.
VOCABULARY = {
    **{name: getattr(ematix_flow, name) for name in ematix_flow.__all__},
    "Annotated": Annotated,
    "ClassVar": ClassVar,
    **{name: value for name, value in vars(types).items() if not name.startswith("_")},
}
# The tables and connections that the texts about jobs build on.
SHOP = """
@ematix.connection
class warehouse:
    kind = "postgres"
    url = "${WAREHOUSE_DSN}"

@ematix.connection
class lake:
    kind = "delta"
    url = "/srv/lake"

@ematix.table(schema="shop")
class Orders:
    order_id: Annotated[BigInt, pk()]
    customer: Text | None

@ematix.table(schema="shop")
class Clicks:
    path: Text | None
    seen_at: TimestampTZ
"""
Namespace = dict[str, Any]


@pytest.fixture
def declare(project: Project, tmp_path: Path) -> Callable[[str], Namespace]:
    """Run a text as the file `shop.py`; what it defines is there for the next text."""
    seen: Namespace = VOCABULARY | {"ematix": project}

    def run(text: str, file: str = "shop.py") -> Namespace:
        path = tmp_path / file
        path.write_text(textwrap.dedent(text).removeprefix("\n"))
        seen.update(
            {
                name: value
                for name, value in runpy.run_path(str(path), seen).items()
                if not name.startswith("__")
            }
        )
        return seen

    return run


@pytest.fixture
def shop(declare: Callable[..., Namespace]) -> Mapping[str, Any]:
    """The connections warehouse and lake, and the tables Orders (keyed) and Clicks (without a key)."""
    return declare(SHOP, file="tables.py")
