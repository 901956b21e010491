"""What a person would write by hand, on psycopg: the limit in one database, and of a merge."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
from psycopg import sql

from benchmarks.task import SCHEMA, Done, Task, Work


def insert_select(task: Task) -> Work:
    """`insert into … select …` in one database, into a table that is made outside the clock."""
    _execute(task.target, task.create)
    statement = _text("insert into {} {}").format(_target(task), _text(task.select))

    def work() -> Done:
        with psycopg.connect(task.target) as connection:
            return Done(rows=connection.execute(statement).rowcount)

    return work


def psycopg_pipe(task: Task) -> Work:
    """The naive loop: each CopyData message that psycopg gives is written as it is."""
    _execute(task.target, task.create)

    def work() -> Done:
        with psycopg.connect(task.source) as source, psycopg.connect(task.target) as target:
            rows = _pipe(source, target, task.query, _target(task))
        return Done(rows=rows)

    return work


def upsert(task: Task) -> Work:
    """A temporary table beside the target, filled by COPY, then `insert … on conflict do update`."""
    others = [name for name in task.columns if name not in task.keys]
    return _staged(
        task,
        _text("insert into {} select * from stage on conflict ({}) do update set {}").format(
            _target(task), _names(task.keys), _set(others, "excluded")
        ),
    )


def merge(task: Task) -> Work:
    """The same with `merge`."""
    others = [name for name in task.columns if name not in task.keys]
    statement = _text(
        "merge into {} as t using stage on {} when matched then update set {} "
        "when not matched then insert ({}) values ({})"
    ).format(
        _target(task),
        _text(" and ").join(_text("t.{0} = stage.{0}").format(sql.Identifier(key)) for key in task.keys),
        _set(others, "stage"),
        _names(task.columns),
        _text(", ").join(sql.Identifier("stage", name) for name in task.columns),
    )
    return _staged(task, statement)


def replace_rows(task: Task) -> Work:
    """All rows anew in one transaction: `delete` or `truncate`, as the option `clear` says, then `insert … select`."""
    clear = {"delete": _text("delete from {}"), "truncate": _text("truncate {}")}[task.options["clear"]]
    insert = _text("insert into {} {}").format(_target(task), _text(task.query))

    def work() -> Done:
        with psycopg.connect(task.target) as connection:
            connection.execute(clear.format(_target(task)))
            return Done(rows=connection.execute(insert).rowcount)

    return work


def _staged(task: Task, statement: sql.Composed) -> Work:
    stage = _text("create temporary table stage (like {}) on commit drop").format(_target(task))

    def work() -> Done:
        with psycopg.connect(task.source) as source, psycopg.connect(task.target) as target:
            target.execute(stage)
            rows = _pipe(source, target, task.query, sql.Identifier("stage"))
            target.execute(statement)
        return Done(rows=rows)

    return work


def _set(columns: Sequence[str], source: str) -> sql.Composed:
    return _text(", ").join(
        _text("{} = {}").format(sql.Identifier(name), sql.Identifier(source, name)) for name in columns
    )


def _names(columns: Sequence[str]) -> sql.Composed:
    return _text(", ").join(map(sql.Identifier, columns))


def _pipe(source: psycopg.Connection, target: psycopg.Connection, select: str, table: sql.Identifier) -> int:
    copy_out = _text("copy ({}) to stdout (format binary)").format(_text(select))
    copy_in = _text("copy {} from stdin (format binary)").format(table)
    into = target.cursor()
    with source.cursor().copy(copy_out) as reader, into.copy(copy_in) as writer:
        for block in reader:
            writer.write(block)
    return into.rowcount


def _execute(dsn: str, statements: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute(_text(statements))


def _target(task: Task) -> sql.Identifier:
    return sql.Identifier(SCHEMA, task.dataset)


def _text(statement: str) -> sql.SQL:
    """SQL that the starting process composed, or that stands here."""
    return sql.SQL(statement)
