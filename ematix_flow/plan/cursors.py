"""What a watermark counts for one job and target, and the slice of the source that follows from it."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

from ematix_flow.errors import PlanError
from ematix_flow.plan.values import (
    ColumnRange,
    Everything,
    ReadWindow,
    SinceTransaction,
    Slice,
    reads_everything,
)
from ematix_flow.query import Select, Trackable, Untrackable, tracking
from ematix_flow.spec import (
    Automatic,
    Deletes,
    EveryRow,
    Incremental,
    Job,
    JobTarget,
    Merge,
    PostgresConnection,
    Scd2,
    Truncate,
)
from ematix_flow.state import Relation, RelationKind, RunRequest, SourceState, TargetState, Watermark, Window
from ematix_flow.types import DataType, Decimal, Scalar, Varchar

# age() compares transaction ids modulo 2^32; beyond half of that "older" and "newer" trade places (PostgreSQL
# manual, "Preventing Transaction ID Wraparound Failures"). The margin leaves room for the run itself.
_XID_HORIZON = 2**31 - 2**24

# Types whose values mean a moment by themselves. A text may say "today", and a time of day needs one to change zones.
_MOMENT = re.compile(r"date|interval.*|smallint|integer|bigint|timestamp(\(\d\))? with(out)? time zone")

# Types that are kept as a number and printed as a name.
_OBJECT = re.compile(r"(reg[a-z]+|aclitem)(\[\])?")

_TIMES = (Scalar.DATE, Scalar.TIMESTAMP, Scalar.TIMESTAMPTZ)
_INT64_ABLE = (Scalar.SMALLINT, Scalar.INTEGER, Scalar.BIGINT, *_TIMES)
_KEPT_AS_TEXT = (Scalar.TEXT, Scalar.UUID, Scalar.REAL, Scalar.DOUBLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnCursor:
    """The watermark is the largest value of a column."""

    column: str
    type: DataType
    lookback: timedelta

    @property
    def name(self) -> str:
        """The cursor's name in the watermark store."""
        return f"column {self.column} {self.type}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionCursor:
    """The watermark is a transaction id of the source's server."""

    trackable: Trackable
    fingerprint: str
    type: DataType = Scalar.BIGINT

    @property
    def name(self) -> str:
        """The cursor's name in the watermark store: new facts give a new name, and so a full read."""
        return f"transaction {self.fingerprint}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoCursor:
    """Nothing is counted: every run reads everything, for the reason given."""

    why: str


Cursor: TypeAlias = ColumnCursor | TransactionCursor | NoCursor


def cursor_for(job: Job, target: JobTarget, select: Select | None, source: SourceState) -> Cursor:
    """What to count for one target of a job."""
    match job.increment:
        case EveryRow():
            return NoCursor(why="incremental=False")
        case Incremental(column=column, lookback=lookback):
            return _column_cursor(column, lookback, source)
        case Automatic():
            return _transaction_cursor(target, select, source)


def _column_cursor(column: str, lookback: timedelta, source: SourceState) -> Cursor:
    for candidate in source.columns:
        if candidate.name == column:
            return ColumnCursor(column=column, type=candidate.type, lookback=lookback)
    return NoCursor(why=f"the query does not return the column {column}")


def _transaction_cursor(target: JobTarget, select: Select | None, source: SourceState) -> Cursor:
    match target.mode:
        case Truncate():
            return NoCursor(why="truncate replaces the whole table")
        case Merge(deletes=Deletes()) | Scd2(deletes=Deletes()):
            return NoCursor(why="rows that are gone are found by reading all that are there")
    if not target.mode.keys:
        return NoCursor(why="the target has no key that would absorb a row read twice")
    if select is None:
        return NoCursor(why="the body yields record batches")
    if source.server is None or source.snapshot_xmin is None:
        return NoCursor(why="the source has no transaction ids to track, or is a standby")
    if source.overloads:
        return NoCursor(
            why=f"{source.overloads[0]} is somebody's own beside the built-in one, and might be called"
        )
    trackable = tracking(select)
    if isinstance(trackable, Untrackable):
        return NoCursor(why=trackable.reason)
    if len(source.relations) != 1:
        return NoCursor(why=f"the source's catalog does not know {trackable.table}")
    relation = source.relations[0]
    why = (
        _untracked_relation(relation)
        or _untracked_columns(trackable, relation, target)
        or _untracked_casts(target, source)
    )
    if why:
        return NoCursor(why=why)
    return TransactionCursor(
        trackable=trackable, fingerprint=_fingerprint(target, select, source.server, relation)
    )


def _untracked_relation(relation: Relation) -> str | None:
    if relation.kind not in (RelationKind.HEAP, RelationKind.PARTITIONED):
        return f"{relation.schema}.{relation.name} is {relation.kind.value}"
    if relation.row_security:
        return f"row security is active on {relation.schema}.{relation.name}"
    return None


