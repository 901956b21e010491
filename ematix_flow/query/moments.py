"""Where a query could read the clock through a text: `'today'::date`, and `note::date` where a note says so.

PostgreSQL's input functions for dates and times read now, today, tomorrow and yesterday from the clock.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from sqlglot import exp

from ematix_flow.query.lexer import Kind, Lexeme
from ematix_flow.query.sources import identifier
from ematix_flow.query.words import words

# As the server's date parser cuts words: 'today12:00', 'now_' and '{now}' name the clock, 'know' does not.
_CLOCK = re.compile(r"(?<![a-z])(now|today|tomorrow|yesterday)(?![a-z])", re.IGNORECASE | re.ASCII)

_MOMENTS = frozenset({"DATE", "TIME", "TIMESTAMP", "TIMESTAMPTZ", "DATERANGE", "TSRANGE", "TSTZRANGE"})
# Left out besides reg* and xml: timetz, which AT TIME ZONE cannot shift without asking the clock for the day.
_OTHERS = words(
    """
    BOOLEAN SMALLINT INT BIGINT FLOAT DOUBLE DECIMAL TEXT VARCHAR CHAR BPCHAR NCHAR NAME UUID JSON JSONB
    VARBINARY BIT INTERVAL INET INT4RANGE INT8RANGE NUMRANGE
    """,
)

_NEVER_TEXT = (
    exp.AtTimeZone,
    exp.DateBin,
    exp.Div,
    exp.Interval,
    exp.Literal,
    exp.Mul,
    exp.Null,
    exp.RawString,
    exp.StrToDate,
    exp.StrToTime,
    exp.TimestampFromParts,
    exp.TimestampTrunc,
    exp.UnixToTime,
)


def clock_strings(lexemes: Sequence[Lexeme]) -> Iterator[str]:
    """Why a string of the text could depend on the clock, for each that could."""
    for lexeme, after in pairwise((*lexemes, None)):
        if lexeme is None or lexeme.kind not in (Kind.STRING, Kind.ESCAPED):
            continue
        if lexeme.kind is Kind.ESCAPED:
            yield f"it writes {lexeme.text} with escapes"
        elif after is not None and after.kind in (Kind.STRING, Kind.ESCAPED):
            yield f"it writes the string '{lexeme.text}' in pieces"
        elif _CLOCK.search(lexeme.text):
            yield f"the literal '{lexeme.text}' depends on the clock"


def unsure_casts(tree: exp.Query) -> Iterator[str]:
    """Why a cast could depend on more than its value, for each that could."""
    for cast in tree.find_all(exp.Cast):
        if _type(cast) not in _MOMENTS | _OTHERS:
            yield f"it casts to {cast.args['to'].sql(dialect='postgres').lower()}, whose meaning may change"
    for reader, value in _read_as_moments(tree):
        if isinstance(reader, exp.AtTimeZone) and isinstance(value, exp.Cast) and _type(value) == "TIME":
            yield "it puts a time AT TIME ZONE, which asks the clock for the day"
        elif not isinstance(value, exp.Column) and not _never_text(value):
            yield "it casts an expression to a date or time, and a text that says now or today means the clock"


def moment_columns(tree: exp.Query) -> frozenset[str]:
    """The columns that are read as dates or times: right if each is a date or a timestamp (with time zone)."""
    values = (value for _, value in _read_as_moments(tree))
    return frozenset(identifier(value.this) for value in values if isinstance(value, exp.Column))


def _read_as_moments(tree: exp.Query) -> Iterator[tuple[exp.Expr, exp.Expr]]:
    """Each cast to a date or time and each AT TIME ZONE, with the values that it may read."""
    for node in tree.walk():
        if isinstance(node, exp.AtTimeZone) or (isinstance(node, exp.Cast) and _type(node) in _MOMENTS):
            for value in _values(node.this):
                yield node, value


def _values(value: exp.Expr) -> Iterator[exp.Expr]:
    """The expressions, one of which is what `value` gives."""
    match value:
        case exp.Paren():
            yield from _values(value.this)
        case exp.Coalesce() | exp.Greatest() | exp.Least():
            for part in (value.this, *value.expressions):
                yield from _values(part)
        case exp.Add() | exp.Sub():
            yield from _values(value.this)
            yield from _values(value.expression)
        case _:
            yield value


def _never_text(value: exp.Expr) -> bool:
    return isinstance(value, _NEVER_TEXT) or (isinstance(value, exp.Cast) and _type(value) in _MOMENTS)


def _type(cast: exp.Cast) -> str:
    """The name sqlglot gives the type, or an array's element type: DATE, INT, …"""
    to = cast.args["to"]
    while isinstance(to, exp.DataType) and to.this is exp.DataType.Type.ARRAY and to.expressions:
        to = to.expressions[0]
    return to.this.value if isinstance(to.this, exp.DataType.Type) else ""
