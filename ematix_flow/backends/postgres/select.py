"""The select that reads a source: the user's text, wrapped, cast, bounded and guarded. Pure.

The user's text is kept to the letter; the newlines around it end a trailing `--` comment.
"""

from __future__ import annotations

from typing import assert_never

from psycopg import sql

from ematix_flow.backends.postgres.types import type_sql
from ematix_flow.casts import Cast
from ematix_flow.plan import ColumnRange, Everything, Form, ReadColumn, ReadPlan, SinceTransaction
from ematix_flow.types import DataType, Decimal, Foreign, ListOf, Scalar, Varchar

# A guard raises by casting this text, with the offending value behind it, to an integer; `guard_reason` finds it in
# the server's message.
GUARD = "ematix-flow: "

_FINITE_BY_FUNCTION = (Scalar.DATE, Scalar.TIMESTAMP, Scalar.TIMESTAMPTZ)
_HAS_NAN = (Scalar.REAL, Scalar.DOUBLE)


def source_select(read: ReadPlan) -> sql.Composed:
    """The wrapped select of a read, in the form it asks for."""
    expressions = [_expression(column, read.form) for column in read.columns]
    if isinstance(read.window, ColumnRange):
        expressions[0] = _guard_window(read.window, expressions[0], read.columns[0], read.form)
    columns = sql.SQL(", ").join(
        sql.SQL("{} as {}").format(expression, sql.Identifier(column.name))
        for expression, column in zip(expressions, read.columns, strict=True)
    )
    return sql.SQL("select {} from {}{}").format(columns, wrapped(windowed_text(read)), _where(read))


def wrapped(text: sql.Composable) -> sql.Composed:
    """A query text as a FROM item called q."""
    return sql.SQL("(\n{}\n) as q").format(text)


def raw(text: str) -> sql.SQL:
    """The user's own SQL as a value. The only place where text becomes SQL: it was checked to be one select."""
    return sql.SQL(text)


def windowed_text(read: ReadPlan) -> sql.Composable:
    """The query's text; a transaction window replaces the table's name by a sub-select over it."""
    text = read.query or ""
    match read.window:
        case Everything() | ColumnRange():
            return raw(text)
        case SinceTransaction(xid=xid, start=start, end=end, name=name):
            # age() of both against the same latest transaction id: a number computed earlier would lose rows.
            since = sql.Literal(str(xid % 2**32))
            alias = sql.SQL(" as {}").format(sql.Identifier(name)) if name else sql.SQL("")
            table = sql.SQL("(select * from {} where age(xmin) <= age({}::xid)){}").format(
                raw(text[start:end]), since, alias
            )
            return sql.Composed([raw(text[:start]), table, raw(text[end:])])
        case _:
            assert_never(read.window)


# --- columns -----------------------------------------------------------------------------------------


def _expression(column: ReadColumn, form: Form) -> sql.Composable:
    value = _declared(column)
    if form is Form.SERVER_SELECT or column.source is None:
        return value
    return _for_arrow(column, value)


def _declared(column: ReadColumn) -> sql.Composable:
    """The column cast to its declared type."""
    value = _q(column.name)
    match column.cast:
        case Cast.NONE:
            return value
        case Cast.ABSENT:
            return sql.SQL("null::{}").format(type_sql(column.declared))
        case Cast.CHECKED if isinstance(column.declared, Varchar):
            # An explicit cast would truncate; left alone, the receiving column refuses what is too long.
            return value if not isinstance(column.source, Foreign) else sql.SQL("{}::text").format(value)
        case Cast.SCALE:
            return _guard_scale(column, value)
        case Cast.LOSSLESS | Cast.CHECKED:
            return sql.SQL("{}::{}").format(value, type_sql(column.declared))
        case _:
            assert_never(column.cast)


def _guard_scale(column: ReadColumn, value: sql.Composable) -> sql.Composed:
    """Numeric with more digits behind the point than declared raises, where a cast would round.

    min_scale, not scale: 11/100.0 has scale 20. NaN has a null scale and passes.
    """
    scale = column.declared.scale if isinstance(column.declared, Decimal) else 0
    number = value if isinstance(column.source, Decimal) else sql.SQL("{}::numeric").format(value)
    return sql.SQL("(case when min_scale({}) > {} then {}::numeric else {} end)::{}").format(
        number,
        sql.Literal(scale),
        _raise(f"column '{column.name}': more digits than {column.declared} holds", number),
        number,
        type_sql(column.declared),
    )


