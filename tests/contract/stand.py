"""What the contract is about: modes, rows, and the backends that run real jobs beside a table in memory.

A backend holds rows in a source, runs a job on them, and shows what the target holds then. `agree` runs it and the
specification side by side.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import psycopg
import pyarrow as pa
from deltalake import DeltaTable

from ematix_flow import (
    Append,
    Deletes,
    DuplicateKeyError,
    EmptySourceError,
    Job,
    LoadCounts,
    LoadMode,
    Merge,
    NullKeyError,
    Project,
    RunError,
    Scd2,
    Truncate,
    pk,
    run_job,
)
from ematix_flow.backends.postgres.ddl import create_table
from ematix_flow.history import physical_table
from ematix_flow.spec import JobTarget
from ematix_flow.testing import DuplicateKey, EmptySource, MemoryBackend, NullKey, Row
from ematix_flow.types import BigInt, Numeric, Text, TimestampTZ

# --- modes -------------------------------------------------------------------------------------------

KEY = ("region", "id")
HARD, SOFT = Deletes.HARD, Deletes.SOFT
MODES: dict[str, LoadMode] = {
    "append": Append(),
    "append by key": Append(keys=KEY),
    "truncate": Truncate(),
    "truncate by key": Truncate(keys=KEY),
    "merge": Merge(keys=KEY),
    "merge of one column": Merge(keys=KEY, update=("v",)),
    "merge with hard deletes": Merge(keys=KEY, deletes=HARD),
    "merge with soft deletes": Merge(keys=KEY, deletes=SOFT),
    "merge of a source that may be empty": Merge(keys=KEY, deletes=HARD, allow_empty_source=True),
    "merge with marks of a source that may be empty": Merge(keys=KEY, deletes=SOFT, allow_empty_source=True),
    "scd2": Scd2(keys=KEY),
    "scd2 of one column": Scd2(keys=KEY, compare=("v",)),
    "scd2 that closes": Scd2(keys=KEY, deletes=SOFT),
    "scd2 of a source that may be empty": Scd2(keys=KEY, deletes=SOFT, allow_empty_source=True),
    "scd2 by event time": Scd2(keys=KEY, valid_from="at"),
    "scd2 by event time of one column": Scd2(keys=KEY, valid_from="at", compare=("v",)),
    "scd2 by event time that closes": Scd2(keys=KEY, valid_from="at", deletes=SOFT),
}
LEANS_ON_A_KEY = [name for name, mode in MODES.items() if mode.keys]


def by_event_time(mode: LoadMode) -> bool:
    """Whether a source may hold several rows of a key."""
    return isinstance(mode, Scd2) and mode.valid_from is not None


# --- rows --------------------------------------------------------------------------------------------

COLUMNS = ("region", "id", "v", "price", "at")
START = datetime(2026, 1, 1, tzinfo=UTC)


def row(
    id_: int | None,
    v: str | None,
    hour: float = 0,
    *,
    region: str | None = "n",
    price: str | None = "1.50",
) -> Row:
    """A row of the source, seen so many hours after all began."""
    return {
        "region": region,
        "id": id_,
        "v": v,
        "price": None if price is None else Decimal(price),
        "at": START + timedelta(hours=hour),
    }


def _declare(project: Project, *, keyed: bool, noted: bool) -> type:
    """The target's table; `noted` gives it one nullable column more."""
    annotations = {
        "region": Annotated[Text, pk()] if keyed else Text,
        "id": Annotated[BigInt, pk()] if keyed else BigInt,
        "v": Text | None,
        "price": Numeric[8, 2] | None,
        "at": TimestampTZ,
    }
    if noted:
        annotations["note"] = Text | None
    return project.table(schema="analytics", name="t")(type("T", (), {"__annotations__": annotations}))


# --- backends ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Told:
    """What a run told of itself: its counts and its clock, or why it refused the rows."""

    counts: LoadCounts
    clock: datetime
    refusal: type[Exception] | None = None


