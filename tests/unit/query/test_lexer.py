"""The text is cut as PostgreSQL's scanner cuts it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ematix_flow.query.lexer import Kind, fold, lex

WORD, QUOTED, STRING, ESCAPED = Kind.WORD, Kind.QUOTED, Kind.STRING, Kind.ESCAPED
OPERATOR, MARK, NUMBER, PARAMETER = Kind.OPERATOR, Kind.MARK, Kind.NUMBER, Kind.PARAMETER


@pytest.mark.parametrize(
    ("text", "lexemes"),
    [
        ("Raw.Events", [(WORD, "raw"), (MARK, "."), (WORD, "events")]),
        ('"Raw" . "a""b"', [(QUOTED, "Raw"), (MARK, "."), (QUOTED, 'a"b')]),
        ("ÄB_1$", [(WORD, "Äb_1$")]),
        ("'it''s'", [(STRING, "it's")]),
        ("'back\\slash'", [(STRING, "back\\slash")]),
        ("$$a;'b$$ $t$x$$y$t$", [(STRING, "a;'b"), (STRING, "x$$y")]),
        ("N'n' b'01' X'ff' e'plain''s'", [(STRING, "n"), (STRING, "01"), (STRING, "ff"), (STRING, "plain's")]),
        (r"E'\'; ' U&'\0061' u&" + '"x"', [(ESCAPED, r"E'\'; '"), (ESCAPED, r"U&'\0061'"), (ESCAPED, 'u&"x"')]),
        ("a -- b\n c --d\re", [(WORD, "a"), (WORD, "c"), (WORD, "e")]),
        ("a /* b /* c */ ' */ d", [(WORD, "a"), (WORD, "d")]),
        ("1.5 .5 1e-9 1_000 0x1F", [(NUMBER, "1.5"), (NUMBER, ".5"), (NUMBER, "1e-9"), (NUMBER, "1_000"), (NUMBER, "0x1F")]),
        ("$1+a", [(PARAMETER, "$1"), (OPERATOR, "+"), (WORD, "a")]),
        ("a=-1", [(WORD, "a"), (OPERATOR, "="), (OPERATOR, "-"), (NUMBER, "1")]),
        ("a@-1", [(WORD, "a"), (OPERATOR, "@-"), (NUMBER, "1")]),
        ("a->>'b'::text", [(WORD, "a"), (OPERATOR, "->>"), (STRING, "b"), (MARK, "::"), (WORD, "text")]),
        ("a<--1\n b", [(WORD, "a"), (OPERATOR, "<"), (WORD, "b")]),
        ("a*/**/b", [(WORD, "a"), (OPERATOR, "*"), (WORD, "b")]),
    ],
)  # fmt: skip
def test_a_text_is_cut_into_these_lexemes(text: str, lexemes: list[tuple[Kind, str]]) -> None:
    assert [(lexeme.kind, lexeme.text) for lexeme in lex(text)] == lexemes


@given(st.text(alphabet="aÉ1_$ .,;()*='\"-\n+<|:", max_size=40))
def test_strings_and_comments_hold_anything(inner: str) -> None:
    text = "'" + inner.replace("'", "''") + "'/*" + inner + "*/ x"
    string, word = lex(text)
    assert (string.text, word.text) == (inner, "x")
    assert text[word.start : word.end] == "x"


@pytest.mark.parametrize(("name", "folded"), [("Events", "events"), ("ÉVÉNEMENT", "ÉvÉnement"), ("İ", "İ")])
def test_only_ascii_letters_are_folded(name: str, folded: str) -> None:
    assert fold(name) == folded
