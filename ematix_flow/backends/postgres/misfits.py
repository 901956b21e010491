"""Which value would not become its declared type.

The server's own message names no column, and not always the value. So a read that failed is asked again, column by
column, in the same snapshot: it is the rare case, and a guard around every value would cost every run.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import psycopg
from psycopg import sql

from ematix_flow.backends.postgres.select import cast_probe, guard_reason, unreadable_probe
from ematix_flow.casts import Cast
from ematix_flow.plan import ReadColumn, ReadPlan

# Of a document that it cannot read the server shows nothing but in the context, up to where it went wrong.
_DOCUMENT = re.compile(r"^JSON data, line \d+: (.*)", re.MULTILINE)
_CAN_ASK_ABOUT_TEXTS = 160000  # pg_input_is_valid is there since PostgreSQL 16


def misfit(session: psycopg.Connection, read: ReadPlan) -> str | None:
    """The first column whose cast fails, in words, with a value that it fails on; None where no cast does.

    The query runs up to three times for each column that may fail. Without PostgreSQL 16 the value is shown as the
    server's message shows it.
    """
    fallible = [column for column in read.columns if column.cast in (Cast.CHECKED, Cast.SCALE)]
    try:
        found = (_told(session, read, column) for column in fallible)
        return next((told for told in found if told is not None), None)
    except psycopg.Error:  # the session is lost, or the run was cancelled: what it failed for stands
        return None


def _told(session: psycopg.Connection, read: ReadPlan, column: ReadColumn) -> str | None:
    failure = _failure(session, cast_probe(read, column))
    if failure is None or _failure(session, cast_probe(read, replace(column, cast=Cast.NONE))) is not None:
        return None  # the cast is fine, or the query itself fails
    if found := guard_reason(failure, show_values=read.show_values):
        return found
    what = f"column '{column.name}': a value does not fit {column.declared}"
    if not read.show_values:
        return what
    return f"{what}: {_sample(session, read, column) or failure}"


def _failure(session: psycopg.Connection, probe: sql.Composed) -> str | None:
    """What the server says where it cannot evaluate the values."""
    try:
        with session.transaction():
            session.execute(probe)
    except psycopg.DataError as error:
        document = _DOCUMENT.search(error.diag.context or "")
        return f"{error.diag.message_primary}{': ' + document[1] if document else ''}"
    return None


def _sample(session: psycopg.Connection, read: ReadPlan, column: ReadColumn) -> str | None:
    if session.info.server_version < _CAN_ASK_ABOUT_TEXTS:
        return None
    with session.transaction():
        row: Any = session.execute(unreadable_probe(read, column)).fetchone()
    return row[0] if row else None