class Backend(ABC):
    """A source, a job and its target. `begin` makes them anew."""

    incremental: bool | None = False  # False: every run reads all that the source holds

    def begin(self, mode: LoadMode, *, noted: bool = False) -> None:
        """An empty target of a job in `mode`."""
        self.mode = mode
        self._clear()
        self.widen(noted=noted)

    def widen(self, *, noted: bool) -> None:
        """Declare the target anew, with a column more where it is `noted`."""
        self.columns = (*COLUMNS, "note") if noted else COLUMNS
        self._project = Project()
        self._connect(self._project)
        keyed = isinstance(self.mode, Append | Truncate | Merge) and bool(self.mode.keys)
        self.job = self._project.job(
            name="load",
            target=_declare(self._project, keyed=keyed, noted=noted),
            mode=self.mode,
            incremental=self.incremental,
            **self.words,
        )(self.body())
        self._prepare()

    def run(self, rows: Sequence[Row]) -> Told:
        """A real run on a source that holds these rows."""
        self._hold(rows)
        try:
            (target,) = run_job(self.job, project=self._project).targets
        except RunError as error:
            if not isinstance(error.__cause__, (NullKeyError, DuplicateKeyError, EmptySourceError)):
                raise
            return Told(LoadCounts(), START, type(error.__cause__))
        assert target.plan is not None
        return Told(replace(target.counts, bytes=0), target.plan.clock)

    def compared(self, counts: LoadCounts) -> LoadCounts:
        """The counts that must be those of the specification."""
        return counts

    @property
    @abstractmethod
    def words(self) -> Mapping[str, Any]:
        """The connections of the job."""

    @abstractmethod
    def body(self) -> Callable[..., Any]:
        """Of the job."""

    @abstractmethod
    def rows(self) -> list[Row]:
        """What the target holds, read without our own code."""

    @abstractmethod
    def _connect(self, project: Project) -> None: ...

    @abstractmethod
    def _clear(self) -> None: ...

    @abstractmethod
    def _hold(self, rows: Sequence[Row]) -> None: ...

    def _prepare(self) -> None:
        """What must be there before a run."""


@dataclass
class Origin:
    """A Postgres table that rows are read from. Only what changed in it is written, so that runs can track it."""

    session: psycopg.Connection
    held: Counter[tuple[int, tuple[Any, ...]]] = field(default_factory=Counter)
    slots: dict[tuple[int, tuple[Any, ...]], int] = field(default_factory=dict)

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


class FromPostgres(Backend):
    """A job that reads a Postgres table."""

    unique_source = False

    def __init__(self, origin: psycopg.Connection) -> None:
        self._origin = Origin(origin)

    @property
    def words(self) -> Mapping[str, Any]:
        return {"source_connection": "origin", "target_connection": "origin"}

    def body(self) -> Callable[..., Any]:
        columns = ", ".join(self.columns)
        return lambda: f"select {columns} from raw.t"

    def _connect(self, project: Project) -> None:
        project.connection(type("origin", (), {"kind": "postgres", "url": "${ORIGIN_DSN}"}))

    def _clear(self) -> None:
        proven = self.unique_source and not by_event_time(self.mode)
        self._origin.begin(", ".join(self.mode.keys) or None if proven else None)

    def _hold(self, rows: Sequence[Row]) -> None:
        self._origin.hold(rows)


class OneDatabase(FromPostgres):
    """Source and target in one database: rows are staged, and their keys checked."""

    def __init__(self, origin: psycopg.Connection, target: psycopg.Connection | None = None) -> None:
        super().__init__(origin)
        self._target = target or origin

    def rows(self) -> list[Row]:
        exists = self._target.execute("select to_regclass('analytics.t') is not null").fetchone()
        if exists == (False,):
            return []
        cursor = self._target.execute("select * from analytics.t")
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, each, strict=True)) for each in cursor]

    def _clear(self) -> None:
        super()._clear()
        self._target.execute("drop schema if exists analytics, ematix_flow cascade")


class OneStatement(OneDatabase):
    """The same, where a unique index of the source proves the keys: one statement loads the rows."""

    unique_source = True


