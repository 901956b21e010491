"""The value that the rest of `query` reads: one SELECT, as text and as a tree."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlglot import exp


@dataclass(frozen=True, slots=True, kw_only=True)
class Select:
    """Exactly one SELECT that reads and does nothing else, made by `parse_select`.

    Two are equal when their texts are. The text is the user's own and is never printed anew from the
    tree: sqlglot rewrites functions and quoting.
    """

    text: str  # without the closing `;` and what follows it
    tree: exp.Query = field(compare=False, repr=False)
