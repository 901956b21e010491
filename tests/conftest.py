"""Fixtures that every folder shares: a private Postgres server, a fresh database a test, a fresh project a test."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from support.servers import serve_postgres

from ematix_flow import Project

# A busy machine is no failure: what a test takes is bounded by pytest's own timeout.
hypothesis.settings.register_profile("ematix", deadline=None)
hypothesis.settings.load_profile("ematix")


# What takes minutes runs by its own command (see CONTRIBUTING), but for a share of it that stays in every run.
_SLOW = ("integration/crash", "integration/concurrency", "integration/windows")
_SHARE = ("test_writers.py", "test_opposite_orders.py", "test_stale_handles.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is slow by where it lies."""
    here = Path(__file__).parent
    for item in items:
        place = item.path.relative_to(here).as_posix()
        if place.startswith(_SLOW) and item.path.name not in _SHARE:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The DSN of a server that lives as long as the test session."""
    with serve_postgres(max_connections="200") as dsn:
        yield dsn


@pytest.fixture
def new_database(server: str) -> Iterator[Callable[[], str]]:
    """Makes empty databases on the server; they go when the test ends."""
    names: list[str] = []

    def make() -> str:
        name = f"test_{secrets.token_hex(6)}"
        _administer(server, sql.SQL("create database {}").format(sql.Identifier(name)))
        names.append(name)
        parts = conninfo_to_dict(server)
        return f"postgresql://{parts['user']}:{parts['password']}@{parts['host']}:{parts['port']}/{name}"

    yield make
    for name in names:
        _administer(server, sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.fixture
def dsn(new_database: Callable[[], str]) -> str:
    """The URL of an empty database."""
    return new_database()


@pytest.fixture
def db(dsn: str) -> Iterator[psycopg.Connection]:
    """An autocommit session on the empty database, as a user of it would have."""
    with psycopg.connect(dsn, autocommit=True) as session:
        yield session


@pytest.fixture
def project() -> Project:
    """A project that knows nothing yet."""
    return Project()


def _administer(server: str, statement: sql.Composed) -> None:
    with psycopg.connect(server, autocommit=True) as session:
        session.execute(statement)
