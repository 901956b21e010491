"""Which tables a SELECT reads."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from ematix_flow.query.functions import BARE_FUNCTIONS
from ematix_flow.query.lexer import fold
from ematix_flow.query.select import Select


@dataclass(frozen=True, slots=True)
class TableRef:
    """A table as a query names it, folded as PostgreSQL folds: unquoted lower case, quoted as it stands."""

    schema: str | None
    name: str

    def __lt__(self, other: TableRef) -> bool:
        return (self.schema or "", self.name) < (other.schema or "", other.name)

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name


def source_tables(select: Select) -> tuple[TableRef, ...]:
    """The tables (and views) that `select` names, sorted, each once.

    Queries of WITH and functions are not tables. A WITH query hides a table of its name only where
    PostgreSQL says so: not inside itself and not before itself, unless WITH is RECURSIVE.
    """
    named = (table for table in select.tree.find_all(exp.Table) if isinstance(table.this, exp.Identifier))
    return tuple(sorted({table_ref(table) for table in named if not _is_something_else(table)}))


def table_ref(table: exp.Table) -> TableRef:
    """The folded name of a table node."""
    schema = table.args.get("db")
    return TableRef(identifier(schema) if schema else None, identifier(table.this))


def identifier(node: exp.Identifier) -> str:
    """The folded name of an identifier node."""
    return node.name if node.args.get("quoted") else fold(node.name)


def clause(node: exp.Expr, name: str) -> exp.Expr | None:
    """A clause whose name is a Python keyword: sqlglot 27 calls it `with`, later ones `with_`."""
    found: exp.Expr | None = node.args.get(f"{name}_") or node.args.get(name)
    return found


def _is_something_else(table: exp.Table) -> bool:
    """Whether the bare name means a WITH query, or a function of the grammar such as current_date."""
    if table.args.get("db"):
        return False
    if not table.this.args.get("quoted") and fold(table.name) in BARE_FUNCTIONS:
        return True
    name = identifier(table.this)
    inner: exp.Expr = table
    while (outer := inner.parent) is not None:
        with_ = clause(outer, "with")
        if with_ is not None and with_ is not inner and name in _names(with_.expressions):
            return True
        if isinstance(outer, exp.With) and name in _names(_visible_inside(outer, inner)):
            return True
        inner = outer
    return False


def _visible_inside(with_: exp.With, query: exp.Expr) -> list[exp.Expr]:
    """Which of its queries one query of a WITH can read: those before it, or all if it is RECURSIVE."""
    queries = with_.expressions
    if with_.args.get("recursive"):
        return queries
    return queries[: next(index for index, other in enumerate(queries) if other is query)]


def _names(queries: list[exp.Expr]) -> set[str]:
    return {identifier(query.args["alias"].this) for query in queries}
