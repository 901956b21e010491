"""The backends that the contract binds: each holds rows in a source, runs a real job, and shows what its target holds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, TypeAlias

import psycopg
import pyarrow as pa
import pytest
from contract.modes import COLUMNS, START, by_event_time
from contract.origin import Origin
from deltalake import DeltaTable
from support.s3 import SECRET, Bucket

from ematix_flow import (
    DuplicateKeyError,
    EmptySourceError,
    LoadCounts,
    LoadMode,
    NullKeyError,
    Project,
    RunError,
    pk,
    run_job,
)
from ematix_flow.backends.delta import keys, portions
from ematix_flow.backends.postgres.ddl import create_table
from ematix_flow.history import physical_table
from ematix_flow.spec import JobTarget, PostgresConnection
from ematix_flow.testing import Row
from ematix_flow.types import BigInt, Numeric, Text, TimestampTZ


@dataclass(frozen=True)
class Told:
    """What a run told of itself: its counts and its clock, or why it refused the rows."""

    counts: LoadCounts
    clock: datetime
    refusal: type[Exception] | None = None


class Backend(ABC):
    """A source, a job and its target. `begin` makes them anew."""

    tracks = False  # True: a run reads what was written since the last one, where the target has a key
    unique_source = False  # True: no two rows of a key, and no NULL in one, can be in the source

    def begin(self, mode: LoadMode, *, noted: bool = False) -> None:
        """An empty target of a job in `mode`."""
        self.mode = mode
        self._clear()
        self.declare(mode, noted=noted)

    def declare(self, mode: LoadMode, *, noted: bool = False) -> None:
        """Declare the job anew, on the target that is there; its table has one column more where it is `noted`."""
        self.mode = mode
        self.columns = (*COLUMNS, "note") if noted else COLUMNS
        self._project = Project()
        self._connect(self._project)
        self.job = self._project.job(
            name="load",
            target=_declare(self._project, keyed=bool(self.mode.keys), noted=noted),
            mode=self.mode,
            incremental=None if self.tracks and mode.keys else False,
            **self.words,
        )(self.body())

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


BackendOf: TypeAlias = Callable[[str], Backend]  # by its name; see conftest


class FromPostgres(Backend):
    """A job that reads a Postgres table."""

    def __init__(self, origin: psycopg.Connection) -> None:
        self._origin = Origin(origin)

    @property
    def words(self) -> Mapping[str, Any]:
        return {"source_connection": "origin", "target_connection": "origin"}

    def body(self) -> Callable[..., Any]:
        columns = ", ".join(self.columns)
        return lambda: f"select {columns} from raw.t"  # noqa: S608  # names of our own

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

    tracks = True

    def compared(self, counts: LoadCounts) -> LoadCounts:
        return replace(counts, read=0, unchanged=0)  # of what was written long ago nothing is read


class WithoutIndex(OneDatabase):
    """The same, into a table that somebody else made, without a unique index."""

    def begin(self, mode: LoadMode, *, noted: bool = False) -> None:
        super().begin(mode, noted=noted)
        connection = PostgresConnection(name="origin", url="${ORIGIN_DSN}")
        declared = self.job.targets[0].table
        table = physical_table(JobTarget(table=declared, connection=connection, mode=self.mode))
        bare = replace(
            table, columns=tuple(replace(each, primary_key=False) for each in table.columns), unique_keys=()
        )
        self._target.execute("create schema analytics")
        self._target.execute(create_table(bare))


class TwoServers(OneDatabase):
    """From one server to another."""

    @property
    def words(self) -> Mapping[str, Any]:
        return {"source_connection": "origin", "target_connection": "other"}

    def _connect(self, project: Project) -> None:
        super()._connect(project)
        project.connection(type("other", (), {"kind": "postgres", "url": "${OTHER_DSN}"}))


class Lake(FromPostgres):
    """From Postgres into a Delta table."""

    options: Mapping[str, str] = {}

    def __init__(self, origin: psycopg.Connection, home: str) -> None:
        super().__init__(origin)
        self._home, self._number = home, 0

    @property
    def words(self) -> Mapping[str, Any]:
        return {"source_connection": "origin", "target_connection": "lake"}

    def rows(self) -> list[Row]:
        place = f"{self._folder}/analytics/t"
        if not DeltaTable.is_deltatable(place, dict(self.options)):
            return []
        table = DeltaTable(place, storage_options=dict(self.options))
        found = pa.RecordBatchReader.from_stream(table.scan()).read_all()
        return list(found.to_pylist())

    @property
    def _folder(self) -> str:
        return f"{self._home}/{self._number}"

    def _connect(self, project: Project) -> None:
        super()._connect(project)
        options = {
            name: "${BUCKET_SECRET}" if value == SECRET else value for name, value in self.options.items()
        }
        words = {"kind": "delta", "url": self._folder, "storage_options": options}
        project.connection(type("lake", (), words))

    def _clear(self) -> None:
        super()._clear()
        self._number += 1


class LakeInBucket(Lake):
    """The same, in an object store."""

    def __init__(self, origin: psycopg.Connection, bucket: Bucket) -> None:
        super().__init__(origin, f"s3://{bucket.name}")
        self.options = bucket.options


class LakeInPortions(Lake):
    """From batches of two rows into a Delta table, few of which are held in memory at a time."""

    def run(self, rows: Sequence[Row]) -> Told:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(portions, "CHUNK_BYTES", 256)
            patch.setattr(portions, "BLOCK_ROWS", 3)
            patch.setattr(keys, "_LISTED", 4)
            return super().run(rows)

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
