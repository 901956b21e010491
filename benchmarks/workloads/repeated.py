"""Small runs, many of them, in a process that is warm: each workload is a few processes of many repetitions."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from benchmarks import contest, data
from benchmarks.contest import Contestant, Pace, Workload
from benchmarks.data import EVENTS
from benchmarks.servers import Stand
from benchmarks.task import RAW, Task
from benchmarks.workloads import first_load

_APPENDS = "benchmarks.ours.repeated:appends"
_IDLE = "benchmarks.ours.repeated:idle"
_COMMITS = 1_050  # the last checkpoint is 50 commits old, which is as usual as any
_Place = Callable[[Stand, Task], Task]


def _ours(program: str, name: str = "ours", **options: str) -> Contestant:
    return Contestant(name=name, program=program, pace=Pace.SLOW, options=options)


def _to_target(stand: Stand, task: Task) -> Task:
    return replace(task, target=stand.target.dsn)


def _to_source(stand: Stand, task: Task) -> Task:
    return replace(task, target=stand.source.dsn)


def _to_lake(stand: Stand, task: Task) -> Task:
    return replace(task, lake=str(stand.lake))


def _growing(stand: Stand, rows: int, keys: tuple[str, ...] = EVENTS.keys) -> Task:
    """The task without its target, of a source that nobody else reads, since it grows."""
    table = f"{EVENTS.name}_{rows}_growing"
    if not stand.source.has(RAW, table):
        stand.source.make(EVENTS, table, data.made_rows(EVENTS, data.numbers(1, rows), 0))
    return Task(
        dataset=EVENTS.name,
        source=stand.source.dsn,
        source_table=table,
        select=data.select_all(EVENTS, table).as_string(),
        keys=keys,
        columns=EVENTS.names,
        options={"rows": str(rows), "runs": "30"},
    )


# --- nothing to load -----------------------------------------------------------------------------------


def _idle(name: str, where: str, place: _Place, restore: Callable[[Stand, Task], None]) -> Workload:
    return Workload(
        name=name,
        title=f"nothing to load: events → {where}",
        rows=10_000,
        contestants=(
            _ours(_IDLE),
            _ours(_IDLE, "ours, other transactions went by", busy="yes"),
        ),
        prepare=lambda stand, rows: place(stand, _growing(stand, rows)),
        restore=restore,
        loaded=lambda stand, task: int(task.options["rows"]),  # each run says that it added nothing
        wanted="median ≤ 50 ms",
    )


def _restore_long_log(stand: Stand, task: Task) -> None:
    """A table that we loaded and to which others committed a row a thousand times."""
    stand.clear()
    folder = stand.template(f"long_log_{task.options['rows']}")
    if not folder.exists():
        contest.run(stand, "benchmarks.ours.transfer:together", task)
        _commit_rows(task)
        folder.parent.mkdir(exist_ok=True)
        stand.lake.rename(folder)
    shutil.copytree(folder, stand.lake, dirs_exist_ok=True)


def _commit_rows(task: Task) -> None:
    table = DeltaTable(task.folder)
    row = table.to_pyarrow_table(filters=[("event_id", "=", 1)])
    place = row.schema.get_field_index("event_id")
    for number in range(_COMMITS):
        key = pa.array([-number], pa.int64())
        write_deltalake(table, row.set_column(place, row.schema.field(place), key), mode="append")


# --- little to load ------------------------------------------------------------------------------------


def _new(name: str, where: str, place: _Place) -> Workload:
    return Workload(
        name=name,
        title=f"1,000 new rows, found by transaction id: events → {where}",
        rows=EVENTS.rows,
        contestants=(_ours("benchmarks.ours.repeated:growing"),),
        prepare=lambda stand, rows: place(stand, _growing(stand, rows)),
        restore=first_load.clear,
        loaded=lambda stand, task: int(task.options["rows"]),  # each run says that it added what is new
        wanted="ours ≤ 1.2 times select count(*) of the same rows",
    )


# --- a lake's day --------------------------------------------------------------------------------------


def _day(stand: Stand, rows: int) -> Task:
    made = replace(_growing(stand, 0), lake=str(stand.lake))
    return replace(made, options={"rows": str(rows)})


_DAY = Workload(
    name="day-delta",
    title="1,000 new rows every five minutes for a day: events → Delta",
    rows=288_000,
    contestants=(
        _ours(_APPENDS),
        _ours(_APPENDS, 'ours, incremental="received_at"', incremental="received_at"),
        replace(
            _ours("benchmarks.peers.delta_table:appends", "write_deltalake"), package="adbc-driver-postgresql"
        ),
    ),
    prepare=_day,
    restore=first_load.clear,
    loaded=first_load.count_delta,
    expected=lambda rows: rows // 1_000 * 1_000,
    wanted="≤ 20 live files at the end, slowest ≤ 3 times median",
)

WORKLOADS = (
    _idle("idle-same", "the same database", _to_source, first_load.clear),
    _idle("idle-postgres", "another Postgres", _to_target, first_load.clear),
    _idle("idle-delta", "Delta, 1,000 commits in its log", _to_lake, _restore_long_log),
    _new("new-same", "the same database", _to_source),
    _new("new-postgres", "another Postgres", _to_target),
    _new("new-delta", "Delta", _to_lake),
    _DAY,
)
