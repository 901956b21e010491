"""Databases that the tests of a module share: making one takes longer than most of them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

_SETTINGS = "-c TimeZone=UTC -c DateStyle=ISO -c IntervalStyle=postgres -c extra_float_digits=1"


@contextmanager
def new_databases(server: str, *variables: str) -> Iterator[list[psycopg.Connection]]:
    """Sessions, with settled text forms, on new databases whose DSNs stand in these environment variables."""
    with psycopg.connect(server, autocommit=True) as admin, ExitStack() as stack:
        environ = stack.enter_context(pytest.MonkeyPatch.context())
        sessions = []
        for variable in variables:
            name = f"test_shared_{secrets.token_hex(6)}"
            admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
            drop = sql.SQL("drop database {} with (force)").format(sql.Identifier(name))
            stack.callback(admin.execute, drop)
            dsn = make_conninfo(server, dbname=name)
            environ.setenv(variable, dsn)
            session = psycopg.connect(dsn, options=_SETTINGS, autocommit=True, prepare_threshold=None)
            sessions.append(stack.enter_context(session))
        yield sessions


def drop_everything(session: psycopg.Connection) -> None:
    """Drop every schema that somebody made, with what is in it; `public` stays as it is."""
    made = session.execute(
        "select nspname from pg_namespace where oid >= 16384 and nspname !~ '^pg_(toast|temp)'"
    ).fetchall()
    for (name,) in made:
        session.execute(sql.SQL("drop schema {} cascade").format(sql.Identifier(name)))
