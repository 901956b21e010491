"""The select that reads a lake: the user's text, wrapped, bounded and cast, in DataFusion's SQL. Pure.

The user's text is kept to the letter; the newlines around it end a trailing `--` comment.
"""

from __future__ import annotations

from typing import assert_never

from psycopg import sql

from ematix_flow.backends.delta.watermarks import lower_bound
from ematix_flow.casts import Cast
from ematix_flow.plan import ColumnRange, Everything, ReadColumn, ReadPlan, SinceTransaction, Slice
from ematix_flow.types import DataType, Scalar

# The window's column travels beside the others, so that a value which no watermark can pass is seen and refused.
WINDOW = "ematix-flow window"

# What pyarrow cannot parse from text, and DataFusion can, by the name that its arrow_cast wants.
_PARSED = {
    Scalar.DATE: "Date32",
    Scalar.TIME: "Time64(Microsecond)",
    Scalar.TIMESTAMPTZ: 'Timestamp(Microsecond, Some("UTC"))',
}
_NUMBERS = (Scalar.SMALLINT, Scalar.INTEGER, Scalar.BIGINT)


def schema_select(text: str) -> str:
    """The query without rows: planning it tells the columns."""
    return _wrapped(sql.SQL("*"), text, sql.SQL(" limit 0"))


def every_row(text: str) -> str:
    """The query itself, which the wrapping keeps from being anything but a query."""
    return _wrapped(sql.SQL("*"), text, sql.SQL(""))


def bound_select(text: str, column: str) -> str:
    """The largest value of a window column."""
    return _wrapped(sql.SQL("max({})").format(_q(column)), text, sql.SQL(""))


def source_select(read: ReadPlan) -> str:
    """The rows of a read, with the window's column under the name `WINDOW` where there is a window.

    Raises:
        ValueError: the window's lower bound lies outside the years 1 to 9999.
    """
    columns = [_expression(column) for column in read.columns if column.cast is not Cast.ABSENT]
    match read.window:
        case Everything():
            where: sql.Composable = sql.SQL("")
        case ColumnRange(column=name):
            columns.append(sql.SQL("{} as {}").format(_q(name), sql.Identifier(WINDOW)))
            where = sql.SQL(" where {} or {} is null").format(_within(read.window), _q(name))
        case Slice() as window:
            where = sql.SQL(" where {}").format(in_slice(window, _q(window.column)))
        case SinceTransaction():
            raise AssertionError("a lake has no transaction ids, so no plan reads it by them")
        case _:
            assert_never(read.window)
    return _wrapped(sql.SQL(", ").join(columns), read.query or "", where)


def _expression(column: ReadColumn) -> sql.Composable:
    parsed = _PARSED.get(column.declared) if isinstance(column.declared, Scalar) else None
    if column.cast is not Cast.CHECKED or parsed is None:
        return sql.SQL("{} as {}").format(_q(column.name), sql.Identifier(column.name))
    return sql.SQL("arrow_cast({}, {}) as {}").format(
        _q(column.name), sql.Literal(parsed), sql.Identifier(column.name)
    )


def _within(window: ColumnRange) -> sql.Composable:
    """`watermark - lookback <= column <= bound`; not `<`, which would lose ties. No bound: the source is empty."""
    if window.bound is None:
        return sql.SQL("false")
    upper = sql.SQL("{} <= {}").format(_q(window.column), _literal(window.bound, window.type))
    if window.lower is None:
        return upper
    lower = lower_bound(window.lower, window.lookback, window.type) if window.lookback else window.lower
    return sql.SQL("{} >= {} and {}").format(_q(window.column), _literal(lower, window.type), upper)


def in_slice(window: Slice, column: sql.Composable) -> sql.Composed:
    """`start <= column < end`."""
    start, end = (_literal(text, window.type) for text in (window.start, window.end))
    return sql.SQL("{} >= {} and {} < {}").format(column, start, column, end)


def _literal(text: str, type_: DataType) -> sql.Literal:
    return sql.Literal(int(text) if type_ in _NUMBERS else text)


def _wrapped(columns: sql.Composable, text: str, rest: sql.Composable) -> str:
    query = sql.SQL("select {} from (\n{}\n) as q{}").format(columns, sql.SQL(text), rest)
    return query.as_string()


def _q(name: str) -> sql.Composable:
    return sql.SQL("q.{}").format(sql.Identifier(name))