def _untracked_columns(trackable: Trackable, relation: Relation, target: JobTarget) -> str | None:
    """What the text alone cannot tell: `e.f` may mean `f(e)`, and a text read as a date may say "today"."""
    columns = {column.name: column for column in relation.columns}
    starred = [name for name in columns if trackable.star and target.table.column(name)]
    for name in (*trackable.columns, *starred):
        if name not in columns:
            return f"{name} is not a column of {relation.schema}.{relation.name}"
        if not columns[name].built_in:
            return f"the column {name} is of type {columns[name].type}, which is not built in"
        if _OBJECT.fullmatch(columns[name].type):
            return f"the column {name} is of type {columns[name].type}, whose text is the name that an object has now"
    for name in trackable.moment_columns:
        if not _MOMENT.fullmatch(columns[name].type):
            return f"the column {name} is a {columns[name].type} that is read as a date or time"
    return None


def _untracked_casts(target: JobTarget, source: SourceState) -> str | None:
    """The cast to the declared type reads texts too."""
    for column in source.columns:
        declared = target.table.column(column.name)
        is_text = column.type is Scalar.TEXT or isinstance(column.type, Varchar)
        if is_text and declared is not None and declared.type in _TIMES:
            return f"the column {column.name} is a text that is read as a date or time, and may say today"
    return None


def _fingerprint(target: JobTarget, select: Select, server: str, relation: Relation) -> str:
    facts = [
        server,
        relation.identity,
        select.text,
        target.label,
        repr(target.table.columns),
        repr(target.mode),
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]


# --- the window --------------------------------------------------------------------------------------


def window_for(
    job: Job, request: RunRequest, cursor: Cursor, source: SourceState, target: TargetState
) -> ReadWindow:
    """The slice that one run reads for one target."""
    if request.window is not None:
        return _slice(job, request.window, source)
    match cursor:
        case NoCursor():
            return Everything(why=cursor.why)
        case ColumnCursor():
            anew = _starts_anew(request, target)
            return ColumnRange(
                column=cursor.column,
                type=cursor.type,
                lower=None if anew or target.watermark is None else target.watermark.value,
                lookback=cursor.lookback,
                bound=source.bound,
            )
        case TransactionCursor():
            if why := _starts_anew(request, target):
                return Everything(why=why)
            return _since_transaction(cursor.trackable, source, target)


def _slice(job: Job, window: Window, source: SourceState) -> Slice:
    column = window.column or (job.increment.column if isinstance(job.increment, Incremental) else None)
    if column is None:
        raise PlanError(
            job=job.name, reason="a window needs a column; name it in the window, or declare incremental="
        )
    types = {each.name: each.type for each in source.columns}
    if column not in types:
        raise PlanError(
            job=job.name,
            reason=f"the query does not return the column '{column}', by which the window bounds it",
        )
    return Slice(column=column, type=types[column], start=window.start, end=window.end)


def _starts_anew(request: RunRequest, target: TargetState) -> str | None:
    if request.full_refresh:
        return "full_refresh was asked for"
    if target.live is None:
        return "the target does not exist yet"
    if target.empty:
        return "the target is empty"
    if target.watermark is None:
        return "no watermark is stored for this query and source yet"
    return None


def _since_transaction(trackable: Trackable, source: SourceState, target: TargetState) -> ReadWindow:
    stored = int(target.watermark.value) if target.watermark else 0
    now = source.snapshot_xmin or 0
    if now < stored:
        return Everything(why="the source's transaction counter went backwards")
    if now - stored > _XID_HORIZON:
        return Everything(why="the last run lies more than 2^31 transactions back")
    name = None if trackable.alias else trackable.table.name
    return SinceTransaction(xid=stored, start=trackable.start, end=trackable.end, name=name)


def watermark_after(
    cursor: Cursor, window: ReadWindow, source: SourceState, target: TargetState
) -> Watermark | None:
    """The watermark to commit with the rows; None where none is kept, which makes a stored one void."""
    match cursor:
        case NoCursor():
            return None
        case ColumnCursor():
            if source.bound is None:
                return None if reads_everything(window) else target.watermark
            return Watermark(cursor=cursor.name, value=source.bound, type=cursor.type)
        case TransactionCursor():
            return Watermark(cursor=cursor.name, value=str(source.snapshot_xmin), type=cursor.type)


def unfit(cursor: Cursor, target: JobTarget) -> str | None:
    """Why this cursor cannot serve this target, or None when it can.

    A Delta table keeps its watermark as a transaction version, which is an int64 (Delta protocol,
    "Transaction Identifiers").
    """
    if not isinstance(cursor, ColumnCursor):
        return None
    what = f"the window column '{cursor.column}' is {cursor.type}"
    if cursor.lookback and cursor.type not in _TIMES:
        return (
            f"{what}, and a lookback is a span of time; use a timestamp or date column, or drop the lookback"
        )
    if cursor.type in _INT64_ABLE:
        return None
    remedy = "use a timestamp, date or integer column, or incremental=False"
    if not isinstance(target.connection, PostgresConnection):
        return f"{what}, and a Delta table keeps its watermark as a 64-bit integer; {remedy}"
    if cursor.type in _KEPT_AS_TEXT or isinstance(cursor.type, (Varchar, Decimal)):
        return None
    return f"{what}, of which no watermark is kept; {remedy}"
