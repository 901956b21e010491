"""Showing and resetting watermarks, and looking at a table, outside of any run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC

import psycopg
from psycopg import sql

from ematix_flow.backends.kept import KeptWatermark
from ematix_flow.backends.postgres import catalog, watermarks
from ematix_flow.backends.postgres.locks import lock_table
from ematix_flow.backends.postgres.session import Address, cause, connect, reason
from ematix_flow.errors import BackendUnavailableError
from ematix_flow.spec import PostgresConnection, Table


def kept_watermark(
    connection: PostgresConnection, table: Table, job: str, environ: Mapping[str, str]
) -> KeptWatermark | None:
    """What is stored for a job and its target, whatever it counts."""
    with _session(connection, job, environ) as session:
        if not _has_watermarks(session, connection):
            return None
        row = session.execute(watermarks.kept_watermark(connection.state_schema, job, table)).fetchone()
    if row is None:
        return None
    cursor, value, stored_at = row
    return KeptWatermark(cursor=cursor, value=value, stored_at=stored_at.astimezone(UTC))


def reset_watermark(
    connection: PostgresConnection, table: Table, job: str, environ: Mapping[str, str]
) -> bool:
    """Delete what is stored for a job and its target; whether there was anything.

    It takes the table's lock, so it waits for a run that goes on: what that one stores is deleted too.
    """
    with _session(connection, job, environ) as session, session.transaction():
        session.execute(lock_table(table))
        if not _has_watermarks(session, connection):
            return False
        deleted = session.execute(watermarks.delete_watermark(connection.state_schema, job, table))
        return deleted.rowcount > 0


def live_table(connection: PostgresConnection, table: Table, environ: Mapping[str, str]) -> Table | None:
    """The table of this schema and name as it is, or None when there is none."""
    with _session(connection, "", environ) as session:
        return catalog.live_table(table, session.execute(catalog.table_query(table)).fetchall())


def _has_watermarks(session: psycopg.Connection, connection: PostgresConnection) -> bool:
    name = catalog.quoted(connection.state_schema, "watermarks")
    row = session.execute(sql.SQL("select to_regclass({}) is not null").format(name)).fetchone()
    return row is not None and row[0] is True


@contextmanager
def _session(
    connection: PostgresConnection, job: str, environ: Mapping[str, str]
) -> Iterator[psycopg.Connection]:
    address = Address.resolve(connection, job, environ)
    with connect(address) as session:
        try:
            yield session
        except psycopg.Error as error:
            raise BackendUnavailableError(
                job=job, connection=connection.name, reason=reason(address, error)
            ) from cause(address, error)
