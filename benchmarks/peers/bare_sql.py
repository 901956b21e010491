"""What a person would write by hand, on psycopg: the limit in one database, and of a merge."""

from __future__ import annotations

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
            rows = _pipe(source, target, task.select, _target(task))
        return Done(rows=rows)

    return work


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
