"""May this text run inside a transaction that writes?

A body that is read elsewhere runs READ ONLY, and the server sees to it that nothing is changed. An
`insert … select` inside one database cannot: there, only text that can be seen to do nothing else may run.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from ematix_flow.query.functions import READ_FUNCTIONS
from ematix_flow.query.lexer import lex
from ematix_flow.query.mentions import calls, foreign_casts, foreign_operators
from ematix_flow.query.select import Select
from ematix_flow.query.sources import identifier


def impurity(select: Select) -> str | None:
    """Why `select` might do more than read; None when it reads tables and uses only what is built in.

    Built-in means `pg_catalog`'s non-volatile functions, types and operators. For the caller remain: that
    the named relations are tables (a view may call anything), that their columns have built-in types and
    are columns (`t.f` may mean `f(t)`), and a `search_path` under which no user's function comes first.
    """
    return next(_impurities(select), None)


def attributes(select: Select) -> frozenset[str]:
    """Every `f` of a `t.f`. One that is no column of a table of the query's may mean the function call `f(t)`."""
    return frozenset(
        identifier(column.this)
        for column in select.tree.find_all(exp.Column)
        if column.table and isinstance(column.this, exp.Identifier)
    )


def _impurities(select: Select) -> Iterator[str]:
    lexemes = lex(select.text)
    for operator in foreign_operators(lexemes):
        yield f"it uses the operator {operator}, which is not known to be built in"
    for name in calls(select, lexemes):
        if not name.is_among(READ_FUNCTIONS):
            yield f"it calls {name}(), which is not a built-in function known only to read"
    for name in foreign_casts(select, lexemes):
        yield f"it casts to {name}, which is not a built-in type"
