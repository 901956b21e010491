"""A lake to load into: a folder, or a bucket of an S3 server on loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from support.s3 import Bucket

from ematix_flow.backends.delta.sink import DeltaSink
from ematix_flow.casts import Cast
from ematix_flow.conform import arrow_schema
from ematix_flow.history import physical_table
from ematix_flow.migration import diff
from ematix_flow.plan import (
    Action,
    AddMissing,
    AddNewKeys,
    AddRows,
    AddVersions,
    ArrowStream,
    ColumnRange,
    Everything,
    Form,
    MergeRows,
    ReadColumn,
    ReadPlan,
    ReadWindow,
    ReplaceRows,
    ReplaceSlice,
    TargetPlan,
)
from ematix_flow.results import LoadCounts
from ematix_flow.spec import (
    Append,
    DeltaConnection,
    JobTarget,
    LoadMode,
    Merge,
    Scd2,
    Table,
    Truncate,
)
from ematix_flow.state import TargetState, Watermark
from ematix_flow.streams import Batches

JOB = "load_orders"


def target_plan(
    state: TargetState,
    table: Table,
    action: Action,
    watermark: Watermark | None = None,
    show_values: bool = True,
    clock: datetime | None = None,
) -> TargetPlan:
    """The plan that planning would make for a target seen like this."""
    columns = tuple(
        ReadColumn(name=column.name, source=column.type, declared=column.type, cast=Cast.NONE)
        for column in table.columns
    )
    mode = mode_of(action)
    return TargetPlan(
        job=JOB,
        connection="lake",
        table=table,
        stored=state.stored,
        mode=mode,
        action=action,
        steps=diff(state, ()).steps,
        path=ArrowStream(why="rows travel"),
        read=ReadPlan(job=JOB, query="select", columns=columns, window=window_to(watermark), form=Form.ARROW),
        watermark=watermark,
        clock=clock or state.clock,
        show_values=show_values,
    )


def window_to(watermark: Watermark | None) -> ReadWindow:
    """A window above the stored watermark; where none is written, everything."""
    if watermark is None:
        return Everything(why="a test")
    return ColumnRange(
        column="id", type=watermark.type, lower="the stored", lookback=timedelta(0), bound=watermark.value
    )


def mode_of(action: Action) -> LoadMode:
    """The mode that an action carries out."""
    match action:
        case MergeRows():
            return Merge(
                keys=action.keys,
                update=action.update,
                deletes=action.deletes,
                allow_empty_source=action.allow_empty_source,
            )
        case AddVersions():
            return Scd2(
                keys=action.keys,
                compare=action.compare,
                valid_from=action.valid_from,
                deletes=action.deletes,
                allow_empty_source=action.allow_empty_source,
            )
        case ReplaceRows(keys=keys):
            return Truncate(keys=keys)
        case AddNewKeys(keys=keys) | ReplaceSlice(keys=keys):
            return Append(keys=keys)
        case AddRows() | AddMissing():
            return Append()


def batches(plan: TargetPlan, rows: Iterable[Sequence[Mapping[str, Any]]]) -> Batches:
    """One record batch for each group of rows, as a source would conform them."""
    schema = arrow_schema(plan.read.columns)
    return Batches(schema, (pa.RecordBatch.from_pylist(list(group), schema) for group in rows))


@dataclass(frozen=True, slots=True, kw_only=True)
class Lake:
    """A connection, and what tests do with it."""

    connection: DeltaConnection
    location: str  # resolved, for a look that does not go through our own code
    options: Mapping[str, str] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)

    def sink(self) -> DeltaSink:
        """A new unit of work."""
        return DeltaSink(connection=self.connection, job=JOB, environ=self.environ)

    def load(
        self,
        table: Table,
        action: Action,
        *groups: Sequence[Mapping[str, Any]],
        watermark: Watermark | None = None,
        clock: datetime | None = None,
    ) -> LoadCounts:
        """One run, from looking at the target to the commit; one without a watermark is another job's."""
        with self.sink() as sink:
            state = sink.observe(self.physical(table, action))
            plan = target_plan(
                state, table, action, watermark, show_values=self.connection.show_values, clock=clock
            )
            if watermark is None:
                plan = replace(plan, job="another_job")
            return sink.load(plan, batches(plan, groups))

    def physical(self, table: Table, action: Action) -> Table:
        """The table with what the mode adds to it."""
        return physical_table(JobTarget(table=table, connection=self.connection, mode=mode_of(action)))

    def mode(self, action: Action) -> LoadMode:
        """The mode that an action carries out."""
        return mode_of(action)

    def stored(self, table: Table, cursor: str, like: Watermark) -> str | None:
        """The watermark that a next run would see."""
        with self.sink() as sink:
            sink.observe(table)
            found = sink.watermark(JOB, cursor, like.type)
            return None if found is None else found.value

    def handle(self, table: Table) -> DeltaTable:
        """The table, opened without our code."""
        return DeltaTable(f"{self.location}/{table.schema}/{table.name}", storage_options=dict(self.options))

    def exists(self, table: Table) -> bool:
        """Whether there is such a table at all."""
        location = f"{self.location}/{table.schema}/{table.name}"
        return DeltaTable.is_deltatable(location, dict(self.options))

    def rows(self, table: Table) -> list[dict[str, Any]]:
        """Every row, ordered by the first column."""
        found = pa.RecordBatchReader.from_stream(self.handle(table).scan()).read_all().to_pylist()
        return sorted(found, key=lambda row: str(next(iter(row.values()))))

    def version(self, table: Table) -> int:
        """The number of commits so far, less one."""
        return self.handle(table).version()


def local_lake(home: Path) -> Lake:
    """A lake in a folder."""
    return Lake(connection=DeltaConnection(name="lake", url=str(home)), location=str(home))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake in a folder that does not exist yet."""
    return local_lake(tmp_path / "a lake")


@pytest.fixture(scope="session")
def make_lake() -> Callable[[Path], Lake]:
    """Makes a lake in a folder, for tests that need many."""
    return local_lake


@pytest.fixture
def s3_lake(s3_bucket: Bucket) -> Lake:
    """A lake in a new bucket; its key is known by a reference only."""
    secret = s3_bucket.options["AWS_SECRET_ACCESS_KEY"]
    declared = {**s3_bucket.options, "AWS_SECRET_ACCESS_KEY": "${LAKE_SECRET}"}
    return Lake(
        connection=DeltaConnection(
            name="lake", url="s3://${LAKE_BUCKET}/data", storage_options=tuple(declared.items())
        ),
        location=f"s3://{s3_bucket.name}/data",
        options=s3_bucket.options,
        environ={"LAKE_BUCKET": s3_bucket.name, "LAKE_SECRET": secret},
    )


@pytest.fixture
def plan_for() -> Callable[..., TargetPlan]:
    """Makes a plan by hand, for tests that look and load at different times."""
    return target_plan


@pytest.fixture
def as_batches() -> Callable[..., Batches]:
    """Makes a stream by hand."""
    return batches
