"""Servers that restart, crash, are copied, or hold foreign tables: whose transaction ids may a window trust?"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from ematix_flow import Project, pk, plan_job, run_job
from ematix_flow.embedded import Embedded
from ematix_flow.plan import CopyInto, Everything, InsertSelect, SinceTransaction
from ematix_flow.plan import Path as ReadPath
from ematix_flow.types import BigInt, Text

ANEW = "no watermark is stored for this query and source yet"
DEBIAN = Path("/usr/lib/postgresql")


class Servers:
    """Servers of our own, by name; each has its data folder below one home."""

    def __init__(self, home: Path, stack: ExitStack) -> None:
        self._home, self._stack = home, stack

    def data(self, name: str) -> Path:
        return self._home / name

    def start(self, name: str) -> str:
        """The DSN of a server, started unless it runs."""
        # The log is written late, so that a crash loses the ids of whatever did not commit.
        settings = {"fsync": "off", "wal_writer_delay": "10s", "autovacuum": "off"}
        server = Embedded(home=self.data(name), settings=settings)
        self._stack.callback(server.stop)
        return server.ensure()

    def stop(self, name: str) -> None:
        Embedded(home=self.data(name)).stop()

    def copy(self, name: str, to: str) -> None:
        """A clone: a byte for byte copy of a stopped server's folder."""
        shutil.copytree(self.data(name), self.data(to), symlinks=True)
        for original in (self.data(name), *self.data(name).rglob("*")):
            owner = original.lstat()
            copied = self.data(to) / original.relative_to(self.data(name))
            os.chown(copied, owner.st_uid, owner.st_gid, follow_symlinks=False)


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    """Servers that stop, and go, at the end of the module."""
    home = Path(tempfile.mkdtemp(prefix="ematix-servers-"))
    home.chmod(0o755)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, home)
        yield Servers(home, stack)


class Merge:
    """A merge of raw.t into analytics.t of the same or another database."""

    def __init__(self, environ: pytest.MonkeyPatch, query: str = "select id, v from raw.t") -> None:
        self._environ = environ
        self._project = Project()
        for name in ("origin", "warehouse"):
            self._project.connection(type(name, (), {"kind": "postgres", "url": f"${{{name.upper()}_DSN}}"}))
        annotations = {"id": Annotated[BigInt, pk()], "v": Text | None}
        declared = type("T", (), {"__annotations__": annotations})
        table = self._project.table(schema="analytics", name="t")(declared)
        self._job = self._project.job(
            name="load", target=table, source_connection="origin", target_connection="warehouse", mode="merge"
        )(lambda: query)

    def between(self, origin: str, warehouse: str) -> None:
        self._environ.setenv("ORIGIN_DSN", origin)
        self._environ.setenv("WAREHOUSE_DSN", warehouse)

    def run(self) -> int:
        """Run, and tell how many rows were read."""
        return run_job(self._job, project=self._project).targets[0].counts.read

    def why(self) -> str:
        """Why everything would be read; empty where a window would."""
        window = plan_job(self._job, project=self._project).targets[0].read.window
        assert isinstance(window, Everything | SinceTransaction)
        return window.why if isinstance(window, Everything) else ""

    def path(self) -> ReadPath:
        return plan_job(self._job, project=self._project).targets[0].path


def fresh(server: str) -> str:
    """The DSN of a new database with raw.t."""
    name = f"test_{secrets.token_hex(6)}"
    execute(server, f"create database {name}")
    dsn = make_conninfo(server, dbname=name)
    execute(dsn, "create schema raw", "create table raw.t (id bigint primary key, v text)")
    execute(dsn, "insert into raw.t values (1, 'a'), (2, 'b')")
    return dsn


