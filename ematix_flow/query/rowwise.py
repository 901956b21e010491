"""Does each output row follow from one row of the table, and from nothing else?

Every construct must be known to be so; whatever is not is a reason to say no.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlglot import exp

from ematix_flow.query.functions import ROW_FUNCTIONS
from ematix_flow.query.lexer import Lexeme
from ematix_flow.query.mentions import calls, foreign_casts, foreign_operators
from ematix_flow.query.moments import clock_strings, unsure_casts
from ematix_flow.query.select import Select
from ematix_flow.query.sources import identifier
from ematix_flow.query.words import words

SYSTEM_COLUMNS = frozenset({"cmax", "cmin", "ctid", "tableoid", "xmax", "xmin"})

_KNOWN = (
    exp.Alias,
    exp.All,
    exp.Any,
    exp.AtTimeZone,
    exp.Between,
    exp.Binary,  # which operators, the lexemes say
    exp.BitString,
    exp.Boolean,
    exp.Bracket,
    exp.Column,
    exp.DataType,
    exp.DataTypeParam,
    exp.From,
    exp.Func,  # which functions, the lexemes say
    exp.HexString,
    exp.Identifier,
    exp.In,
    exp.Interval,
    exp.JSONPath,
    exp.JSONPathPart,
    exp.Literal,
    exp.National,
    exp.Null,
    exp.Order,
    exp.Ordered,
    exp.RawString,
    exp.Slice,
    exp.Table,
    exp.TableAlias,
    exp.Tuple,
    exp.Unary,
    exp.Where,
)
# A collation may be anyone's, MatchAgainst is text search (dictionaries), UDTF makes rows.
_UNSURE = (exp.Collate, exp.MatchAgainst, exp.UDTF)

_UNITS = words(
    """
    CENTURY DAY DECADE DOW DOY EPOCH HOUR ISODOW ISOYEAR JULIAN MICROSECOND MICROSECONDS MILLENNIUM
    MILLISECOND MILLISECONDS MINUTE MONTH QUARTER SECOND WEEK YEAR
    """,
)


def doubts(select: Select, table: exp.Table, lexemes: Sequence[Lexeme]) -> Iterator[str]:
    """Why a row of `select` might depend on more than one row of `table`: a phrase for each reason."""
    root = select.tree
    if any(isinstance(node, exp.Query) for node in root.walk() if node is not root):
        yield "it holds a sub-select"
    for operator in foreign_operators(lexemes):
        yield f"it uses the operator {operator}, which is not known to be built in"
    for name in calls(select, lexemes):
        if not name.is_among(ROW_FUNCTIONS):
            yield f"it calls {name}(), which is not known to depend on one row alone"
    for name in foreign_casts(select, lexemes):
        yield f"it casts to {name}, which is not a built-in type"
    yield from clock_strings(lexemes)
    yield from _column_doubts(root, table)
    yield from _name_doubts(table, lexemes)
    yield from _construct_doubts(root)
    yield from unsure_casts(root)


def _reference(table: exp.Table) -> str:
    """The name by which the query's columns may name the table: its alias if it has one."""
    return identifier(table.args["alias"].this if table.args.get("alias") else table.this)


def _column_doubts(root: exp.Query, table: exp.Table) -> Iterator[str]:
    for column in root.find_all(exp.Column):
        qualifier = column.args.get("table")
        if column.args.get("db"):
            yield f"it names a column with its schema, {column.sql(dialect='postgres')}"
        elif isinstance(column.this, exp.Star) and column.parent is not root:
            yield f"it uses the whole row {_reference(table)}.*"
        elif qualifier is not None and identifier(qualifier) != _reference(table):
            yield f"it names a column of {identifier(qualifier)}, which is not its table"


def _name_doubts(table: exp.Table, lexemes: Sequence[Lexeme]) -> Iterator[str]:
    """System columns and the whole row, sought in the lexemes: a tree may hide a name in a keyword's place."""
    alias = table.args.get("alias")
    defining = {node.meta.get("start") for node in (table.this, alias and alias.this) if node}
    for index, lexeme in enumerate(lexemes):
        if lexeme.name in SYSTEM_COLUMNS:
            yield f"it uses the system column {lexeme.name}"
        if lexeme.name != _reference(table) or lexeme.start in defining:
            continue
        before = lexemes[index - 1].sign
        after = lexemes[index + 1].sign if index + 1 < len(lexemes) else ""
        if before not in (".", "as") and after not in (".", "("):
            yield f"it uses the whole row {lexeme.name}"


def _construct_doubts(root: exp.Query) -> Iterator[str]:
    for node in root.walk():
        doubt = None if node is root else _construct_doubt(node)
        if doubt is not None:
            yield doubt


def _construct_doubt(node: exp.Expr) -> str | None:
    match node:
        case exp.Dot() if isinstance(node.expression, exp.Func):  # pg_catalog.lower(x)
            return None
        case exp.Dot():
            return "it reads a part of a composite value"
        case exp.Var() if node.name.upper() in _UNITS or isinstance(node.parent, (exp.Interval, exp.Kwarg)):
            return None
        case exp.Var():
            return f"it uses {node.name} where a unit of time is expected"
        case exp.Star() if not any(node.args.values()):
            return None
        case _ if isinstance(node, _KNOWN) and not isinstance(node, _UNSURE):
            return None
        case _:
            return f"it holds {node.key.upper()}, which is not known to depend on one row alone"