def _for_arrow(column: ReadColumn, value: sql.Composable) -> sql.Composable:
    """The column in a form that the driver turns into Arrow without loss, or raises.

    The driver reads numerics as text at half the cost of its own conversion, turns infinite dates and timestamps
    into arbitrary numbers, and flattens arrays of several dimensions.
    """
    match column.declared:
        case Decimal():
            return sql.SQL("{}::text").format(value)
        case Scalar.DATE | Scalar.TIMESTAMP | Scalar.TIMESTAMPTZ:
            what = f"column '{column.name}': Arrow holds no infinite value"
            return sql.SQL("case when not isfinite({}) then {}::text::{} else {} end").format(
                value, _raise(what, value), type_sql(column.declared), value
            )
        case ListOf(element=element):
            travels = ListOf(Scalar.TEXT) if _reads_as_text(element) else column.declared
            what = f"column '{column.name}': Arrow holds one-dimensional arrays only"
            return sql.SQL("(case when array_ndims({}) > 1 then {}::text::{} else {} end)::{}").format(
                value, _raise(what, value), type_sql(column.declared), value, type_sql(travels)
            )
        case Scalar() | Varchar() | Foreign():
            return value
        case _:
            assert_never(column.declared)


def _reads_as_text(element: DataType) -> bool:
    return isinstance(element, Decimal) or element in (Scalar.UUID, Scalar.JSON, Scalar.JSONB)


def _raise(what: str, value: sql.Composable) -> sql.Composed:
    """An integer expression that always fails, showing `what` and up to 80 characters of `value`.

    It depends on the value, so that the planner cannot evaluate it ahead of time.
    """
    return sql.SQL("({} || coalesce(left({}::text, 80), 'NULL'))::integer").format(
        sql.Literal(f"{GUARD}{what}: "), value
    )


def guard_reason(message: str) -> str | None:
    """What a guard of ours said, found in the server's message for a failed cast; None for any other message."""
    _, found, reason = message.partition(GUARD)
    return reason.removesuffix('"') if found else None


# --- the column window -------------------------------------------------------------------------------


def _where(read: ReadPlan) -> sql.Composable:
    if not isinstance(read.window, ColumnRange):
        return sql.SQL("")
    unfit = _unfit(read.window)
    if read.window.bound is None:
        return sql.SQL(" where {}").format(unfit)
    column, type_ = _q(read.window.column), type_sql(read.window.type)
    upper = sql.SQL("{} <= {}::{}").format(column, sql.Literal(read.window.bound), type_)
    lower = lower_bound(read.window, column)
    within = upper if lower is None else sql.SQL("{} and {}").format(lower, upper)
    return sql.SQL(" where {} or {}").format(within, unfit)


def lower_bound(window: ColumnRange, column: sql.Composable) -> sql.Composed | None:
    """`column >= watermark - lookback`; not `>`, which would lose ties. None without a watermark."""
    if window.lower is None:
        return None
    value = sql.SQL("{}::{}").format(sql.Literal(window.lower), type_sql(window.type))
    if window.lookback:
        value = sql.SQL("{} - {}").format(value, sql.Literal(window.lookback))
    return sql.SQL("{} >= {}").format(column, value)


def _unfit(window: ColumnRange) -> sql.Composed:
    """Values that no watermark can pass: each arm can use an index on the column."""
    column, type_ = _q(window.column), type_sql(window.type)
    words = _infinities(window.type)
    arms = [sql.SQL("{} is null").format(column)]
    arms += [sql.SQL("{} = {}::{}").format(column, sql.Literal(word), type_) for word in words]
    return sql.SQL(" or ").join(arms)


def _infinities(type_: DataType) -> tuple[str, ...]:
    if type_ in _FINITE_BY_FUNCTION:
        return ("infinity", "-infinity")
    if type_ in _HAS_NAN or isinstance(type_, Decimal):
        return ("NaN", "Infinity", "-Infinity")
    return ()


def _guard_window(
    window: ColumnRange, expression: sql.Composable, column: ReadColumn, form: Form
) -> sql.Composed:
    what = f"window column '{window.column}': no watermark can pass the value"
    travels: DataType = column.declared
    if form is Form.ARROW and isinstance(travels, Decimal):
        travels = Scalar.TEXT
    return sql.SQL("case when {} then {}::text::{} else {} end").format(
        _unfit(window), _raise(what, _q(window.column)), type_sql(travels), expression
    )


def bound_select(text: str, column: str, type_: DataType) -> sql.Composed:
    """The largest finite value of a window column, as text: an index on the column serves it at once."""
    name = _q(column)
    finite = [
        sql.SQL("{} <> {}::{}").format(name, sql.Literal(word), type_sql(type_))
        for word in _infinities(type_)
    ]
    where = sql.SQL(" and ").join([sql.SQL("{} is not null").format(name), *finite])
    return sql.SQL("select {}::text from {} where {} order by {} desc limit 1").format(
        name, wrapped(raw(text)), where, name
    )


def _q(name: str) -> sql.Composable:
    return sql.SQL("q.{}").format(sql.Identifier(name))
