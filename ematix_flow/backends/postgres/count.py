"""How many rows a table holds, where asking is cheap."""

from __future__ import annotations

from collections.abc import Mapping

import psycopg
from psycopg import sql

from ematix_flow.backends.postgres import catalog
from ematix_flow.backends.postgres.ddl import table_sql
from ematix_flow.backends.postgres.session import Address, cause, connect, reason
from ematix_flow.errors import BackendUnavailableError
from ematix_flow.spec import PostgresConnection, Table

# count(*) reads the whole table; one of this size takes about a tenth of a second.
_CHEAP_BYTES = 256 * 2**20


def count_rows(connection: PostgresConnection, table: Table, environ: Mapping[str, str]) -> int | None:
    """The exact number of rows, or None for a table larger than 256 MB."""
    address = Address.resolve(connection, "", environ)
    size = sql.SQL("select pg_table_size(to_regclass({}))").format(catalog.quoted(table.schema, table.name))
    count = sql.SQL("select count(*) from {}").format(table_sql(table))
    with connect(address) as session:
        try:
            row = session.execute(size).fetchone()
            if row is None or row[0] is None or row[0] > _CHEAP_BYTES:
                return None
            counted = session.execute(count).fetchone()
        except psycopg.Error as error:
            raise BackendUnavailableError(
                connection=connection.name,
                reason=f"cannot count the rows of {table.full_name}: {reason(address, error)}",
            ) from cause(address, error)
    return counted[0] if counted else None
