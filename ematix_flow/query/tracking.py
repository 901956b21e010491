"""Can a transaction-id window be put on this SELECT? (DESIGN 4.4, "Nothing declared, and yet tracked")

Reading only the rows whose `xmin` is new is right as long as each output row follows from one row of
one table and from nothing else. What is not known to be so is refused, and then read in full.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TypeAlias

from sqlglot import exp

from ematix_flow.query.lexer import Lexeme, lex
from ematix_flow.query.moments import moment_columns
from ematix_flow.query.rowwise import doubts
from ematix_flow.query.select import Select
from ematix_flow.query.shape import Outputs, has_star, outputs, plain_table
from ematix_flow.query.sources import TableRef, identifier, table_ref

_CLAUSES = {
    "distinct": "it removes duplicates (DISTINCT)",
    "limit": "it limits rows (LIMIT or FETCH)",
    "offset": "it skips rows (OFFSET)",
    "windows": "it has a WINDOW clause",
}
_HARMLESS = frozenset({"expressions", "from", "from_", "where", "order"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Trackable:
    """A SELECT of which any subset of the table's rows can be read on its own.

    `text[start:end]` is the table's name as it is written, with its schema and without its alias; it may
    be replaced by a sub-select over the same columns, aliased (quoted!) with the table's own name where
    `alias` is None. For the caller remains what only the catalog knows: that the table is an ordinary
    heap, that every one of `columns` is a column of it (`e.f` could mean `f(e)`) of a built-in type or an
    enum, and that every one of `moment_columns` is a date or a timestamp: a text may say now, and a time
    AT TIME ZONE asks the clock for the day.
    """

    table: TableRef
    start: int
    end: int
    alias: str | None
    outputs: Outputs
    star: bool
    columns: tuple[str, ...]  # every column that is written out, sorted
    moment_columns: tuple[str, ...]  # those cast to a date or time, or put AT TIME ZONE, sorted


@dataclass(frozen=True, slots=True, kw_only=True)
class Untrackable:
    """A SELECT that must be read in full; `reason` is a phrase for explain(): "it calls now(), …"."""

    reason: str


Tracking: TypeAlias = Trackable | Untrackable


def tracking(select: Select) -> Tracking:
    """Whether reading only the table's new rows gives exactly the new rows of `select`."""
    table = plain_table(select)
    if isinstance(table, str):
        return Untrackable(reason=table)
    lexemes = lex(select.text)
    reason = next(chain(_clause_doubts(select.tree), doubts(select, table, lexemes)), None)
    place = _place(table, lexemes)
    if reason is not None or place is None:
        return Untrackable(reason=reason or "its table's place in the text cannot be told for certain")
    alias = table.args.get("alias")
    return Trackable(
        table=table_ref(table),
        start=place[0],
        end=place[1],
        alias=identifier(alias.this) if alias else None,
        outputs=outputs(select),
        star=has_star(select),
        columns=tuple(sorted(_columns(select))),
        moment_columns=tuple(sorted(moment_columns(select.tree))),
    )


def _clause_doubts(tree: exp.Query) -> Iterator[str]:
    for name, value in tree.args.items():
        if value and name not in _HARMLESS:
            yield _CLAUSES.get(name, f"it has a clause that is not known here ({name})")


def _place(table: exp.Table, lexemes: Sequence[Lexeme]) -> tuple[int, int] | None:
    """Where the table's name stands, from the tree's positions, provided the lexemes agree with them."""
    nodes = [node for node in (table.args.get("db"), table.this) if node]
    starts = [lexeme.start for lexeme in lexemes]
    if nodes[0].meta.get("start") not in starts:
        return None
    first = starts.index(nodes[0].meta["start"])
    written = lexemes[first : first + 2 * len(nodes) - 1]
    names, dots = [lexeme.name for lexeme in written[::2]], [lexeme.sign for lexeme in written[1::2]]
    if names != [identifier(node) for node in nodes] or dots != ["."] * (len(nodes) - 1):
        return None
    if lexemes[first - 1].sign != "from" or not _ends_there(table, lexemes[first + len(written) :]):
        return None
    return written[0].start, written[-1].end


def _ends_there(table: exp.Table, rest: Sequence[Lexeme]) -> bool:
    """Whether nothing but the alias stands between the table's name and the next clause."""
    if rest and rest[0].sign == "as":
        rest = rest[1:]
    alias = table.args.get("alias")
    if alias and rest and rest[0].name == identifier(alias.this):
        rest = rest[1:]
    return not rest or rest[0].sign in ("where", "order")


def _columns(select: Select) -> frozenset[str]:
    """The columns that are written out. A bare name in ORDER BY means the output column of that name first."""
    named = {name for name, _ in outputs(select)}
    columns = (column for column in select.tree.find_all(exp.Column) if not isinstance(column.this, exp.Star))
    return frozenset(
        identifier(column.this)
        for column in columns
        if column.table or not isinstance(column.parent, exp.Ordered) or identifier(column.this) not in named
    )
