"""The backends that the contract binds, each made when it is first asked for: starting servers takes longer than runs."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache

import psycopg
import pytest
from contract.backends import (
    Backend,
    BackendOf,
    Lake,
    LakeInBucket,
    LakeInPortions,
    OneDatabase,
    OneStatement,
    Tracked,
    TwoServers,
    WithoutIndex,
)
from psycopg import sql
from psycopg.conninfo import make_conninfo
from support.s3 import SECRET, new_bucket, serve_s3
from support.servers import serve_postgres


@pytest.fixture(scope="session")
def backend_of(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackendOf]:
    """Gives each backend by its name."""
    with ExitStack() as stack:
        enter, folder = stack.enter_context, tmp_path_factory.mktemp
        origin = enter(_database(server, "ORIGIN_DSN"))

        @cache
        def make(name: str) -> Backend:
            match name:
                case "staged":
                    return OneDatabase(origin)
                case "direct":
                    return OneStatement(origin)
                case "tracked":
                    return Tracked(origin)
                case "unindexed":
                    return WithoutIndex(origin)
                case "streamed":
                    other = enter(serve_postgres())
                    return TwoServers(origin, enter(_database(other, "OTHER_DSN")))
                case "lake":
                    return Lake(origin, str(folder("lake")))
                case "portions":
                    return LakeInPortions(origin, str(folder("portions")))
                case "bucket":
                    endpoint = enter(serve_s3(folder("moto") / "log"))
                    enter(pytest.MonkeyPatch.context()).setenv("BUCKET_SECRET", SECRET)
                    return LakeInBucket(origin, new_bucket(endpoint))
            raise LookupError(name)

        yield make


@contextmanager
def _database(server: str, variable: str) -> Iterator[psycopg.Connection]:
    """A session on a new database, which an environment variable names."""
    login = f"test_contract_{secrets.token_hex(6)}"
    with psycopg.connect(server, autocommit=True) as admin, ExitStack() as stack:
        dsn = make_conninfo(server, dbname=login, user=login, password=login)
        for statement in (
            # A run opens sessions, and most of opening one is hashing a password.
            "set scram_iterations = 1" if admin.info.server_version >= 160000 else "select",
            sql.SQL("create role {} superuser login password {}").format(sql.Identifier(login), login),
            sql.SQL("create database {0} owner {0}").format(sql.Identifier(login)),
        ):
            admin.execute(statement)
        stack.callback(admin.execute, sql.SQL("drop role {}").format(sql.Identifier(login)))
        stack.callback(admin.execute, sql.SQL("drop database {} with (force)").format(sql.Identifier(login)))
        stack.enter_context(pytest.MonkeyPatch.context()).setenv(variable, dsn)
        options = "-c TimeZone=UTC -c client_min_messages=warning"
        session = stack.enter_context(psycopg.connect(dsn, options=options, autocommit=True))
        session.prepare_threshold = None  # tables change under their statements
        yield session