def execute(dsn: str, *statements: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as session:
        for statement in statements:
            session.execute(sql.SQL(statement))


def rows(dsn: str, query: str) -> list[Any]:
    with psycopg.connect(dsn) as session:
        return session.execute(sql.SQL(query)).fetchall()


def next_id(dsn: str) -> int:
    return int(rows(dsn, "select pg_snapshot_xmax(pg_current_snapshot())::text")[0][0])


def spend_ids(dsn: str, until: int) -> None:
    """Give out transaction ids, none of which writes anything that lasts."""
    with psycopg.connect(dsn) as session:
        while True:
            row = session.execute("select pg_current_xact_id()::text").fetchone()
            session.rollback()
            if row is not None and int(row[0]) >= until:
                return


# --- restarts and crashes --------------------------------------------------------------------------------


def test_a_restart_begins_the_window_anew(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    dsn = fresh(servers.start("first"))
    merge = Merge(monkeypatch)
    merge.between(dsn, dsn)
    assert merge.run() == 2
    assert merge.why() == ""
    database = psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]
    servers.stop("first")
    dsn = make_conninfo(servers.start("first"), dbname=str(database))
    merge.between(dsn, dsn)
    assert merge.why() == ANEW
    assert merge.run() == 2
    assert merge.why() == ""


def test_ids_that_a_crash_gives_out_again_are_not_mistaken_for_old_ones(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    dsn, target = fresh(servers.start("first")), fresh(servers.start("second"))
    merge = Merge(monkeypatch)
    merge.between(dsn, target)
    assert merge.run() == 2
    execute(dsn, "checkpoint")
    spend_ids(dsn, next_id(dsn) + 300)
    assert merge.run() <= 2
    assert merge.why() == ""
    seen = next_id(dsn)
    crash(dsn)
    assert next_id(dsn) < seen - 100  # the very ids that the watermark has passed
    execute(dsn, "insert into raw.t values (3, 'after')")
    spend_ids(dsn, seen + 100)  # so that the counter does not tell
    assert merge.why() == ANEW
    assert merge.run() == 3
    assert rows(target, "select id, v from analytics.t order by id") == [(1, "a"), (2, "b"), (3, "after")]


def test_an_unlogged_table_is_read_anew_after_a_crash_has_emptied_it(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    dsn = fresh(servers.start("first"))
    execute(
        dsn,
        "create unlogged table raw.x (id bigint primary key, v text)",
        "insert into raw.x values (1, 'a')",
    )
    merge = Merge(monkeypatch, "select id, v from raw.x")
    merge.between(dsn, dsn)
    merge.run()
    assert merge.why() == ""
    crash(dsn)
    assert rows(dsn, "select from raw.x") == []
    execute(dsn, "insert into raw.x values (1, 'again'), (2, 'b')")
    assert merge.why() == ANEW
    assert merge.run() == 2
    assert rows(dsn, "select id, v from analytics.t order by id") == [(1, "again"), (2, "b")]


def crash(dsn: str) -> None:
    """Kill one of the server's processes: the others start anew, and the log is replayed."""
    with psycopg.connect(dsn) as session:
        os.kill(session.info.backend_pid, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while True:
        time.sleep(0.1)
        try:
            execute(dsn, "select 1")
            return
        except psycopg.OperationalError:
            assert time.monotonic() < deadline


# --- a clone ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def clones(servers: Servers) -> tuple[str, str]:
    """The same database on a server and on its clone."""
    dsn = fresh(servers.start("original"))
    name = str(psycopg.conninfo.conninfo_to_dict(dsn)["dbname"])
    servers.stop("original")
    servers.copy("original", to="clone")
    found = tuple(make_conninfo(servers.start(server), dbname=name) for server in ("original", "clone"))
    who = "select system_identifier, (select oid from pg_database where datname = current_database()) from pg_control_system()"
    assert rows(found[0], who) == rows(found[1], who)
    return found[0], found[1]


def test_a_clone_is_not_taken_for_the_same_database(
    clones: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    original, clone = clones
    merge = Merge(monkeypatch)
    merge.between(original, original)
    assert isinstance(merge.path(), InsertSelect)
    merge.between(original, clone)
    assert isinstance(merge.path(), CopyInto)
    execute(original, "update raw.t set v = 'of the original' where id = 1")
    merge.run()
    assert rows(clone, "select v from analytics.t where id = 1") == [("of the original",)]
    assert rows(clone, "select v from raw.t where id = 1") == [("a",)]
    assert rows(original, "select to_regclass('analytics.t')") == [(None,)]


def test_a_window_of_a_server_is_not_used_on_its_clone(
    clones: tuple[str, str], servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, clone = clones
    target = fresh(servers.start("second"))
    merge = Merge(monkeypatch)
    merge.between(original, target)
    execute(clone, "insert into raw.t values (10, 'only in the clone')")
    spend_ids(original, next_id(clone) + 10)
    merge.run()
    assert merge.why() == ""
    spend_ids(clone, next_id(original) + 10)
    merge.between(clone, target)
    assert merge.why() == ANEW
    merge.run()
    assert rows(target, "select v from analytics.t where id = 10") == [("only in the clone",)]


# --- foreign tables -------------------------------------------------------------------------------------


def foreign_data_wrapper() -> Path | None:
    """The programs of a server that has postgres_fdw; the embedded ones come without it."""
    for programs in sorted(DEBIAN.glob("*/bin")):
        major = programs.parent.name
        if Path(f"/usr/share/postgresql/{major}/extension/postgres_fdw.control").exists():
            return programs
    return None


@pytest.mark.skipif(foreign_data_wrapper() is None, reason="no server here has postgres_fdw")
@pytest.mark.parametrize(
    ("make", "why"),
    [
        ("import foreign schema raw limit to (t) from server far into far", "far.t is a foreign table"),
        (
            "create table far.t (id bigint, v text) partition by range (id); create foreign table far.t1 partition of far.t for values from (0) to (10) server far options (schema_name 'raw', table_name 't')",
            "far.t is something that is not an ordinary table",
        ),
    ],
    ids=["a foreign table", "a foreign partition"],
)
def test_a_foreign_table_is_read_in_full(
    servers: Servers, monkeypatch: pytest.MonkeyPatch, make: str, why: str
) -> None:
    monkeypatch.setenv("EMATIX_PG_BIN", str(foreign_data_wrapper()))
    server = servers.start("foreign")
    far, near = fresh(server), fresh(server)
    there = psycopg.conninfo.conninfo_to_dict(far)
    execute(
        near,
        "create extension postgres_fdw",
        f"create server far foreign data wrapper postgres_fdw options (host '{there['host']}', port '{there['port']}', dbname '{there['dbname']}')",
        f"create user mapping for current_user server far options (user '{there['user']}', password '{there['password']}')",
        "create schema far",
        make,
    )
    merge = Merge(monkeypatch, "select id, v from far.t")
    merge.between(near, near)
    assert merge.run() == 2
    assert merge.why() == why
    execute(far, "update raw.t set v = 'changed afar' where id = 2")
    merge.run()
    assert rows(near, "select id, v from analytics.t order by id") == [(1, "a"), (2, "changed afar")]
