"""One mode on one path: the job that is struck, its source and its targets, and what whole runs would leave."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import psycopg
import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError
from psycopg.rows import dict_row

from ematix_flow import Job, Project, Target, pk
from ematix_flow.spec import Append, Deletes, LoadMode, Merge, Scd2, Truncate
from ematix_flow.testing import Row, load_rows
from ematix_flow.types import BigInt, Text, TimestampTZ

State: TypeAlias = frozenset[tuple[tuple[tuple[str, Any], ...], int]]  # each row, and how often it is there

ROWS = 40  # of the source at first
_SETTING = "crash.pause"  # seconds a row takes inside a server; nothing where it is not set
_SOURCE = f"""
create schema raw;
create table raw.orders (id bigint primary key, name text not null, updated_at timestamptz not null);
create function raw.pause() returns void stable language plpgsql as $$
    begin perform pg_sleep(coalesce(nullif(current_setting('{_SETTING}', true), ''), '0')::float8); end $$;
create function raw.slowly(value text) returns text stable language plpgsql as $$
    begin perform raw.pause(); return value; end $$;
create function raw.slow_row() returns trigger language plpgsql as $$
    begin perform raw.pause(); return new; end $$;
"""
# The body of a job that goes the direct path may call no function, so there the target takes its time.
_SLOW_TARGET = (
    "create trigger slow before insert on analytics.orders for each row execute function raw.slow_row()"
)

# Which targets a path loads. `direct` stays inside one server, `staged` too, by way of a temporary table.
PATHS = {
    "direct": ("origin",),
    "staged": ("origin",),
    "stream": ("other",),
    "delta": ("lake",),
    "fan-out": ("origin", "other", "lake"),
}
# `window` is a keyless append with a watermark; `log` one without, which is atomic and no more.
MODES = ("append", "window", "truncate", "merge", "scd2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One mode on one path, in databases and a folder of its own."""

    mode: str
    path: str
    origin: str  # the database of the source
    other: str
    lake: str

    @property
    def label(self) -> str:
        return f"{self.mode}, {self.path}"

    @property
    def targets(self) -> tuple[str, ...]:
        return PATHS[self.path]

    @property
    def load_mode(self) -> LoadMode:
        """The mode with its keys. A direct merge deletes nothing: looking for what is gone takes a stage."""
        match self.mode:
            case "append":
                return Append(keys=("id",))
            case "window" | "log":
                return Append()
            case "truncate":
                return Truncate(keys=("id",))
            case "merge":
                return Merge(keys=("id",), deletes=None if self.path == "direct" else Deletes.HARD)
            case _:
                return Scd2(keys=("id",), valid_from="updated_at")

    # --- the source ----------------------------------------------------------------------------------

    def create_source(self) -> None:
        with psycopg.connect(self.origin, autocommit=True) as session:
            session.execute(_SOURCE)  # type: ignore[arg-type]  # the test's own text

    def slow_the_target(self) -> None:
        """Let a loaded row take its time where the source cannot."""
        if self.path == "direct":
            with psycopg.connect(self.origin, autocommit=True) as session:
                session.execute(_SLOW_TARGET)

    def change_source(self, round_: int) -> list[Row]:
        """Insert, update and delete; give what the source then holds."""
        at = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=round_)
        with psycopg.connect(self.origin, row_factory=dict_row) as session:
            session.execute(
                "update raw.orders set name = %s || id, updated_at = %s + id * interval '1 second' where id %% 4 <> %s",
                [f"round {round_} order ", at, round_ % 4],
            )
            session.execute("delete from raw.orders where id = (select min(id) from raw.orders)")
            session.execute(
                "insert into raw.orders select n, 'new ' || n, %s + n * interval '1 second' "
                "from generate_series((select coalesce(max(id), 0) + 1 from raw.orders), %s) as n",
                [at, ROWS + 2 * round_],
            )
            return session.execute("select id, name, updated_at from raw.orders").fetchall()

    def expected(self, before: list[Row], source: list[Row]) -> list[Row]:
        """What a whole run leaves."""
        if self.mode == "window":  # what is new lies above the watermark, and no row is there twice
            return [*before, *(row for row in source if row not in before)]
        return list(load_rows(self.load_mode, before, source, datetime.now(UTC)).rows)

    # --- the targets ---------------------------------------------------------------------------------

    def read(self, target: str) -> list[Row] | None:
        """Every row of a target, or None where there is none yet."""
        if target == "lake":
            return read_delta(self.lake)
        with psycopg.connect(self.origin if target == "origin" else self.other) as session:
            return read_postgres(session)

    # --- the job -------------------------------------------------------------------------------------

    def declare(self, seconds: float) -> tuple[Project, Job]:
        """The job; its run takes about so many seconds between the first row and the commit."""
        project = Project()
        pause = seconds / ROWS
        for name in ("origin", "other"):
            url = getattr(self, name)
            if seconds:
                url += f"?options=-c%20{_SETTING}%3D{pause:.4f}"
            project.connection(type(name, (), {"kind": "postgres", "url": url}))
        project.connection(type("lake", (), {"kind": "delta_local", "path": self.lake}))
        key = Annotated[BigInt, pk()] if self.load_mode.keys else BigInt
        columns = {"id": key, "name": Text, "updated_at": TimestampTZ}
        orders = project.table(schema="analytics", name="orders")(
            type("Orders", (), {"__annotations__": columns})
        )
        increment = {"window": {"incremental": "updated_at"}, "log": {"incremental": False}}.get(
            self.mode, {}
        )
        decorate: Callable[..., Job] = project.job(
            name=f"load_{self.mode}",
            targets=[Target(orders, connection=target) for target in self.targets],
            mode=self.load_mode,
            source_connection="origin",
            **increment,
        )
        return project, decorate(self._body(pause))

    def _body(self, pause: float) -> Callable[..., Any]:
        def direct() -> str:
            return "select id, name, updated_at from raw.orders"

        def slow_query() -> str:
            return "select id, raw.slowly(name) as name, updated_at from raw.orders"

        def batches(conn: Any) -> Iterator[pa.RecordBatch]:
            rows = conn.read("select id, name, updated_at from raw.orders").read_all()
            for start in range(0, rows.num_rows, 4):
                yield from rows.slice(start, 4).to_batches()
                time.sleep(4 * pause)

        if self.path == "direct":
            return direct
        # A window bounds a query; and rows in a server's own transaction come from one.
        return slow_query if self.path == "staged" or self.mode == "window" else batches


def read_postgres(session: psycopg.Connection[Any]) -> list[Row] | None:
    """Every row of the target in a database, or None where there is none yet."""
    try:
        with session.transaction(), session.cursor(row_factory=dict_row) as cursor:
            return list(cursor.execute("select * from analytics.orders").fetchall())
    except psycopg.errors.UndefinedTable:
        return None


def read_delta(lake: str) -> list[Row] | None:
    """Every row of the target in a lake, or None where there is none yet."""
    if not Path(lake).exists():
        return None
    try:
        table = DeltaTable(f"{lake}/analytics/orders")
    except TableNotFoundError:
        return None
    rows: list[Row] = pa.RecordBatchReader.from_stream(table.scan()).read_all().to_pylist()
    return rows


def state(rows: list[Row]) -> State:
    """Rows without an order, so that two readings can be compared."""
    return frozenset(Counter(tuple(sorted(row.items())) for row in rows).items())
