"""The table that jobs read from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import psycopg
from contract.modes import COLUMNS

from ematix_flow.testing import Row

Twin: TypeAlias = tuple[
    int, tuple[Any, ...]
]  # the values of a row, and which of the rows with these values it is


@dataclass
class Origin:
    """A Postgres table that rows are read from. Only what changed in it is written, so that runs can track it."""

    session: psycopg.Connection
    slots: dict[Twin, int] = field(default_factory=dict)  # a number of its own for each row that is held

    def begin(self, unique: str | None) -> None:
        """An empty table, with a unique index on these columns."""
        self.session.execute("drop schema if exists raw cascade")
        self.session.execute("create schema raw")
        null = "not null" if unique else ""
        self.session.execute(
            f"create table raw.t (slot bigint, region text {null}, id bigint {null}, v text, price numeric(8, 2), "
            "at timestamptz, note text)"
        )
        if unique:
            self.session.execute(f"create unique index on raw.t ({unique})")
        self.slots = {}

    def hold(self, rows: Sequence[Row]) -> None:
        """Make the table hold exactly these rows; twins count."""
        numbered: Counter[tuple[Any, ...]] = Counter()
        wanted = []
        for each in rows:
            values = (*(each[name] for name in COLUMNS), each.get("note"))
            wanted.append((numbered[values], values))
            numbered[values] += 1
        gone = [slot for twin, slot in self.slots.items() if twin not in set(wanted)]
        self.session.execute("delete from raw.t where slot = any(%s)", [gone])
        self.slots = {twin: slot for twin, slot in self.slots.items() if slot not in gone}
        new = [twin for twin in wanted if twin not in self.slots]
        with self.session.cursor() as cursor:
            first = max(self.slots.values(), default=0) + 1
            self.slots |= {twin: first + place for place, twin in enumerate(new)}
            cursor.executemany(
                "insert into raw.t values (%s, %s, %s, %s, %s, %s, %s)",
                [(self.slots[twin], *twin[1]) for twin in new],
            )
