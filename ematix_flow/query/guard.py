"""Is this text one read-only SELECT? An early answer with a good message.

The certain answer is the server's, which prepares the text and runs it READ ONLY.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError

from ematix_flow.errors import SourceQueryError
from ematix_flow.query.lexer import Kind, Lexeme, lex, place
from ematix_flow.query.select import Select
from ematix_flow.query.words import OTHER_STATEMENTS, WRITING_STATEMENTS

_NO_SELECT = "the query is not a SELECT; return one SELECT"
_PARAMETER = (
    "the query has a parameter ($1, %s, :name or ?), and nothing gives it a value; write the value itself"
)


def parse_select(text: str) -> Select:
    """Read `text` as one read-only SELECT in PostgreSQL's SQL.

    A closing `;`, comments, WITH and set operations are fine.

    Raises:
        SourceQueryError: it is anything else; `reason` says what, and what to write instead.
    """
    lexemes = lex(text)
    while lexemes and lexemes[-1].sign == ";":
        text, lexemes = text[: lexemes[-1].start], lexemes[:-1]
    _refuse_unless_one_statement(text, lexemes)
    _refuse_what_no_query_holds(text, lexemes)
    _refuse_other_statements(lexemes)
    tree = _tree(text)
    _refuse_what_does_more_than_read(tree)
    return Select(text=text, tree=tree)


def _refuse_unless_one_statement(text: str, lexemes: Sequence[Lexeme]) -> None:
    if not lexemes:
        raise SourceQueryError(reason="the query is empty; return one SELECT")
    inner = next((lexeme for lexeme in lexemes if lexeme.sign == ";"), None)
    if inner is not None:
        where = place(text, inner.start)
        raise SourceQueryError(
            reason=f"the query holds more than one statement (`;` at {where}); return exactly one SELECT"
        )


def _refuse_what_no_query_holds(text: str, lexemes: Sequence[Lexeme]) -> None:
    for lexeme in lexemes:
        if lexeme.kind is Kind.PARAMETER:
            raise SourceQueryError(reason=_PARAMETER)
        if lexeme.kind is Kind.WORD and not lexeme.text.isprintable():
            raise SourceQueryError(
                reason=f"the word at {place(text, lexeme.start)} holds an invisible character that PostgreSQL "
                "takes for a letter (a non-breaking space?); write a plain space"
            )


def _refuse_other_statements(lexemes: Sequence[Lexeme]) -> None:
    first, *nested = _first_words(lexemes)
    if first in WRITING_STATEMENTS:
        raise SourceQueryError(
            reason=f"the query is {first.upper()}, which changes data; return a SELECT, and let the job's "
            "target and mode say what is written"
        )
    for word in nested:
        if word in WRITING_STATEMENTS:
            raise SourceQueryError(
                reason=f"the query changes data ({word.upper()} beside WITH); a job's query only reads: "
                "return a SELECT"
            )
    for word in (first, *nested):
        if word in OTHER_STATEMENTS:
            raise SourceQueryError(reason=f"the query is {word.upper()}, not a SELECT; return one SELECT")
    if first == "values":
        raise SourceQueryError(
            reason="the query is VALUES, whose columns have no names; write "
            "`select … from (values …) as v (a, b)`"
        )
    if first == "table":
        raise SourceQueryError(reason="the query is TABLE; write `select * from` and the table's name")
    if first not in ("select", "with", "("):
        raise SourceQueryError(reason=_NO_SELECT)


def _first_words(lexemes: Sequence[Lexeme]) -> Iterator[str]:
    """The text's first word, then the first words of each WITH query and of the statement after each WITH."""
    yield lexemes[0].sign
    depth, withs = 0, []
    signs = ["(", *(lexeme.sign for lexeme in lexemes), ""]
    for before, sign, after in zip(signs, signs[1:], signs[2:], strict=False):
        if sign == "with" and before == "(":
            withs.append(depth)
        elif sign == "(":
            depth += 1
            if before in ("as", "materialized"):
                yield after
        elif sign == ")":
            depth -= 1
            if withs and withs[-1] == depth and after not in (",", "as"):
                withs.pop()
                yield after


def _tree(text: str) -> exp.Query:
    try:
        tree = sqlglot.parse_one(text, read="postgres")
    except Exception as error:  # on odd text sqlglot's parser trips over itself (IndexError, …)
        raise SourceQueryError(reason=_unreadable(error)) from error
    if not isinstance(tree, (exp.Select, exp.SetOperation, exp.Subquery)):
        raise SourceQueryError(reason=_NO_SELECT)
    return tree


def _unreadable(error: Exception) -> str:
    errors = error.errors if isinstance(error, ParseError) else []
    if errors:
        found = errors[0]
        near = f" near `{found['highlight']}` (line {found['line']}, column {found['col']})"
    else:
        near = ""
    return f"the query cannot be read as a SELECT{near}; mend it, or select from a view that holds it"


def _refuse_what_does_more_than_read(tree: exp.Query) -> None:
    for node in tree.walk():
        match node:
            case exp.Into():
                reason = "the query is SELECT INTO, which makes a table; leave INTO out: the job's target is the table"
            case exp.Lock():
                reason = "the query locks rows (FOR UPDATE or FOR SHARE); leave the lock out: a job's query only reads"
            case exp.Placeholder():
                reason = _PARAMETER
            case _:
                continue
        raise SourceQueryError(reason=reason)
