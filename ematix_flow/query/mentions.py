"""What a SELECT's text calls and casts to, and which operators and strings it writes.

Read from the lexemes; the tree only says which parentheses belong to an alias or a column definition.
Where a reading is in doubt it is reported as a call or a cast, so that whoever asks says no.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlglot import exp

from ematix_flow.query.functions import BARE_FUNCTIONS, OPERATORS, TYPES
from ematix_flow.query.lexer import Kind, Lexeme
from ematix_flow.query.select import Select
from ematix_flow.query.words import GRAMMAR_PAIRS, GRAMMAR_WORDS, WORDS_BEFORE_STRINGS


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """A function's or type's name: its parts folded as PostgreSQL folds them, from schema to name."""

    parts: tuple[str, ...]

    def __str__(self) -> str:
        return ".".join(
            part if part.isidentifier() and part == part.lower() else f'"{part}"' for part in self.parts
        )

    def is_among(self, built_in: frozenset[str]) -> bool:
        """Whether it means the object of that name in pg_catalog."""
        return self.parts[:-1] in ((), ("pg_catalog",)) and not built_in.isdisjoint(self.parts[-1:])


def calls(select: Select, lexemes: Sequence[Lexeme]) -> Iterator[Name]:
    """Every function that is called, in the order of the text; the grammar's own (coalesce, cast) are not."""
    aliases = _starts(select.tree, exp.TableAlias)
    for index, lexeme in enumerate(lexemes):
        if lexeme.sign == "(":
            start = _name_before(lexemes, index)
            if (
                start < index
                and lexemes[start].start not in aliases
                and not _is_grammar(lexemes, start, index)
            ):
                yield _name(lexemes[start:index])
        elif lexeme.sign in BARE_FUNCTIONS and not _is_bare_label(lexemes, index):
            yield _name((lexeme,))


def foreign_casts(select: Select, lexemes: Sequence[Lexeme]) -> Iterator[Name]:
    """Every type that a value is cast to or read as, and that is not built in."""
    for start in sorted(_type_positions(select, lexemes)):
        name = _name(lexemes[start : _name_end(lexemes, start)])
        if not name.is_among(TYPES):
            yield name


def foreign_operators(lexemes: Sequence[Lexeme]) -> Iterator[str]:
    """Every operator that is not built in, or is named with OPERATOR(…) and so could be anyone's."""
    for index, lexeme in enumerate(lexemes):
        if lexeme.kind is Kind.OPERATOR and lexeme.text not in OPERATORS:
            yield lexeme.text
        elif lexeme.sign == "operator" and _sign(lexemes, index + 1) == "(":
            yield "".join(part.text for part in lexemes[index : index + 6]).partition(")")[0] + ")"


def _type_positions(select: Select, lexemes: Sequence[Lexeme]) -> Iterator[int]:
    definitions = _starts(select.tree, exp.ColumnDef)
    for index, lexeme in enumerate(lexemes):
        if lexeme.sign == "::" or lexeme.start in definitions:
            yield index + 1
        elif lexeme.sign == "cast" and _sign(lexemes, index + 1) == "(":
            yield _cast_type(lexemes, index + 1)
        elif lexeme.kind in (Kind.STRING, Kind.ESCAPED):
            start = _name_before(lexemes, index)
            if start < index and not _may_precede_a_string(lexemes, start, index):
                yield start


def _cast_type(lexemes: Sequence[Lexeme], opening: int) -> int:
    """Where the type stands in `cast (value as type)`: after the `as` of that parenthesis itself."""
    depth = 0
    for index in range(opening, len(lexemes)):
        depth += {"(": 1, ")": -1}.get(lexemes[index].sign, 0)
        if depth == 1 and lexemes[index].sign == "as":
            return index + 1
    return opening


def _name_before(lexemes: Sequence[Lexeme], end: int) -> int:
    """The index where the dotted name that ends just before `end` begins; `end` if there is none."""
    start = end
    while start > 0 and lexemes[start - 1].name is not None:
        start -= 1
        if _sign(lexemes, start - 1) != ".":
            break
        start -= 1
    return start


def _name_end(lexemes: Sequence[Lexeme], start: int) -> int:
    end = start + 1
    while _sign(lexemes, end) == "." and end + 1 < len(lexemes):
        end += 2
    return end


def _name(lexemes: Sequence[Lexeme]) -> Name:
    return Name(parts=tuple(lexeme.text for lexeme in lexemes if lexeme.sign != "."))


def _is_grammar(lexemes: Sequence[Lexeme], start: int, end: int) -> bool:
    before = _sign(lexemes, start - 1)
    if before in ("as", "::"):  # an alias or a type: no call follows these
        return True
    return end - start == 1 and _is_grammar_word(before, lexemes[start].sign)


def _is_bare_label(lexemes: Sequence[Lexeme], index: int) -> bool:
    """Whether the word is a label (`as user`), a qualified column, or a call with parentheses after all."""
    return _sign(lexemes, index - 1) in (".", "as") or _sign(lexemes, index + 1) == "("


def _may_precede_a_string(lexemes: Sequence[Lexeme], start: int, end: int) -> bool:
    word = lexemes[start].sign
    grammar = word in WORDS_BEFORE_STRINGS or _is_grammar_word(_sign(lexemes, start - 1), word)
    return end - start == 1 and grammar


def _is_grammar_word(before: str, word: str) -> bool:
    return word in GRAMMAR_WORDS or (before, word) in GRAMMAR_PAIRS


def _sign(lexemes: Sequence[Lexeme], index: int) -> str:
    return lexemes[index].sign if 0 <= index < len(lexemes) else ""


def _starts(tree: exp.Query, kind: type[exp.TableAlias | exp.ColumnDef]) -> frozenset[int]:
    """Where the names of such nodes begin in the text."""
    names = (node.this for node in tree.find_all(kind))
    return frozenset(name.meta["start"] for name in names if name is not None and "start" in name.meta)
