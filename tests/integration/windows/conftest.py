"""A source and its target in one database or in two, and a job between them whose rows can be compared."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Annotated, Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ematix_flow import Job, Project, pk, plan_job, run_job
from ematix_flow.plan import Everything, SinceTransaction
from ematix_flow.results import LoadCounts
from ematix_flow.types import BigInt, Text

# What stands in every source; the clock passes the moments of raw.ahead one by one.
TABLES = """
    create schema raw;
    create table raw.t (id bigint primary key, v text, n integer, at timestamptz, d date, tags text[], doc jsonb);
    insert into raw.t values
        (1, 'a', 1, '2024-01-01 12:00Z', '2024-01-01', '{x,y}', '{"k": "p", "q": [1]}'),
        (2, 'b', 2, '2024-01-02 12:00Z', '2024-01-02', '{y}', '{"k": "q"}'),
        (3, 'c', 3, '2024-01-03 12:00Z', '2024-01-03', '{}', '{}');
    create table raw.u (id bigint primary key, w text);
    insert into raw.u values (1, 'p'), (2, 'q'), (3, 'r');
    create table raw.ahead (id bigint primary key, v text, at timestamptz, doc jsonb);
    insert into raw.ahead
        select s, 'now', clock_timestamp() + s * interval '1 s', '{"at": "now"}' from unnest('{0,2,8,40}'::int[]) as s
"""

# As the engine's own sessions: what is compared must not depend on the database's settings.
SETTINGS = "-c TimeZone=UTC -c DateStyle=ISO -c IntervalStyle=postgres"


@dataclass(frozen=True)
class Stand:
    """One job from `origin` into analytics.t (id, v), and what both sides hold."""

    origin: str
    target: str
    project: Project
    job: Job
    query: str

    @property
    def database(self) -> str:
        """The name of the source's database."""
        return str(conninfo_to_dict(self.origin)["dbname"])

    def do(self, *statements: str) -> None:
        """Run statements in the source, each in a transaction of its own; `{db}` stands for the database's name."""
        with psycopg.connect(self.origin, autocommit=True) as session:
            for statement in statements:
                session.execute(sql.SQL(statement.replace("{db}", self.database)))

    def run(self) -> LoadCounts:
        """Run the job."""
        return run_job(self.job, project=self.project).targets[0].counts

    def why(self) -> str:
        """Why the next run would read everything; empty where it reads a window."""
        window = plan_job(self.job, project=self.project).targets[0].read.window
        assert isinstance(window, Everything | SinceTransaction)
        return window.why if isinstance(window, Everything) else ""

    def selected(self) -> list[Any]:
        """What the query gives now."""
        return self._rows(self.origin, sql.SQL("select id, v from ({}) as q").format(sql.SQL(self.query)))

    def held(self) -> list[Any]:
        """What the target holds."""
        return self._rows(self.target, sql.SQL("select id, v from analytics.t"))

    def _rows(self, dsn: str, query: sql.SQL | sql.Composed) -> list[Any]:
        with psycopg.connect(dsn, options=SETTINGS) as session:
            return sorted(session.execute(query).fetchall(), key=repr)


def declare(
    project: Project, query: str, columns: dict[str, Any] | None = None, mode: Any = "merge", **options: Any
) -> Job:
    """A job `load` from the connection `origin` into analytics.t of the connection `warehouse`."""
    for name in ("origin", "warehouse"):
        project.connection(
            type(name, (), {"kind": "postgres", "url": f"${{{name.upper()}_DSN}}", "__module__": __name__})
        )
    annotations = columns or {"id": Annotated[BigInt, pk()], "v": Text | None}
    table = project.table(schema="analytics", name="t")(type("T", (), {"__annotations__": annotations}))
    decorate = project.job(
        name="load",
        target=table,
        source_connection="origin",
        target_connection="warehouse",
        mode=mode,
        **options,
    )
    return decorate(lambda: query)


@pytest.fixture(scope="module")
def pair(server: str) -> Iterator[tuple[str, str]]:
    """The DSNs of two databases that a module's tests share."""
    with psycopg.connect(server, autocommit=True) as admin, ExitStack() as stack:
        made = []
        for _ in range(2):
            name = f"test_windows_{secrets.token_hex(6)}"
            admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
            stack.callback(
                admin.execute, sql.SQL("drop database {} with (force)").format(sql.Identifier(name))
            )
            made.append(make_conninfo(server, dbname=name))
        yield made[0], made[1]


@pytest.fixture(params=["inside", "stream"])
def path(request: pytest.FixtureRequest) -> str:
    """Inside one database, or from one to another."""
    return str(request.param)


@pytest.fixture
def stand(pair: tuple[str, str], path: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Stand]:
    """Makes stands in the two databases, of which the source holds TABLES alone; each in a project of its own."""
    origin, target = pair[0], pair[path == "stream"]
    for dsn in pair:
        _empty(dsn)
    with psycopg.connect(origin, autocommit=True) as session:
        session.execute(sql.SQL(TABLES))
    monkeypatch.setenv("ORIGIN_DSN", origin)
    monkeypatch.setenv("WAREHOUSE_DSN", target)

    def make(query: str, **declared: Any) -> Stand:
        project = Project()
        job = declare(project, query, **declared)
        return Stand(origin=origin, target=target, project=project, job=job, query=query)

    return make


def _empty(dsn: str) -> None:
    """Drop what a test made: schemas, settings of the database."""
    with psycopg.connect(dsn, autocommit=True) as session:
        session.execute(sql.SQL("alter database {} reset all").format(sql.Identifier(session.info.dbname)))
        session.execute("set client_min_messages = warning")
        session.execute("drop schema if exists raw, raw2, analytics, ematix_flow, public cascade")
        session.execute("create schema public")
