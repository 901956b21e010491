"""The backends that the contract binds; making their databases takes longer than most runs."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack

import psycopg
import pytest
from contract.backends import (
    Backend,
    Lake,
    LakeInPortions,
    OneDatabase,
    OneStatement,
    Tracked,
    TwoDatabases,
    WithoutIndex,
)
from psycopg import sql
from psycopg.conninfo import make_conninfo

Sessions = tuple[psycopg.Connection, psycopg.Connection]


@pytest.fixture(scope="session")
def databases(server: str) -> Iterator[Sessions]:
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
def backends(databases: Sessions, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Backend]:
    """Each backend by its name."""
    origin, other = databases
    return {
        "staged": OneDatabase(origin),
        "direct": OneStatement(origin),
        "tracked": Tracked(origin),
        "unindexed": WithoutIndex(origin),
        "streamed": TwoDatabases(origin, other),
        "lake": Lake(origin, tmp_path_factory.mktemp("lake")),
        "portions": LakeInPortions(origin, tmp_path_factory.mktemp("portions")),
    }
