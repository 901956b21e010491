"""deltalake's own merge and append, fed by ADBC: what a person would write by hand."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
from adbc_driver_postgresql import dbapi
from deltalake import DeltaTable, write_deltalake

from benchmarks.growing import Growing
from benchmarks.peers.adbc import with_decimals
from benchmarks.task import Done, Task, Work


def merge(task: Task) -> Work:
    """`DeltaTable.merge` of the query's rows; the option `streamed` is its own `streamed_exec`."""
    condition = " and ".join(f"t.{key} = s.{key}" for key in task.keys)

    def work() -> Done:
        with _rows(task, task.query) as rows:
            told = (
                DeltaTable(task.folder)
                .merge(
                    rows,
                    predicate=condition,
                    source_alias="s",
                    target_alias="t",
                    streamed_exec=task.options.get("streamed") != "no",
                )
                .when_matched_update_all()
                .when_not_matched_insert_all()
                .execute()
            )
        return Done(rows=told["num_source_rows"])

    return work


def grow(task: Task) -> Work:
    """Append a table in as many commits, and so files, as the option `slices` says, one after the other by its key."""
    rows, slices = int(task.options["rows"]), int(task.options["slices"])

    def work() -> Done:
        for number in range(slices):
            first, last = (1 + place * rows // 4 // slices for place in (number, number + 1))
            where = f"{task.keys[0]} >= {first} and {task.keys[0]} < {last}"
            with _rows(task, f"{task.query} where {where}") as batches:
                write_deltalake(task.folder, batches, mode="append")
        return Done(rows=rows)

    return work


def appends(task: Task) -> Work:
    """A commit for each 1,000 rows that came, as `benchmarks.ours.repeated:appends` does it."""
    runs = int(task.options["rows"]) // 1_000
    source = Growing.open(task.source, task.source_table, 0)

    def work() -> Done:
        samples = []
        for _ in range(runs):
            seen = source.rows
            source.grow(1_000)
            started = time.perf_counter()
            with _rows(task, f"{task.query} where event_id > {seen}") as batches:
                write_deltalake(task.folder, batches, mode="append")
            samples.append(time.perf_counter() - started)
        files = len(DeltaTable(task.folder).file_uris())
        return Done(rows=source.rows, samples=tuple(samples), facts={"live files at the end": files})

    return work


@contextmanager
def _rows(task: Task, query: str) -> Iterator[pa.RecordBatchReader]:
    with dbapi.connect(task.source) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        yield with_decimals(cursor.fetch_record_batch(), task.keys)
