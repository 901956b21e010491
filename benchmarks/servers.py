"""Two private servers, the source's and the target's, and the folder of the lake.

Their settings are meant to be fair, not fast: everything is synced to disk as PostgreSQL does by itself, but nobody's
dirty pages are left for the next one, and no vacuum comes in between.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from benchmarks import data
from benchmarks.data import Dataset
from benchmarks.task import RAW, SCHEMA
from ematix_flow.embedded import Embedded

SETTINGS = {
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "1h",
    "synchronous_commit": "off",  # a run commits once: that its last WAL page waits for the disk is noise
    "autovacuum": "off",
    "max_connections": "50",
}
_DATABASE = "bench"
_GIVEN = "EMATIX_PG_DSN"  # would make both servers one


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One database of a server; it is cleared, or copied from another, before each measurement."""

    dsn: str

    def database(self, name: str) -> Server:
        """Another database of the same server."""
        return Server(dsn=urlsplit(self.dsn)._replace(path=f"/{name}").geturl())

    def connect(self) -> psycopg.Connection:
        """Open a session that commits each statement."""
        return psycopg.connect(self.dsn, autocommit=True)

    def version(self) -> str:
        """PostgreSQL's version number."""
        with self.connect() as connection:
            return str(connection.info.server_version // 10_000)

    def has(self, schema: str, table: str) -> bool:
        """Whether there is such a table."""
        query = "select 1 from pg_tables where schemaname = %s and tablename = %s"
        with self.connect() as connection:
            return connection.execute(query, (schema, table)).fetchone() is not None

    def has_database(self, name: str) -> bool:
        """Whether the server has such a database."""
        with self.connect() as connection:
            query = "select 1 from pg_database where datname = %s"
            return connection.execute(query, (name,)).fetchone() is not None

    def create_database(self, name: str, template: str = "template0") -> Server:
        """Make a database anew, as a copy of another's files."""
        names = (sql.Identifier(name), sql.Identifier(template))
        with self.connect() as connection:
            connection.execute(sql.SQL("drop database if exists {} with (force)").format(names[0]))
            connection.execute(sql.SQL("create database {} template {} strategy file_copy").format(*names))
        return self.database(name)

    def rename_database(self, name: str, new: str) -> None:
        """Give a database, which nobody uses, its name."""
        with self.connect() as connection:
            connection.execute(
                sql.SQL("alter database {} rename to {}").format(sql.Identifier(name), sql.Identifier(new))
            )

    def count(self, schema: str, table: str, where: LiteralString = "true") -> int:
        """How many rows a table has."""
        query = sql.SQL("select count(*) from {} where {}").format(
            sql.Identifier(schema, table), sql.SQL(where)
        )
        with self.connect() as connection:
            (counted,) = connection.execute(query).fetchone() or (0,)
        return int(counted)

    def make(self, dataset: Dataset, table: str, rows: sql.Composable) -> None:
        """Make a table in schema `raw` with its key, all at once: a killed command leaves none half-made."""
        with self.connect() as connection:
            with connection.transaction():
                connection.execute("create schema if not exists raw")
                connection.execute(data.HASH)
                connection.execute(data.create_source(dataset, table, rows))
                if dataset.keys:
                    connection.execute(data.add_key(dataset, RAW, table))
            connection.execute(sql.SQL("vacuum (freeze, analyze) {}").format(sql.Identifier(RAW, table)))

    def clear(self) -> None:
        """Drop every schema but the sources', make the targets' anew, and write all dirty pages."""
        listed = "select nspname from pg_namespace where nspname !~ '^pg_' and nspname <> all(%s)"
        with self.connect() as connection:
            kept = [RAW, "public", "information_schema"]
            for (schema,) in connection.execute(listed, (kept,)).fetchall():
                connection.execute(sql.SQL("drop schema {} cascade").format(sql.Identifier(schema)))
            connection.execute(sql.SQL("create schema {}").format(sql.Identifier(SCHEMA)))
            connection.execute("checkpoint")

    def warm(self, table: str) -> None:
        """Read a source table once, so that the first measurement finds it where the others do."""
        with self.connect() as connection:
            connection.execute(
                sql.SQL("copy {} to '/dev/null' (format binary)").format(sql.Identifier(RAW, table))
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """What all contestants work on."""

    home: Path
    source: Server
    target: Server

    @property
    def lake(self) -> Path:
        """The folder of the Delta tables."""
        return self.home / "lake"

    def template(self, name: str) -> Path:
        """Where a lake lies that is copied before measurements."""
        return self.home / "templates" / name

    def clear(self) -> None:
        """Take away what the last one loaded, and write what the system still holds back."""
        shutil.rmtree(self.lake, ignore_errors=True)
        self.lake.mkdir(parents=True)
        self.source.clear()
        self.target.clear()
        os.sync()

    def provide(self, dataset: Dataset, rows: int) -> str:
        """Make the source table of that many rows unless it is there; gives its name in schema `raw`."""
        table = f"{dataset.name}_{rows}"
        if not self.source.has(RAW, table):
            self.source.make(dataset, table, data.made_rows(dataset, data.numbers(1, rows), 0))
        return table


@contextmanager
def stand(home: Path) -> Iterator[Stand]:
    """Start the two servers below `home`, which keeps their data, and stop those that this call started."""
    os.environ.pop(_GIVEN, None)
    with ExitStack() as stack:
        source, target = (
            Embedded(home=home / name, dbname=_DATABASE, settings=SETTINGS) for name in ("source", "target")
        )
        yield Stand(
            home=home,
            source=Server(dsn=stack.enter_context(source.serve())),
            target=Server(dsn=stack.enter_context(target.serve())),
        )
