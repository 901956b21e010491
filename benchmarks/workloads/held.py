"""Targets that hold rows already: made once, and copied before each measurement.

`analytics.lineitem` has its primary key, `history.lineitem` a version of each row (scd2). The lake's `analytics` table
grew in 20 commits, one after the other by its key, so that it has 20 files.
"""

from __future__ import annotations

import shutil
from dataclasses import replace

from deltalake import DeltaTable
from psycopg import sql

from benchmarks import contest, data
from benchmarks.data import LINEITEM
from benchmarks.servers import Server, Stand
from benchmarks.task import RAW, SCHEMA, Task
from benchmarks.workloads import first_load

HISTORY = "history"
SPREAD, LOCAL = "spread", "local"
_OURS = "benchmarks.ours.transfer:together"
_SLICES = 20


def task(stand: Stand, rows: int) -> Task:
    """A task without its target, of a tenth as many changes as there are rows, spread over the whole table.

    One in eleven is a new row, the rest differ in one column. The option `local` is the query of as many changes at
    the table's end.
    """
    queries = {kind: data.select_all(LINEITEM, _changes(stand, rows, kind)) for kind in (SPREAD, LOCAL)}
    base = first_load.task(stand, LINEITEM, rows, LINEITEM.keys)
    return replace(
        base,
        select=queries[SPREAD].as_string(),
        options={"rows": str(rows), LOCAL: queries[LOCAL].as_string()},
    )


def rows_after(rows: int) -> int:
    """How many rows, or current versions of rows, a table of `rows` has once the changes are in."""
    return rows + rows // 10 - rows // 11


def _changes(stand: Stand, rows: int, kind: str) -> str:
    count, known = rows // 10, rows // 11
    numbers = {
        SPREAD: data.numbers(11, 11 * count, 11),
        LOCAL: data.numbers(rows - known + 1, rows - known + count),
    }
    table = f"{LINEITEM.name}_{rows}_{kind}"
    if not stand.source.has(RAW, table):
        stand.source.make(LINEITEM, table, data.made_rows(LINEITEM, numbers[kind], 1))
    stand.source.warm(table)
    return table


# --- a database ----------------------------------------------------------------------------------------


def in_database(stand: Stand, rows: int) -> Task:
    """The task whose target is a copy of the database of that many rows."""
    name = f"held_{rows}"
    made = replace(task(stand, rows), target=stand.target.database("work").dsn)
    if not stand.target.has_database(name):
        half = f"{name}_half"
        _fill(stand, stand.target.create_database(half), rows)
        stand.target.rename_database(half, name)
    return made


def _fill(stand: Stand, database: Server, rows: int) -> None:
    database.make(LINEITEM, LINEITEM.name, data.made_rows(LINEITEM, data.numbers(1, rows), 0))
    with database.connect() as connection:
        connection.execute(
            sql.SQL("alter schema {} rename to {}").format(*map(sql.Identifier, (RAW, SCHEMA)))
        )
    contest.run(stand, _OURS, replace(_history(stand, rows), target=database.dsn))
    with database.connect() as connection:
        # What the engine noted there is of its version of today; the copies outlive it.
        connection.execute("drop schema ematix_flow cascade")
        connection.execute("vacuum (freeze, analyze)")


def restore_database(stand: Stand, task: Task) -> None:
    """Copy the database anew."""
    stand.clear()
    stand.target.create_database("work", template=f"held_{task.options['rows']}")


def count_database(stand: Stand, task: Task) -> int:
    """How many rows the table has, or current versions."""
    current = "is_current" if task.schema == HISTORY else "true"
    return Server(dsn=task.target).count(task.schema, task.dataset, current)


# --- a lake --------------------------------------------------------------------------------------------


def in_lake(stand: Stand, rows: int) -> Task:
    """The task whose target is a copy of the lake of that many rows."""
    made = replace(task(stand, rows), lake=str(stand.lake))
    folder = stand.template(f"held_{rows}")
    if not folder.exists():
        half = folder.with_name(f"{folder.name}_half")
        shutil.rmtree(half, ignore_errors=True)
        whole = replace(first_load.task(stand, LINEITEM, rows, LINEITEM.keys), lake=str(half))
        slices = {"rows": str(rows), "slices": str(_SLICES)}
        contest.run_peer(stand, "benchmarks.peers.delta_table:grow", replace(whole, options=slices))
        contest.run(stand, _OURS, replace(_history(stand, rows), lake=str(half)))
        half.rename(folder)
    return made


def restore_lake(stand: Stand, task: Task) -> None:
    """Copy the lake anew."""
    stand.clear()
    shutil.copytree(stand.template(f"held_{task.options['rows']}"), stand.lake, dirs_exist_ok=True)


def count_lake(stand: Stand, task: Task) -> int:
    """How many rows the table has, or current versions."""
    table = DeltaTable(task.folder)
    if task.schema != HISTORY:
        return int(table.count())
    return int(table.to_pyarrow_table(columns=["is_current"], filters=[("is_current", "=", True)]).num_rows)


def _history(stand: Stand, rows: int) -> Task:
    whole = first_load.task(stand, LINEITEM, rows, LINEITEM.keys)
    return replace(whole, options={"rows": str(rows), "mode": "scd2", "schema": HISTORY})
