"""The declared value behind a decorated class, which itself stays as the user wrote it."""

from __future__ import annotations

from typing import Any

from ematix_flow.errors import Problem, UnknownNameError
from ematix_flow.spec import NOWHERE, Connection, DeltaConnection, PostgresConnection, Table

_ATTRIBUTE = "__ematix_declaration__"


def remember(cls: type[Any], declaration: Connection | Table) -> None:
    """Attach what `cls` declares to it."""
    setattr(cls, _ATTRIBUTE, declaration)


def declared_table(cls: object) -> Table | None:
    """The table that a class declares itself (not one it inherits from), or None."""
    found = _declaration(cls)
    return found if isinstance(found, Table) else None


def declared_connection(cls: object) -> Connection | None:
    """The connection that a class declares itself, or None."""
    found = _declaration(cls)
    return found if isinstance(found, PostgresConnection | DeltaConnection) else None


def table_of(cls: type[Any]) -> Table:
    """The table that `cls`, decorated with `@ematix.table`, declares.

    Raises:
        UnknownNameError: it declares none.
    """
    if (table := declared_table(cls)) is None:
        raise _undeclared(cls, "table")
    return table


def connection_of(cls: type[Any]) -> Connection:
    """The connection that `cls`, decorated with `@ematix.connection`, declares.

    Raises:
        UnknownNameError: it declares none.
    """
    if (connection := declared_connection(cls)) is None:
        raise _undeclared(cls, "connection")
    return connection


def _declaration(cls: object) -> object:
    return vars(cls).get(_ATTRIBUTE) if isinstance(cls, type) else None


def _undeclared(cls: object, noun: str) -> UnknownNameError:
    problem = Problem(
        file=NOWHERE.file,
        line=NOWHERE.line,
        declaration=f"class '{getattr(cls, '__qualname__', cls)}'",
        field=None,
        text=f"is no {noun}; decorate it with @ematix.{noun}",
    )
    return UnknownNameError(problems=(problem,))
