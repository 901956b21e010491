"""SQL text cut into lexemes exactly as PostgreSQL's own scanner cuts it.

sqlglot's trees say how a query is built, but they fold many spellings into one (`nvl(x)` and
`coalesce(x)` become the same node). What a text *names* is therefore read here, from the lexemes the
server will see. The rules are those of "SQL Syntax: Lexical Structure" in the PostgreSQL manual, with
`standard_conforming_strings = on`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from ematix_flow.errors import SourceQueryError


class Kind(Enum):
    """What a lexeme is to the server."""

    WORD = "an identifier or keyword without quotes"
    QUOTED = "an identifier in double quotes"
    STRING = "a string whose characters stand in the text as they are"
    ESCAPED = "a string or identifier written with escapes: E'…' holding a backslash, U&'…', U&\"…\""
    NUMBER = "a number"
    PARAMETER = "a positional parameter, $1"
    OPERATOR = "an operator"
    MARK = "punctuation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lexeme:
    """One lexeme; `source[start:end]` is how it is written, in characters."""

    kind: Kind
    text: str  # a WORD folded, QUOTED and STRING without their quotes, anything else as written
    start: int
    end: int

    @property
    def name(self) -> str | None:
        """The name it could be, folded as PostgreSQL folds it; one with escapes as written, equal to no other."""
        is_name = self.kind in (Kind.WORD, Kind.QUOTED) or (
            self.kind is Kind.ESCAPED and self.text[-1] == '"'
        )
        return self.text if is_name else None

    @property
    def sign(self) -> str:
        """What it could be to the grammar: a word or a punctuation mark, else the empty string."""
        return self.text if self.kind in (Kind.WORD, Kind.MARK) else ""


_LEXEME = re.compile(
    r"""
      (?P<space>[ \t\n\r\f\v]++ | --[^\n\r]*+)
    | (?P<comment>/\*)
    | (?P<ESCAPED>[eE]'(?:[^'\\]|\\.|'')*+' | [uU]&'(?:[^']|'')*+' | [uU]&"(?:[^"]|"")*+")
    | (?P<STRING>[nNbBxX]?'(?:[^']|'')*+' | \$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$)
    | (?P<QUOTED>"(?:[^"]|"")*+")
    | (?P<WORD>[A-Za-z_\u0080-\U0010ffff][A-Za-z_0-9$\u0080-\U0010ffff]*+)
    | (?P<NUMBER>0[xXoObB][0-9a-fA-F_]++ | (?:\d[\d_]*+(?:\.[\d_]*+)?|\.\d[\d_]*+)(?:[eE][+-]?\d++)?)
    | (?P<PARAMETER>\$\d++)
    | (?P<OPERATOR>(?:(?!--|/\*)[~!@\#^&|`?+\-*/%<>=])++)
    | (?P<MARK>::|[^'"])
    """,
    re.VERBOSE | re.DOTALL,
)


def lex(text: str) -> tuple[Lexeme, ...]:
    """Cut `text` into lexemes, without white space and comments.

    Raises:
        SourceQueryError: a quote or comment is opened and never closed.
    """
    return tuple(_lexemes(text))


def fold(name: str) -> str:
    """Lower-case an unquoted name as PostgreSQL does: the ASCII letters only."""
    return "".join(char.lower() if char.isascii() else char for char in name)


def place(text: str, offset: int) -> str:
    """Where `offset` lies, for a message."""
    before = text[:offset]
    return f"line {before.count(chr(10)) + 1}, column {offset - before.rfind(chr(10))}"


def _lexemes(text: str) -> Iterator[Lexeme]:
    position = 0
    while position < len(text):
        match = _LEXEME.match(text, position)
        if match is None:
            reason = f"the quote at {place(text, position)} is never closed; close it"
            raise SourceQueryError(reason=reason)
        group = match.lastgroup or ""
        end = match.end()
        if group == "comment":
            end = _end_of_comment(text, position)
        elif group == "OPERATOR":
            end = position + len(_operator(match[0]))
        if group not in ("space", "comment"):
            yield _lexeme(Kind[group], text[position:end], position)
        position = end


def _end_of_comment(text: str, start: int) -> int:
    depth = 0
    for mark in re.finditer(r"/\*|\*/", text[start:]):
        depth += 1 if mark[0] == "/*" else -1
        if depth == 0:
            return start + mark.end()
    raise SourceQueryError(reason=f"the comment at {place(text, start)} is never closed; close it")


def _operator(run: str) -> str:
    """A run of operator characters is one operator, but `=-` is two: only some may end in + or -."""
    if not set(run) & set("~!@#^&|`?%"):
        while len(run) > 1 and run[-1] in "+-":
            run = run[:-1]
    return run


def _lexeme(kind: Kind, written: str, start: int) -> Lexeme:
    text = written
    if kind is Kind.WORD:
        text = fold(written)
    elif kind is Kind.QUOTED:
        text = written[1:-1].replace('""', '"')
    elif kind is Kind.STRING and written[0] == "$":
        text = written.split("$", 2)[2].rsplit("$", 2)[0]
    elif kind is Kind.STRING:
        text = written[written.index("'") + 1 : -1].replace("''", "'")
    elif kind is Kind.ESCAPED and written[0] in "eE" and "\\" not in written:
        kind, text = Kind.STRING, written[2:-1].replace("''", "'")
    return Lexeme(kind=kind, text=text, start=start, end=start + len(written))
