"""Opening a session with a PostgreSQL server, and saying what went wrong with one without telling secrets."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from ematix_flow import secrets
from ematix_flow.backends.postgres.select import guard_reason
from ematix_flow.errors import BackendUnavailableError
from ematix_flow.plan import ReadPlan
from ematix_flow.spec import PostgresConnection

# Text forms must not depend on the server's or the role's settings: watermarks and casts to text are written by one
# session and read by another.
_SETTINGS = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "standard_conforming_strings": "on",  # as a query's text was read when it was judged
    "quote_all_identifiers": "off",  # else the names of types are quoted, too
    "array_nulls": "on",
    "lc_time": "C",
    "lc_numeric": "C",
    "lc_monetary": "C",
    "client_encoding": "UTF8",
    "application_name": "ematix-flow",
}
# COPY tells in the error's context which column it was reading, and shows the value.
_COPY_PLACE = re.compile(
    r'^COPY [^\n]*, line \d+, column (?P<column>.+?): ("(?P<value>.*)")?', re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A connection with its references resolved: the moment from which a secret exists."""

    connection: PostgresConnection
    job: str
    url: str = field(repr=False)

    @classmethod
    def resolve(cls, connection: PostgresConnection, job: str, environ: Mapping[str, str]) -> Address:
        """Resolve `${VAR}` in the connection's URL.

        Raises:
            UnsetVariableError: a variable is not set.
        """
        where = f"connection '{connection.name}'"
        return cls(connection=connection, job=job, url=secrets.resolve(connection.url, environ, where=where))

    def showing(self, read: ReadPlan) -> Address:
        """The same, with errors that show values only where the read's source shows them, too."""
        return replace(self, connection=replace(self.connection, show_values=read.show_values))

    def redact(self, text: str) -> str:
        """`text` without any form of the password."""
        found = secrets.secrets_in(self.url)
        if password := os.environ.get("PGPASSWORD"):
            found |= {password}
        return secrets.redact(text, found)


_QUOTED = re.compile(r'"[^"]*"')  # how the server shows a value that it cannot read


def connect(address: Address) -> psycopg.Connection:
    """An autocommit session with settled text forms.

    Raises:
        BackendUnavailableError: the server is down, or refuses us.
    """
    try:
        session = psycopg.connect(address.url, autocommit=True)
        session.execute(settings_statement())
    except psycopg.Error as error:
        raise unavailable(address, error) from cause(address, error)
    return session


def mark_lock(mark: int) -> sql.Composed:
    """The advisory lock by which two sessions find that they work in one database.

    And as one role, with one search path: a query that would see other rows, or other tables, as the target's role is
    not for the target's session.
    """
    return sql.SQL("hashtextextended(current_user || E'\\n' || current_setting('search_path'), {})").format(
        mark
    )


@cache
def settings_statement() -> sql.Composed:
    """One select that settles the session's text forms."""
    calls = [
        sql.SQL("set_config({}, {}, false)").format(sql.Literal(name), sql.Literal(value))
        for name, value in _SETTINGS.items()
    ]
    return sql.SQL("select {}").format(sql.SQL(", ").join(calls))


def unavailable(address: Address, error: Exception) -> BackendUnavailableError:
    """What to tell of a server that cannot be reached."""
    return BackendUnavailableError(
        job=address.job,
        connection=address.connection.name,
        reason=f"cannot open a session: {address.redact(str(error).strip())}; check that the server of "
        f"{address.connection.reference} runs and that the credentials are right",
    )


def reason(address: Address, error: psycopg.Error) -> str:
    """The server's primary message, or what a guard of ours said. A DETAIL is never copied: it shows values."""
    primary = error.diag.message_primary or str(error).strip()
    shows = address.connection.show_values
    if place := _COPY_PLACE.search(error.diag.context or ""):
        primary = f"column '{place['column']}': {primary}"
        value = place["value"]
        if shows and value and value not in primary:  # of a document, the message shows nothing
            primary += f": {value}"
    if found := guard_reason(primary, show_values=shows):
        return address.redact(found)
    if not shows and isinstance(error, psycopg.DataError):
        primary = _QUOTED.sub(f'"{secrets.HIDDEN}"', primary)
    return address.redact(primary)


# PostgreSQL manual, "PostgreSQL Error Codes": serialization_failure, deadlock_detected, lock_not_available, the
# connection exceptions, and the ways in which a server ends a session.
_TRANSIENT = frozenset(
    {"40001", "40P01", "55P03", "08000", "08003", "08006", "08001", "08004", "57P01", "57P02", "57P03"}
)


def is_transient(error: psycopg.Error) -> bool:
    """Whether the same transaction, run again, may succeed."""
    lost = isinstance(error, psycopg.OperationalError) and error.sqlstate is None
    return lost or error.sqlstate in _TRANSIENT


def cause(address: Address, error: Exception) -> Exception | None:
    """The error to chain: a copy without the password where it holds one, none where values must not show."""
    if not address.connection.show_values:
        return None
    if address.redact(str(error)) == str(error):
        return error
    return psycopg.OperationalError(address.redact(str(error)))


def server_of(url: str) -> tuple[str, ...]:
    """Host, port and database of a URL, defaults filled in; the URL itself where libpq cannot read it."""
    try:
        parts = conninfo_to_dict(url)
    except psycopg.ProgrammingError:  # opening it will say what is wrong
        return (url,)
    return (
        str(parts.get("host") or "localhost"),
        str(parts.get("port") or 5432),
        str(parts.get("dbname") or parts.get("user") or ""),
    )
