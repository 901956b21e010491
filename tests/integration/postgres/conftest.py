"""Two databases of one server, which a module's tests share: making one takes longer than most of them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from ematix_flow import Project


@dataclass(frozen=True)
class Databases:
    """Sessions on the origin of all rows, and on another database."""

    origin: psycopg.Connection
    other: psycopg.Connection

    def target(self, path: str) -> psycopg.Connection:
        """Where rows arrive: on some paths they do not leave the origin."""
        return self.origin if path in ("inside", "insert", "staged") else self.other

    def connect(self, project: Project) -> None:
        """Declare the connections `origin` and `other`."""
        project.connection(type("origin", (), {"kind": "postgres", "url": "${ORIGIN_DSN}"}))
        project.connection(type("other", (), {"kind": "postgres", "url": "${OTHER_DSN}"}))

    def empty(self) -> None:
        """Drop what a test made, and begin anew."""
        for session in (self.origin, self.other):
            session.execute("drop schema if exists raw, analytics, ematix_flow cascade")
        self.origin.execute("create schema raw")


@pytest.fixture(scope="module")
def both(server: str) -> Iterator[Databases]:
    """The two databases, with settled text forms; an enum is there for all tests."""
    settings = "-c TimeZone=UTC -c DateStyle=ISO -c IntervalStyle=postgres -c extra_float_digits=1"
    with psycopg.connect(server, autocommit=True) as admin, ExitStack() as stack:
        environ = stack.enter_context(pytest.MonkeyPatch.context())
        sessions = []
        for variable in ("ORIGIN_DSN", "OTHER_DSN"):
            name = f"test_shared_{secrets.token_hex(6)}"
            admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
            drop = sql.SQL("drop database {} with (force)").format(sql.Identifier(name))
            stack.callback(admin.execute, drop)
            dsn = make_conninfo(server, dbname=name)
            environ.setenv(variable, dsn)
            sessions.append(stack.enter_context(psycopg.connect(dsn, options=settings, autocommit=True)))
        sessions[0].execute("create type mood as enum ('sad', 'ok')")
        yield Databases(*sessions)


@pytest.fixture
def databases(both: Databases) -> Databases:
    """The two databases, without what another test made."""
    both.empty()
    return both
