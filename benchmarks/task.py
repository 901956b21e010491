"""What a measured process is told and what it answers: standard library only, so that every peer can import it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

RAW = "raw"  # the schema of every source table
SCHEMA = "analytics"  # of every target, whoever loads it


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One load. The SQL is ready to run; an empty `target` or `lake` says that no such target is asked for."""

    dataset: str  # its name is the target table's too
    source: str  # libpq URL
    source_table: str  # in schema `raw`
    select: str  # every column of the source table, by name
    target: str = ""  # libpq URL
    create: str = ""  # makes the target's table, for those who do not do it themselves
    lake: str = ""  # a folder; the table lies at <lake>/<schema>/<dataset>
    keys: tuple[str, ...] = ()  # of the target table
    columns: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def query(self) -> str:
        """The SQL to run: `select`, unless a contestant's options name another of the options."""
        return self.options.get(self.options.get("query", ""), self.select)

    @property
    def schema(self) -> str:
        """The target's schema."""
        return self.options.get("schema", SCHEMA)

    @property
    def table(self) -> str:
        """The target's name as SQL and the tools write it."""
        return f"{self.schema}.{self.dataset}"

    @property
    def folder(self) -> str:
        """Where the Delta table lies."""
        return f"{self.lake}/{self.schema}/{self.dataset}"

    def to_json(self) -> str:
        """Write it for a child process."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Task:
        """Read what `to_json` wrote."""
        values = json.loads(text)
        lists = {name: tuple(values[name]) for name in ("keys", "columns")}
        return cls(**(values | lists))


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What the work itself tells: how many rows were read, and more if it is one thing done many times."""

    rows: int
    samples: tuple[float, ...] = ()  # seconds of each repetition
    beside: Mapping[str, tuple[float, ...]] = field(
        default_factory=dict
    )  # of what took turns with it, by name
    facts: Mapping[str, float] = field(default_factory=dict)  # what else is to be shown, by name


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What one load took: wall and client CPU seconds, the peak resident set in MB of the whole process."""

    done: Done
    seconds: float
    cpu: float
    rss: float

    @classmethod
    def from_values(cls, values: dict[str, Any]) -> Measurement:
        """Of what `asdict` made, once JSON has carried it."""
        done = values["done"]
        beside = {name: tuple(samples) for name, samples in done["beside"].items()}
        told = Done(**(done | {"samples": tuple(done["samples"]), "beside": beside}))
        return cls(**(values | {"done": told}))


Work: TypeAlias = Callable[[], Done]
"""What is measured. The program that gives it has imported what it needs and made what has to be there."""

Program: TypeAlias = Callable[[Task], Work]
