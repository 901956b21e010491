"""Processes that run jobs at once, and where they load from and to."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from integration.concurrency.race import Racers

from ematix_flow.embedded import Embedded

SOURCE = """
create schema raw;
create table raw.orders (id bigint primary key, name text not null, updated_at timestamptz not null);
insert into raw.orders select n, 'order ' || n, '2024-01-01Z'::timestamptz + n * interval '1 second'
    from generate_series(1, 60) as n;
"""


@pytest.fixture(scope="session")
def racers() -> Iterator[Racers]:
    """Eight processes."""
    racers = Racers(8)
    yield racers
    racers.close()


@pytest.fixture
def urls(new_database: Callable[[], str], tmp_path: Path) -> dict[str, str]:
    """A database with a source of 60 rows, another database, and a lake."""
    urls = {"origin": new_database(), "other": new_database(), "lake": str(tmp_path / "lake")}
    with psycopg.connect(urls["origin"], autocommit=True) as session:
        session.execute(SOURCE)  # type: ignore[arg-type]  # the test's own text
    return urls


@pytest.fixture(scope="session")
def second_server() -> Iterator[str]:
    """The DSN of a server beside the one that all tests share."""
    home = Path(tempfile.mkdtemp(prefix="ematix-tests-"))
    home.chmod(0o755)
    embedded = Embedded(home=home / "pg", settings={"fsync": "off"})
    try:
        yield embedded.ensure()
    finally:
        embedded.stop()
        shutil.rmtree(home)
