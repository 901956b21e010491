"""What a SELECT from one plain table puts out: which output column is which column of the table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from sqlglot import exp

from ematix_flow.query.functions import BARE_FUNCTIONS, READ_FUNCTIONS, SET_RETURNING_FUNCTIONS
from ematix_flow.query.lexer import lex
from ematix_flow.query.mentions import calls
from ematix_flow.query.select import Select
from ematix_flow.query.sources import TableRef, clause, identifier, table_ref

Outputs: TypeAlias = tuple[tuple[str, str | None], ...]

# PostgreSQL's name for an expression that suggests none. It stands as well where the server would derive
# a name (`lower(x)` is called lower), since no column of a table is called so.
UNNAMED = "?column?"

_NOT_ONE_TABLE = {
    "with": "it has a WITH clause",
    "joins": "it joins tables",
    "laterals": "it joins tables",
    "group": "it groups rows (GROUP BY)",
    "having": "it filters groups (HAVING)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleTable:
    """A SELECT whose every row is at most one row of one table, and no row of it twice."""

    table: TableRef
    outputs: Outputs  # (output column, the table's column that it passes through unchanged, if it does)
    star: bool  # whether `*` stands among the outputs; `outputs` then holds what stands beside it


def single_table(select: Select) -> SingleTable | None:
    """What `select` puts out, if it reads one plain table row by row; else None.

    So a unique key of the table, passed through, is unique in the output. WHERE may hold sub-selects and
    the clock; DISTINCT and LIMIT only take rows away. For the caller remains that the table is one (a
    view, or the children of an inheritance parent, may repeat a key) and that the columns named in
    `outputs` are columns of it (`t.f` may mean `f(t)`).
    """
    table = plain_table(select)
    if isinstance(table, str):
        return None
    keeps_rows = READ_FUNCTIONS - SET_RETURNING_FUNCTIONS
    if not all(name.is_among(keeps_rows) for name in calls(select, lex(select.text))):
        return None
    return SingleTable(table=table_ref(table), outputs=outputs(select), star=has_star(select))


def plain_table(select: Select) -> exp.Table | str:
    """The one table that `select` reads row by row, or the phrase that says why there is none."""
    root = select.tree
    if isinstance(root, exp.SetOperation):
        return f"it is a set operation ({root.key.upper()})"
    if not isinstance(root, exp.Select):
        return "it stands in parentheses"
    for name, reason in _NOT_ONE_TABLE.items():
        if clause(root, name):
            return reason
    from_ = clause(root, "from")
    if from_ is None:
        return "it reads no table"
    return _plain(from_.this)


def outputs(select: Select) -> Outputs:
    """The output columns that are written out, each with the column it passes through unchanged."""
    return tuple(_output(projection) for projection in select.tree.selects if not _is_star(projection))


def has_star(select: Select) -> bool:
    """Whether `*` or `alias.*` stands among the output columns."""
    return any(_is_star(projection) for projection in select.tree.selects)


def _plain(source: exp.Expr) -> exp.Table | str:
    if isinstance(source, (exp.Subquery, exp.Lateral)):
        return "it reads a sub-select or a join in parentheses, not a table"
    if not isinstance(source, exp.Table) or not isinstance(source.this, exp.Identifier):
        return "it reads a function's rows or VALUES, not a table"
    written = {name for name, value in source.args.items() if value}
    if "only" in written:
        return "it reads ONLY a table, without its children"
    if "sample" in written:
        return "it reads a sample (TABLESAMPLE)"
    alias = source.args.get("alias")
    if alias is not None and alias.columns:
        return "the table's alias renames its columns"
    unknown = written - {"this", "db", "alias"}
    return f"it reads a table with {', '.join(sorted(unknown))}" if unknown else source


def _is_star(projection: exp.Expr) -> bool:
    return isinstance(projection, exp.Star) or (
        isinstance(projection, exp.Column) and isinstance(projection.this, exp.Star)
    )


def _output(projection: exp.Expr) -> tuple[str, str | None]:
    value = projection.this if isinstance(projection, exp.Alias) else projection
    source = _column(value) if isinstance(value, exp.Column) else None
    if isinstance(projection, exp.Alias):
        return identifier(projection.args["alias"]), source
    return source or UNNAMED, source


def _column(column: exp.Column) -> str | None:
    name = identifier(column.this)
    is_function = not column.table and not column.this.args.get("quoted") and name in BARE_FUNCTIONS
    return None if is_function else name
