"""What each guard costs: the same load where it is needed, and where what it guards is known."""

from __future__ import annotations

from dataclasses import replace

from psycopg import sql

from benchmarks import data
from benchmarks.contest import Contestant, Workload
from benchmarks.data import LINEITEM, Dataset
from benchmarks.servers import Stand
from benchmarks.task import RAW, SCHEMA, Task
from benchmarks.workloads import first_load

_PROGRAM = "benchmarks.ours.transfer:together"
_GUARDED = "guarded"
_ROWS = 2_000_000


def _guarded(stand: Stand, source: Dataset, rows: int, keys: tuple[str, ...], suffix: str) -> Task:
    """The load of lineitem; the option `guarded` is the query of a table of which less is known."""
    table = f"{source.name}_{rows}_{suffix}"
    if not stand.source.has(RAW, table):
        stand.source.make(source, table, data.made_rows(source, data.numbers(1, rows), 0))
    stand.source.warm(table)
    task = first_load.task(stand, LINEITEM, rows, keys)
    return replace(task, options=dict(task.options) | {_GUARDED: data.select_all(source, table).as_string()})


def _scale(stand: Stand, rows: int) -> Task:
    return _guarded(stand, data.without_scale(LINEITEM), rows, (), "without_scale")


def _keys(stand: Stand, rows: int) -> Task:
    return _guarded(stand, data.without_keys(LINEITEM), rows, LINEITEM.keys, "without_key")


def _workloads(name: str, title: str, known: str, unknown: str) -> tuple[Workload, ...]:
    prepare = {"scale": _scale, "keys": _keys}[name]
    base = Workload(
        name="",
        title="",
        rows=_ROWS,
        contestants=(
            Contestant(name=f"ours, {unknown}", program=_PROGRAM, options={"query": _GUARDED}),
            Contestant(name=f"ours, {known}", program=_PROGRAM),
        ),
        prepare=prepare,
        restore=first_load.clear,
        loaded=first_load.count_same,
    )
    return (
        replace(
            base,
            name=f"guard-{name}-same",
            title=f"{title} → the same database",
            prepare=lambda stand, rows: replace(prepare(stand, rows), target=stand.source.dsn),
        ),
        replace(
            base,
            name=f"guard-{name}-postgres",
            title=f"{title} → another Postgres",
            prepare=lambda stand, rows: replace(prepare(stand, rows), target=stand.target.dsn),
            loaded=first_load.count_postgres,
        ),
        replace(
            base,
            name=f"guard-{name}-delta",
            title=f"{title} → Delta",
            prepare=lambda stand, rows: replace(prepare(stand, rows), lake=str(stand.lake)),
            loaded=first_load.count_delta,
        ),
    )


# --- truncate by delete --------------------------------------------------------------------------------


def _full(stand: Stand, task: Task) -> None:
    """The target holds what the source has."""
    stand.clear()
    target, source = sql.Identifier(SCHEMA, task.dataset), sql.Identifier(RAW, task.source_table)
    with stand.source.connect() as connection:
        connection.execute(sql.SQL(task.create))  # composed by the starting process
        connection.execute(sql.SQL("insert into {} select * from {}").format(target, source))
        connection.execute(sql.SQL("vacuum (freeze, analyze) {}").format(target))
        connection.execute("checkpoint")


def _truncate(name: str, title: str, keys: tuple[str, ...]) -> Workload:
    def prepare(stand: Stand, rows: int) -> Task:
        return replace(first_load.task(stand, LINEITEM, rows, keys), target=stand.source.dsn)

    by_hand = "benchmarks.peers.bare_sql:replace_rows"
    return Workload(
        name=name,
        title=title,
        rows=_ROWS,
        contestants=(
            Contestant(name="ours, truncate", program=_PROGRAM, options={"mode": "truncate"}),
            Contestant(name="delete; insert … select", program=by_hand, options={"clear": "delete"}),
            Contestant(name="truncate; insert … select", program=by_hand, options={"clear": "truncate"}),
        ),
        prepare=prepare,
        restore=_full,
        loaded=first_load.count_same,
    )


WORKLOADS = (
    *_workloads(
        "scale",
        "lineitem whose four numerics must fit numeric(12, 2)",
        "numeric(12, 2) in the source",
        "numeric in the source",
    ),
    *_workloads(
        "keys",
        "lineitem whose key must be unique",
        "key proven by the source's index",
        "no index in the source",
    ),
    _truncate("guard-truncate", "lineitem in place of lineitem, the same database, no index", ()),
    _truncate(
        "guard-truncate-key",
        "lineitem in place of lineitem, the same database, with its primary key",
        LINEITEM.keys,
    ),
)
