"""Collecting the mistakes of declarations, so that all of them are reported at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from ematix_flow.errors import DeclarationError, Problem
from ematix_flow.spec import Origin

Family: TypeAlias = type[DeclarationError]


@dataclass(slots=True)
class Problems:
    """The mistakes found so far in one pass over declarations."""

    _found: list[tuple[Problem, Family]] = field(default_factory=list)

    def about(self, declaration: str, origin: Origin) -> Report:
        """A report on one declaration (such as "job 'load_orders'"), which adds to these problems."""
        return Report(problems=self, declaration=declaration, origin=origin)

    def add(self, problem: Problem, family: Family) -> None:
        """Note one mistake and the kind of error that it is."""
        self._found.append((problem, family))

    def raise_if_any(self) -> None:
        """Raise one error with every problem, sorted by file and line.

        Raises:
            DeclarationError: there are problems; its subclass where they are all of that kind.
        """
        if not self._found:
            return
        families = {family for _, family in self._found}
        family = families.pop() if len(families) == 1 else DeclarationError
        problems = sorted((problem for problem, _ in self._found), key=lambda p: (p.file, p.line))
        raise family(problems=tuple(problems))


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Where the mistakes of one declaration are noted."""

    problems: Problems
    declaration: str
    origin: Origin

    def add(self, text: str, *, field: str | None = None, family: Family = DeclarationError) -> None:
        """Note what is wrong (`text`, which also says what to do) with one field, or with the whole."""
        problem = Problem(
            file=self.origin.file,
            line=self.origin.line,
            declaration=self.declaration,
            field=field,
            text=text,
        )
        self.problems.add(problem, family)


def suggestion(word: str, choices: Iterable[str]) -> str:
    """The end of a sentence about an unknown word: the closest choices, else all of them."""
    known = sorted(set(choices))
    if close := difflib.get_close_matches(word, known, n=3):
        return f"did you mean {either(close)}?"
    return f"choose {either(known)}" if known else "there is none to choose"


def either(words: Iterable[str]) -> str:
    """`'a'`, `'a' or 'b'`, `'a', 'b' or 'c'`."""
    quoted = [f"'{word}'" for word in words]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"
