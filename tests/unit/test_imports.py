"""What loads with the engine: definitions are read by every tool, many times a day, and need no driver."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("pyarrow", "numpy", "psycopg", "deltalake", "dagster")
DECLARED = """
from typing import Annotated
from ematix_flow import ematix, pk
from ematix_flow.types import Array, BigInt, Interval, Numeric

@ematix.connection
class warehouse:
    kind = "postgres"
    url = "${DSN}"

@ematix.connection
class lake:
    kind = "delta_local"
    path = "/srv/lake"

@ematix.table
class Orders:
    order_id: Annotated[BigInt, pk()]
    prices: Array[Numeric[12, 2]] | None
    age: Interval | None

@ematix.job(name="orders", target=Orders, target_connection="warehouse")
def orders():
    return "select order_id, prices, age from raw.orders"

ematix.manifest()
"""


def loaded(program: str) -> list[str]:
    """Which of the heavy packages a program of its own has loaded at its end."""
    told = f"{program}\nimport sys\nprint(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_the_engine_loads_without_drivers() -> None:
    assert loaded("import ematix_flow") == []


def test_definitions_are_collected_without_drivers() -> None:
    assert loaded(DECLARED) == []
