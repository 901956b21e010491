"""The backends that the contract binds; making their databases takes longer than most runs."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from contract import stand
from psycopg import sql
from psycopg.conninfo import make_conninfo

from ematix_flow.backends.delta import portions

Make = Callable[[psycopg.Connection, psycopg.Connection, Path], stand.Backend]


def _in_portions(origin: psycopg.Connection, other: psycopg.Connection, home: Path) -> stand.Backend:
    return stand.LakeOfBatches(origin, home)


@pytest.fixture(scope="session")
def databases(server: str) -> Iterator[tuple[psycopg.Connection, psycopg.Connection]]:
    """Sessions on two databases, which `$ORIGIN_DSN` and `$OTHER_DSN` name."""
    with psycopg.connect(server, autocommit=True) as admin, ExitStack() as stack:
        environ = stack.enter_context(pytest.MonkeyPatch.context())
        sessions = []
        for variable in ("ORIGIN_DSN", "OTHER_DSN"):
            name = f"test_contract_{secrets.token_hex(6)}"
            admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
            drop = sql.SQL("drop database {} with (force)").format(sql.Identifier(name))
            stack.callback(admin.execute, drop)
            dsn = make_conninfo(server, dbname=name)
            environ.setenv(variable, dsn)
            options = "-c TimeZone=UTC -c client_min_messages=warning"
            session = stack.enter_context(psycopg.connect(dsn, options=options, autocommit=True))
            session.prepare_threshold = None  # tables change under their statements
            sessions.append(session)
        yield sessions[0], sessions[1]


@pytest.fixture(scope="session")
def backends(
    databases: tuple[psycopg.Connection, psycopg.Connection], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, stand.Backend]:
    """Each backend by its name."""
    origin, other = databases
    return {
        "one database": stand.OneDatabase(origin),
        "one statement": stand.OneStatement(origin),
        "tracked": stand.Tracked(origin),
        "without index": stand.WithoutIndex(origin),
        "two databases": stand.TwoDatabases(origin, other),
        "lake": stand.Lake(origin, tmp_path_factory.mktemp("lake")),
        "lake in portions": stand.LakeOfBatches(origin, tmp_path_factory.mktemp("portions")),
    }
