"""What may happen to a row: what the source holds of it at one run after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from contract.modes import by_event_time, row

from ematix_flow import LoadMode
from ematix_flow.testing import Row

Reads: TypeAlias = Sequence[Sequence[Row]]

RUNS = 5
A_CENTURY = 24 * 365 * 100  # hours: far beyond any clock

# Each stands for rows of its own; after its last read the source stays as it is.
ONE_ROW_A_KEY: dict[str, Reads] = {
    "nothing new": [[row(1, "a")]],
    "a first load of several": [[row(1, "a"), row(2, None), row(3, "")]],
    "new later": [[], [row(1, "a")]],
    "a change": [[row(1, "a")], [row(1, "b", 1)]],
    "a change of another column": [[row(1, "a")], [row(1, "a", price="2.00")], [row(1, "a", price="2.50")]],
    "there and back again": [[row(1, "a")], [row(1, "b", 1)], [row(1, "a", 2)]],
    "there and back without a time": [[row(1, "a")], [row(1, "b")], [row(1, "a")]],
    "to null and back": [[row(1, "a")], [row(1, None, 1)], [row(1, None, 2)], [row(1, "a", 3)]],
    "null in the other column": [
        [row(1, None, price=None)],
        [row(1, None, 1)],
        [row(1, None, 2, price=None)],
    ],
    "empty text is no null": [[row(1, "")], [row(1, None, 1)], [row(1, "", 2)]],
    "gone": [[row(1, "a")], []],
    "gone and back as it was": [[row(1, "a")], [], [row(1, "a")]],
    "gone and back changed": [[row(1, "a")], [], [row(1, "b", 1)]],
    "gone and back, twice": [[row(1, "a")], [], [row(1, "a", 2)], [], [row(1, "b", 4)]],
    "late": [[row(1, "a", 100)], [row(1, "a", 100), row(2, "b", -100)]],
    "a change with an older time": [[row(1, "a", 5)], [row(1, "b", 3)], [row(1, "c", 4)]],
    "from the future": [[row(1, "a", A_CENTURY)], [row(1, "b", A_CENTURY + 1)], [], [row(1, "b", A_CENTURY)]],
    "a key in two regions": [
        [row(1, "a"), row(1, "a", region="s")],
        [row(1, "b", 1), row(1, "a", region="s")],
        [row(1, "b", 2)],
    ],
}
TWINS: dict[str, Reads] = {
    "twins": [[row(1, "a")] * 2, [row(1, "a")], [row(1, "b", 1)] * 3, [row(1, "b", 1)] * 2],
}
SEVERAL_VERSIONS: dict[str, Reads] = {
    "all at once and in no order": [[row(1, "c", 3), row(1, "a", 1), row(1, "b", 2)]],
    "a version that says nothing": [[row(1, "a", 1), row(1, "a", 2), row(1, "b", 3), row(1, "b", 4)]],
    "a late version": [[row(1, "a", 1), row(1, "c", 5)], [row(1, "b", 3)], [row(1, "d", 4), row(1, "x", 2)]],
    "a version before all others": [[row(1, "b", 5)], [row(1, "a", 1), row(1, "b", 5)]],
    "a late version like the one after it": [[row(1, "a", 1), row(1, "b", 5)], [row(1, "b", 3)]],
    "a correction": [[row(1, "a", 1), row(1, "b", 2)], [row(1, "x", 1), row(1, "b", 2)], [row(1, "y", 2)]],
    "a correction, and what equals it": [[row(1, "a", 1)], [row(1, "b", 1), row(1, "b", 2), row(1, "c", 3)]],
    "a version in a gap": [
        [row(1, "a", 1)],
        [],
        [row(1, "a", 1), row(1, "b", 3)],
        [],
        [row(1, "c", A_CENTURY)],
    ],
}


def scenarios(mode: LoadMode, *, unique_source: bool) -> dict[str, Reads]:
    """Those that a load in `mode` takes without an error."""
    found = dict(ONE_ROW_A_KEY)
    if not unique_source:
        found |= TWINS
    if by_event_time(mode):
        found |= SEVERAL_VERSIONS
    return found


@dataclass(frozen=True)
class Book:
    """Many scenarios told at once: ids are moved apart, so that no row of one meets one of another."""

    scenarios: dict[str, Reads]

    def reads(self) -> list[list[Row]]:
        """What the source holds at each run."""
        return [
            [
                {**each, "id": each["id"] + 10 * place}
                for place, reads in enumerate(self.scenarios.values())
                for each in (reads[run] if run < len(reads) else reads[-1])
            ]
            for run in range(RUNS)
        ]

    def name_of(self, found: Row) -> str:
        """The scenario that a row belongs to."""
        return list(self.scenarios)[found["id"] // 10]


# --- what is refused ----------------------------------------------------------------------------------

GOOD = [row(1, "a", 1), row(2, "b", 2)]
BAD_KEYS: dict[str, Sequence[Row]] = {
    "no id": [row(None, "c", 3), row(1, "b", 4)],
    "no region": [row(1, "b", 4), row(3, "c", 3, region=None)],
    "two rows of one key": [row(1, "b", 4), row(3, "c", 3), row(3, "d", 3)],
    "two rows of one key, one of them with a null": [row(3, "c", 3), row(3, None, 3)],
}
BAD_TIMES: dict[str, Sequence[Row]] = {"no time": [row(1, "b", None)]}


def refused(mode: LoadMode) -> dict[str, Sequence[Row]]:
    """Reads that a load in `mode` refuses, and leaves the target as it was."""
    return BAD_KEYS | BAD_TIMES if by_event_time(mode) else BAD_KEYS
