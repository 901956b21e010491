"""A source table that grows while it is read from, as an event log does."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg import sql

from benchmarks import data
from benchmarks.data import EVENTS
from benchmarks.task import RAW


@dataclass(slots=True)
class Growing:
    """`raw.<table>` of events, of which `rows` are there; opened, it has no more than those."""

    connection: psycopg.Connection
    table: str
    rows: int

    @classmethod
    def open(cls, dsn: str, table: str, rows: int) -> Growing:
        """Take away what an earlier measurement left."""
        connection = psycopg.connect(dsn, autocommit=True)
        connection.execute(data.HASH)
        connection.execute(
            sql.SQL("delete from {} where event_id > {}").format(sql.Identifier(RAW, table), rows)
        )
        return cls(connection, table, rows)

    def grow(self, more: int) -> None:
        """Commit `more` rows."""
        rows = data.made_rows(EVENTS, data.numbers(self.rows + 1, self.rows + more), 0)
        self.connection.execute(sql.SQL("insert into {} {}").format(sql.Identifier(RAW, self.table), rows))
        self.rows += more

    def count_since(self, transaction: int) -> int:
        """How many rows are not older than a transaction (64 bits), in words that the engine uses too."""
        counted = sql.SQL("select count(*) from {} where age(xmin) <= age({}::xid)").format(
            sql.Identifier(RAW, self.table), sql.Literal(str(transaction % 2**32))
        )
        (rows,) = self.connection.execute(counted).fetchone() or (0,)
        return int(rows)

    def advance(self) -> None:
        """Let a transaction of somebody else's go by."""
        self.connection.execute("select pg_current_xact_id()")
