"""Tables that move between two databases and a lake, and how a server sums them up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Any, LiteralString, TypeAlias

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row
from support.databases import drop_everything, new_databases

from ematix_flow import Job, Project, pk
from ematix_flow.results import TargetResult
from ematix_flow.run import run_job
from ematix_flow.types import BigInt

Column: TypeAlias = tuple[str, Any, Sequence[str]]  # SQL type, declared type, literals
Body: TypeAlias = Callable[..., Any]


@dataclass(frozen=True)
class Room:
    """The database of the source, another one, and a lake; tables are called `raw.t` and `analytics.t`."""

    origin: psycopg.Connection
    other: psycopg.Connection
    lake: Path

    def fill(self, columns: Sequence[Column], *, key: bool = True) -> None:
        """Make `raw.t (n, c0, c1, …)` with a row for each place among the literals; short columns end in nulls."""
        names = ", ".join(f"c{i} {type_}" for i, (type_, _, _) in enumerate(columns))
        self.origin.execute("create schema raw")
        self.origin.execute(f"create table raw.t (n bigint {'primary key' * key}, {names})")
        rows = zip_longest(*(literals for _, _, literals in columns), fillvalue="null")
        for n, row in enumerate(rows):
            values = sql.SQL(", ").join(map(sql.SQL, row))
            self.origin.execute(sql.SQL("insert into raw.t values ({}, {})").format(n, values))

    def blank(self) -> None:
        """Set everything but the key to null, and keep what was there in `raw.kept`."""
        self.origin.execute("create table raw.kept as table raw.t")
        changes = sql.SQL(", ").join(sql.SQL("{} = null").format(name) for name in self._columns())
        self.origin.execute(sql.SQL("update raw.t set {}").format(changes))

    def restore(self) -> None:
        """Take back what was kept."""
        changes = sql.SQL(", ").join(sql.SQL("{0} = kept.{0}").format(name) for name in self._columns())
        self.origin.execute(sql.SQL("update raw.t set {} from raw.kept where kept.n = t.n").format(changes))

    def _columns(self) -> list[sql.Identifier]:
        found = self.origin.execute(
            "select attname from pg_attribute where attrelid = 'raw.t'::regclass and attnum > 1"
        )
        return [sql.Identifier(name) for (name,) in found]

    def job(self, declared: Sequence[Any], body: Body, **words: Any) -> tuple[Project, Job]:
        """A job into `analytics.t`, in a project of its own."""
        project = Project()
        for name in ("origin", "other"):
            project.connection(type(name, (), {"kind": "postgres", "url": f"${{{name.upper()}_DSN}}"}))
        project.connection(type("lake", (), {"kind": "delta_local", "path": str(self.lake)}))
        columns = {f"c{i}": type_ | None for i, type_ in enumerate(declared)}
        annotations = {"n": Annotated[BigInt, pk()], **columns}
        table = project.table(schema="analytics", name="t")(type("T", (), {"__annotations__": annotations}))
        return project, project.job(name="load", target=table, **words)(body)

    def run(self, declared: Sequence[Any], body: Body, **words: Any) -> TargetResult:
        """Run such a job once."""
        full_refresh = words.pop("full_refresh", False)
        project, job = self.job(declared, body, **words)
        return run_job(job, project=project, full_refresh=full_refresh).targets[0]

    def sum(self, session: psycopg.Connection, rows: LiteralString) -> tuple[int, str]:
        """The number of rows and the md5 of their text, by the server; the columns are those of `raw.t`."""
        query = sql.SQL(
            "select count(*), md5(string_agg(t::text, E'\\n' order by n)) from (select n, {} from {}) as t"
        )
        columns = sql.SQL(", ").join(self._columns())
        (found,) = session.execute(query.format(columns, sql.SQL(rows))).fetchall()
        return found

    def texts(self, session: psycopg.Connection, rows: LiteralString) -> list[dict[str, str | None]]:
        """Every row as texts, which show where two tables differ."""
        columns = sql.SQL(", ").join(sql.SQL("{}::text").format(name) for name in self._columns())
        query = sql.SQL("select n, {} from {} order by n").format(columns, sql.SQL(rows))
        with session.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(query).fetchall()


@pytest.fixture(scope="module")
def databases(server: str) -> Iterator[list[psycopg.Connection]]:
    """Sessions on two databases, which a module's tests share; in the first there is an enum."""
    with new_databases(server, "ORIGIN_DSN", "OTHER_DSN") as sessions:
        sessions[0].execute("create type mood as enum ('sad', 'ok')")
        yield sessions


@pytest.fixture
def room(databases: list[psycopg.Connection], tmp_path: Path) -> Room:
    """A room without what another test made."""
    for session in databases:
        drop_everything(session)
    return Room(*databases, lake=tmp_path / "lake")
