"""Random histories: what a source holds at one run after the other, and the mode that loads it.

At every run but the first a row is new, one has changed, one is gone, and one comes late: its time lies before that of
all that was there already. Besides, rows may come back, be corrected in place, and stand there twice.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias

from contract.modes import MODES, START, by_event_time, row
from contract.scenarios import A_CENTURY
from hypothesis import strategies as st

from ematix_flow import LoadMode, mode_name
from ematix_flow.testing import Row

FAMILIES: Mapping[str, list[LoadMode]] = {
    name: [mode for mode in MODES.values() if mode_name(mode) == name]
    for name in ("append", "truncate", "merge", "scd2")
}
KEYS = [(region, id_) for region in ("n", "s") for id_ in range(1, 7)]
VALUES = ("a", "b", "", None)
PRICES = ("1.50", "-2.00", None)
HAPPENINGS = {"insert", "update", "delete", "late row"}


_Key: TypeAlias = tuple[str, int]


@dataclass(frozen=True)
class History:
    """What the source holds at each run of a job in `mode`."""

    mode: LoadMode
    reads: tuple[tuple[Row, ...], ...]


@st.composite
def histories(
    draw: st.DrawFn, family: str, *, unique_source: bool, longest: int = 4, abreast: int = 1
) -> History:
    """A history of four runs, or up to `longest`, in one of the modes of a family.

    It may be that of several sources `abreast`: each has keys of its own, and a history of its own.
    """
    mode = draw(st.sampled_from(FAMILIES[family]))
    runs = draw(st.integers(4, longest))
    told = [draw(_histories_of_one(mode, runs)) for _ in range(abreast)]
    reads = []
    for found in zip(*told, strict=True):
        together = [
            {**each, "id": each["id"] + 10 * place} for place, rows in enumerate(found) for each in rows
        ]
        twins = [] if unique_source else draw(st.lists(st.sampled_from(together), max_size=2))
        reads.append(tuple(draw(st.permutations(together + twins))))
    return History(mode, tuple(reads))


@st.composite
def _histories_of_one(draw: st.DrawFn, mode: LoadMode, runs: int) -> list[list[Row]]:
    """What one source holds at each run."""
    source = _Source(draw, keeps_versions=by_event_time(mode) and draw(st.booleans()))
    began = START + draw(st.sampled_from([timedelta(0), timedelta(hours=A_CENTURY)]))
    for _ in range(4):  # enough for a change, a deletion, a late row and a correction of one each
        source.insert(began)
    reads = [source.read()]
    for run in range(1, runs):
        now = began + timedelta(hours=run)
        source.change(now)
        source.delete()
        source.insert(now)
        source.come_late(now - timedelta(hours=draw(st.integers(1, 9)), minutes=run))
        if draw(st.booleans()):
            source.correct()
        reads.append(source.read())
    assert all(_happenings(*each) == HAPPENINGS for each in itertools.pairwise(reads))
    return reads


def _happenings(before: Sequence[Row], after: Sequence[Row]) -> set[str]:
    """What a reader can tell to have happened between two reads."""
    held, found = _times_by_key(before), _times_by_key(after)
    last = max(at for times in held.values() for at in times)
    both = held.keys() & found.keys()
    happened = {
        "insert": bool(found.keys() - held.keys()),
        "update": any(held[key] != found[key] for key in both),
        "delete": bool(held.keys() - found.keys()),
        "late row": any(
            at < last and at not in held.get(key, {}) for key, times in found.items() for at in times
        ),
    }
    return {name for name, has in happened.items() if has}


def _times_by_key(rows: Sequence[Row]) -> dict[_Key, dict[datetime, Row]]:
    found: dict[_Key, dict[datetime, Row]] = {}
    for each in rows:
        found.setdefault((each["region"], each["id"]), {})[each["at"]] = each
    return found


@dataclass
class _Source:
    """The rows of each key by their time; only the last that was written, unless it `keeps_versions`."""

    draw: st.DrawFn
    keeps_versions: bool
    rows: dict[_Key, dict[datetime, Row]] = field(default_factory=dict)
    touched: set[_Key] = field(default_factory=set)  # since the last read: no key is taken twice

    def insert(self, at: datetime) -> None:
        self._write(self._take([key for key in KEYS if key not in self.rows]), at)

    def change(self, at: datetime) -> None:
        key = self._take(self.rows)
        held = self.rows[key][max(self.rows[key])]
        self._write(key, at, [v for v in VALUES if v != held["v"]])

    def delete(self) -> None:
        del self.rows[self._take(self.rows)]

    def come_late(self, at: datetime) -> None:
        """A new row of any key, with a time that is over."""
        self._write(self._take(KEYS), at)

    def correct(self) -> None:
        """A row has other values at the time that it had."""
        key = self._take(self.rows)
        self._write(key, self.draw(st.sampled_from(sorted(self.rows[key]))))

    def read(self) -> list[Row]:
        """What a run finds."""
        self.touched.clear()
        return [each for versions in self.rows.values() for each in versions.values()]

    def _take(self, keys: Collection[_Key]) -> _Key:
        key = self.draw(st.sampled_from([key for key in keys if key not in self.touched]))
        self.touched.add(key)
        return key

    def _write(self, key: _Key, at: datetime, values: Sequence[str | None] = VALUES) -> None:
        region, id_ = key
        v, price = self.draw(st.sampled_from(values)), self.draw(st.sampled_from(PRICES))
        new = row(id_, v, region=region, price=price)
        kept = self.rows.get(key, {}) if self.keeps_versions else {}
        self.rows[key] = {**kept, at: {**new, "at": at}}
