"""Random histories: what a source holds at each of several runs, and the mode that loads it.

The first run meets a few rows. Every other one meets, besides what stayed, a new row, a changed row and a late row,
and misses one that is gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from contract.modes import MODES, START, by_event_time
from hypothesis import strategies as st

from ematix_flow import LoadMode, Scd2, mode_name
from ematix_flow.testing import Row

FAMILIES: Mapping[str, list[LoadMode]] = {
    name: [mode for mode in MODES.values() if mode_name(mode) == name]
    for name in ("append", "truncate", "merge", "scd2")
}
KEYS = [(region, id_) for region in ("n", "s") for id_ in range(1, 8)]
VALUES = ["a", "b", "", None]
PRICES = [None, Decimal("1.50"), Decimal("1.5"), Decimal("-2.00")]
Key = tuple[str, int]


@dataclass(frozen=True)
class History:
    """What the source holds at each run of a job in `mode`."""

    mode: LoadMode
    reads: tuple[tuple[Row, ...], ...]


@dataclass
class Source:
    """A source that changes: the rows of each key, by their time."""

    draw: st.DrawFn
    several: bool  # whether it keeps the older rows of a key
    hour: int = 0
    rows: dict[Key, dict[datetime, Row]] = field(default_factory=dict)
    gone: set[Key] = field(default_factory=set)  # since the run before

    def insert(self, at: datetime) -> None:
        """A row of a key that is not there: a new one, or one that was and comes back."""
        key = self._one_of([key for key in KEYS if key not in self.rows and key not in self.gone])
        self._put(key, at)

    def change(self, at: datetime) -> None:
        """A row of a key that is there, which says something new."""
        key = self._one_of(list(self.rows))
        held = self.rows[key][max(self.rows[key])]
        self._put(key, at, unlike=held["v"])

    def delete(self) -> None:
        """A key is gone, with all of its rows."""
        key = self._one_of(list(self.rows))
        del self.rows[key]
        self.gone.add(key)

    def correct(self) -> None:
        """A row gets other values and keeps its time."""
        key = self._one_of(list(self.rows))
        self._put(key, self.draw(st.sampled_from(sorted(self.rows[key]))))

    def read(self) -> tuple[Row, ...]:
        """What a run finds, in any order, some rows twice."""
        self.gone.clear()
        found = [row for rows in self.rows.values() for row in rows.values()]
        return tuple(self.draw(st.permutations(found)))

    def _put(self, key: Key, at: datetime, **unlike: str | None) -> None:
        values = [v for v in VALUES if v not in unlike.values()]