class Tracked(OneStatement):
    """The same, reading only the rows written since the last run."""

    incremental = None

    def compared(self, counts: LoadCounts) -> LoadCounts:
        return replace(counts, read=0, unchanged=0)  # of what was written long ago nothing is read


class WithoutIndex(OneDatabase):
    """The same, into a table that somebody else made, without a unique index."""

    def _prepare(self) -> None:
        table = physical_table(
            JobTarget(table=self.job.targets[0].table, connection=None, mode=self.mode)  # type: ignore[arg-type]
        )
        bare = replace(
            table, columns=tuple(replace(each, primary_key=False) for each in table.columns), unique_keys=()
        )
        if not self.rows():
            self._target.execute("drop schema if exists analytics cascade")
            self._target.execute("create schema analytics")
            self._target.execute(create_table(bare))


class TwoDatabases(OneDatabase):
    """From one database into another."""

    @property
    def words(self) -> Mapping[str, Any]:
        return {"source_connection": "origin", "target_connection": "other"}

    def _connect(self, project: Project) -> None:
        super()._connect(project)
        project.connection(type("other", (), {"kind": "postgres", "url": "${OTHER_DSN}"}))


class Lake(FromPostgres):
    """From Postgres into a Delta table."""

    def __init__(self, origin: psycopg.Connection, home: Path) -> None:
        super().__init__(origin)
        self._home, self._number = home, 0

    @property
    def words(self) -> Mapping[str, Any]:
        return {"source_connection": "origin", "target_connection": "lake"}

    def rows(self) -> list[Row]:
        place = self._folder / "analytics" / "t"
        if not DeltaTable.is_deltatable(str(place)):
            return []
        found = pa.RecordBatchReader.from_stream(DeltaTable(str(place)).scan()).read_all()
        return list(found.to_pylist())

    @property
    def _folder(self) -> Path:
        return self._home / str(self._number)

    def _connect(self, project: Project) -> None:
        super()._connect(project)
        project.connection(type("lake", (), {"kind": "delta", "url": str(self._folder)}))

    def _clear(self) -> None:
        super()._clear()
        self._number += 1


class LakeOfBatches(Lake):
    """From batches of two rows into a Delta table."""

    @property
    def words(self) -> Mapping[str, Any]:
        return {"target_connection": "lake"}

    def body(self) -> Callable[..., Any]:
        def batches() -> Iterator[pa.RecordBatch]:
            types = {
                "id": pa.int64(),
                "price": pa.decimal128(8, 2),
                "at": pa.timestamp("us", "UTC"),
            }
            schema = pa.schema([(name, types.get(name, pa.string())) for name in self.columns])
            for start in range(0, len(self._given), 2):
                yield pa.RecordBatch.from_pylist(
                    [dict(each) for each in self._given[start : start + 2]], schema
                )

        return batches

    def _clear(self) -> None:
        self._number += 1

    def _hold(self, rows: Sequence[Row]) -> None:
        self._given = rows


# --- the contract ------------------------------------------------------------------------------------

REFUSALS: dict[type[Exception], type[Exception]] = {
    NullKey: NullKeyError,
    DuplicateKey: DuplicateKeyError,
    EmptySource: EmptySourceError,
}


def agree(backend: Backend, memory: MemoryBackend, rows: Sequence[Row]) -> None:
    """Run the backend's job and the specification on the same rows: both leave, count or refuse the same."""
    told = backend.run(rows)
    try:
        counts = memory.load("t", backend.mode, rows, told.clock)
    except tuple(REFUSALS) as refusal:
        assert told.refusal is REFUSALS[type(refusal)]
    else:
        assert (told.refusal, backend.compared(told.counts)) == (None, backend.compared(counts))
    assert _sorted(backend.rows()) == _sorted(memory.rows("t"))


def _sorted(rows: Iterable[Row]) -> list[str]:
    """The rows as texts, so that a difference is easy to see."""
    return sorted(str(sorted((name, _plain(value)) for name, value in each.items())) for each in rows)


def _plain(value: object) -> str:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else repr(value)
