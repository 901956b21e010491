"""The select that reads a source: the user's text, wrapped, cast, bounded and guarded. Pure.

The user's text is kept to the letter; the newlines around it end a trailing `--` comment.
"""

from __future__ import annotations

from typing import assert_never

from psycopg import sql

from ematix_flow.backends.postgres.types import type_sql
from ematix_flow.casts import Cast
from ematix_flow.plan import ColumnRange, Everything, ReadColumn, ReadPlan, SinceTransaction, Slice
from ematix_flow.state import SourceColumn
from ematix_flow.types import DataType, Decimal, Foreign, ListOf, Scalar, Varchar, postgres_name

# A guard raises by casting this text, with the offending value behind it, to an integer; `guard_reason` finds it in
# the server's message.
GUARD = "ematix-flow: "
_VALUE = "\x1f"  # between the two

_HAS_INFINITY = (Scalar.DATE, Scalar.TIMESTAMP, Scalar.TIMESTAMPTZ)
_INTEGER_BYTES = {Scalar.SMALLINT: 2, Scalar.INTEGER: 4, Scalar.BIGINT: 8}
_HAS_NAN = (Scalar.REAL, Scalar.DOUBLE)


def source_select(read: ReadPlan) -> sql.Composed:
    """The wrapped select of a read."""
    columns = sql.SQL(", ").join(
        sql.SQL("{} as {}").format(_declared(column), sql.Identifier(column.name)) for column in read.columns
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
        case Everything() | ColumnRange() | Slice():
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


def as_it_is(column: SourceColumn) -> ReadColumn:
    """A column read in its own type, or as text where we have none like it."""
    declared = _of_ours(column.type)
    cast = Cast.NONE if declared == column.type else Cast.LOSSLESS
    return ReadColumn(name=column.name, source=column.type, declared=declared, cast=cast)


def _of_ours(type_: DataType) -> DataType:
    match type_:
        case Foreign():
            return Scalar.TEXT
        case ListOf(element=element):
            return ListOf(_of_ours(element))
        case _:
            return type_


def _declared(column: ReadColumn) -> sql.Composable:
    """The column cast to its declared type."""
    value = _q(column.name)
    match column.cast:
        case Cast.NONE if column.declared == ListOf(Scalar.TEXT):
            # It may be a varchar[]: COPY's records name the type of an array's elements, and the target's is text.
            return sql.SQL("{}::text[]").format(value)
        case Cast.NONE:
            return value
        case Cast.ABSENT:
            return sql.SQL("null::{}").format(type_sql(column.declared))
        case Cast.LOSSLESS:
            return sql.SQL("{}::{}").format(value, type_sql(column.declared))
        case Cast.CHECKED | Cast.SCALE:
            return _checked(column, value)
        case _:
            assert_never(column.cast)


def _checked(column: ReadColumn, value: sql.Composable) -> sql.Composed:
    """The cast of a value that may not fit; the guard names the column and shows the value.

    The server alone would cut trailing blanks off a text and round a number without a word, and where it refuses
    it often names neither column nor value ("integer out of range").
    """
    cast = sql.SQL("{}::{}").format(value, type_sql(column.declared))
    unfit = _unfit_for_declared(column, value)
    if unfit is None:
        return cast
    what = f"column '{column.name}': a value does not fit {column.declared}"
    return sql.SQL("case when {} then {}::text::{} else {} end").format(
        unfit, _raise(what, value), type_sql(column.declared), cast
    )


def _unfit_for_declared(column: ReadColumn, value: sql.Composable) -> sql.Composed | None:
    """Whether the cast would lose something; None where the server refuses, and shows, whatever does not fit."""
    match column.declared:
        case Varchar(length=length):
            return sql.SQL("char_length({}::text) > {}").format(value, length)
        case ListOf(element=Varchar(length=length)):
            longer = sql.SQL("char_length(u.e::text) > {}").format(length)
            return sql.SQL("exists (select from unnest({}) as u (e) where {})").format(value, longer)
        case Decimal(precision=int(precision), scale=int(scale)):
            # min_scale, not scale: 11/100.0 has scale 20. numeric(p, s) holds NaN, which is larger than any number.
            return sql.SQL("min_scale({0}::numeric) > {1} or abs(nullif({0}::numeric, 'NaN')) >= {2}").format(
                value, scale, sql.Literal(10 ** (precision - scale))
            )
        case Scalar.SMALLINT | Scalar.INTEGER if column.source in _INTEGER_BYTES:
            largest = 2 ** (8 * _INTEGER_BYTES[column.declared] - 1) - 1
            return sql.SQL("{} not between {} and {}").format(value, -largest - 1, largest)
        case Scalar.DATE:
            return sql.SQL("{0}::timestamp <> {0}::date").format(value)  # the cast would drop a time of day
        case _:
            return None


def _raise(what: str, value: sql.Composable) -> sql.Composed:
    """An integer expression that always fails, showing `what` and up to 80 characters of `value`.

    It depends on the value, so that the planner cannot evaluate it ahead of time.
    """
    return sql.SQL("({} || coalesce(left({}::text, 80), 'NULL'))::integer").format(
        sql.Literal(f"{GUARD}{what}{_VALUE}"), value
    )


def guard_reason(message: str, *, show_values: bool = True) -> str | None:
    """What a guard of ours said, found in the server's message for a failed cast; None for any other message."""
    _, found, told = message.partition(GUARD)
    what, _, value = told.strip().removesuffix('"').partition(_VALUE)
    if not found:
        return None
    return f"{what}: {value}" if show_values else what


def cast_probe(read: ReadPlan, column: ReadColumn) -> sql.Composed:
    """A select that evaluates one column of a read for each row, and nothing else."""
    return sql.SQL("select count({}) from {}{}").format(
        _declared(column), wrapped(windowed_text(read)), _where(read)
    )


def unreadable_probe(read: ReadPlan, column: ReadColumn) -> sql.Composed:
    """A select of one value, up to 80 characters of it, whose text is none of the declared type (since PostgreSQL 16)."""
    text = sql.SQL("{}::text").format(_q(column.name))
    return sql.SQL(
        "select left({text}, 80) from {rows} where not pg_input_is_valid({text}, {type}) limit 1"
    ).format(
        text=text,
        rows=sql.SQL("(select * from {}{}) as q").format(wrapped(windowed_text(read)), _where(read)),
        type=sql.Literal(postgres_name(column.declared)),
    )


# --- the column window -------------------------------------------------------------------------------


def _where(read: ReadPlan) -> sql.Composable:
    match read.window:
        case Everything() | SinceTransaction():
            return sql.SQL("")
        case Slice() as window:
            return sql.SQL(" where {}").format(in_slice(window, _q(window.column)))
        case ColumnRange() as window:
            return _in_range(window)
        case _:
            assert_never(read.window)


def _in_range(window: ColumnRange) -> sql.Composed:
    """The window's bounds; a row that no watermark can pass is met as well, and raises."""
    column, unfit = _q(window.column), _unfit(window)
    what = f"window column '{window.column}': no watermark can pass the value"
    fit = sql.SQL("case when {} then {} is null else true end").format(unfit, _raise(what, column))
    return sql.SQL(" where ({}) and {}").format(sql.SQL(" or ").join([*_within(window, column), unfit]), fit)


def in_slice(window: Slice, column: sql.Composable) -> sql.Composed:
    """`start <= column < end`."""
    type_ = type_sql(window.type)
    return sql.SQL("{} >= {}::{} and {} < {}::{}").format(
        column, sql.Literal(window.start), type_, column, sql.Literal(window.end), type_
    )


def _within(window: ColumnRange, column: sql.Composable) -> tuple[sql.Composed, ...]:
    """`lower <= column <= bound`; nothing where the source holds no value."""
    if window.bound is None:
        return ()
    upper = sql.SQL("{} <= {}::{}").format(column, sql.Literal(window.bound), type_sql(window.type))
    lower = lower_bound(window, column)
    return (upper if lower is None else sql.SQL("{} and {}").format(lower, upper),)


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
    column = _q(window.column)
    arms = [sql.SQL("{} is null").format(column)]
    arms += [sql.SQL("{} = {}").format(column, endless) for endless in _endless(window.type)]
    return sql.SQL(" or ").join(arms)


def _endless(type_: DataType) -> tuple[sql.Composed, ...]:
    """The type's values that are larger, or smaller, than every ordinary one."""
    words: tuple[str, ...] = ()
    if type_ in _HAS_INFINITY:
        words = ("infinity", "-infinity")
    elif type_ in _HAS_NAN or isinstance(type_, Decimal):
        words = ("NaN", "Infinity", "-Infinity")
    # numeric(p, s) itself refuses to hold infinity, but compares with it.
    named = Decimal() if isinstance(type_, Decimal) else type_
    return tuple(sql.SQL("{}::{}").format(sql.Literal(word), type_sql(named)) for word in words)


def bound_select(text: str, column: str, type_: DataType) -> sql.Composed:
    """The largest finite value of a window column, as text: an index on the column serves it at once."""
    name = _q(column)
    finite = [sql.SQL("{} <> {}").format(name, endless) for endless in _endless(type_)]
    where = sql.SQL(" and ").join([sql.SQL("{} is not null").format(name), *finite])
    return sql.SQL("select {}::text from {} where {} order by {} desc limit 1").format(
        name, wrapped(raw(text)), where, name
    )


def _q(name: str) -> sql.Composable:
    return sql.SQL("q.{}").format(sql.Identifier(name))
