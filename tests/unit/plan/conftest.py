"""A small shop: what a job, its source and its targets look like to planning, changed where a test says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from ematix_flow.history import physical_table
from ematix_flow.manifest import ResolvedJob
from ematix_flow.plan import JobPlan, cursor_for, make_plan
from ematix_flow.query import parse_select
from ematix_flow.spec import (
    Append,
    Automatic,
    Column,
    Connection,
    DeltaConnection,
    Increment,
    Job,
    JobTarget,
    LoadMode,
    PostgresConnection,
    Table,
)
from ematix_flow.state import (
    Relation,
    RelationColumn,
    RelationKind,
    RunRequest,
    SourceColumn,
    SourceState,
    TargetState,
    Watermark,
)
from ematix_flow.types import Scalar


class Shop:
    """Events in `raw.events` of a warehouse, and a table `analytics.events` for them."""

    warehouse = PostgresConnection(name="warehouse", url="${DSN}")
    other = PostgresConnection(name="other", url="${OTHER}")
    lake = DeltaConnection(name="lake", url="/srv/lake")
    mark = 42  # of the sink's lock
    query = "select event_id, name, received_at from raw.events"
    table = Table(
        schema="analytics",
        name="events",
        columns=(
            Column(name="event_id", type=Scalar.BIGINT, nullable=False, primary_key=True),
            Column(name="name", type=Scalar.TEXT),
            Column(name="received_at", type=Scalar.TIMESTAMPTZ, nullable=False),
        ),
    )
    keyless = replace(table, columns=tuple(replace(column, primary_key=False) for column in table.columns))
    relation = Relation(
        schema="raw",
        name="events",
        kind=RelationKind.HEAP,
        columns=(
            RelationColumn(name="event_id", type="bigint", built_in=True),
            RelationColumn(name="name", type="text", built_in=True),
            RelationColumn(name="received_at", type="timestamp with time zone", built_in=True),
        ),
        row_security=False,
        unique_keys=(("event_id",),),
        identity="16400",
    )
    source = SourceState(
        columns=(
            SourceColumn(name="event_id", type=Scalar.BIGINT),
            SourceColumn(name="name", type=Scalar.TEXT),
            SourceColumn(name="received_at", type=Scalar.TIMESTAMPTZ),
        ),
        server='["7400", "00000001"]',
        relations=(relation,),
        snapshot_xmin=1000,
        marks_held=frozenset({mark}),
    )
    request = RunRequest(loaded_at=datetime(2026, 1, 1, tzinfo=UTC))

    def target(
        self, table: Table | None = None, connection: Connection | None = None, mode: LoadMode | None = None
    ) -> JobTarget:
        """A target; by default events are appended to the warehouse's table by its primary key."""
        table = table or self.table
        return JobTarget(
            table=table,
            connection=connection or self.warehouse,
            mode=mode or Append(keys=table.primary_key),
        )

    def job(
        self,
        *targets: JobTarget,
        increment: Increment = Automatic(),  # noqa: B008  # a frozen value
        source: Connection | None = warehouse,
    ) -> ResolvedJob:
        """A job with the targets."""
        job = Job(name="load", body=lambda: self.query, targets=(), increment=increment)
        return ResolvedJob(job=job, source=source, targets=targets or (self.target(),), upstream=())

    def seen(self, target: JobTarget, **facts: Any) -> TargetState:
        """A live table with rows in it, as declared, without a watermark."""
        table = physical_table(target)
        state = TargetState(
            stored=table,
            live=table,
            schema_exists=True,
            empty=False,
            clock=self.request.loaded_at,
            mark=self.mark if target.connection is self.warehouse else None,
        )
        return replace(state, **facts)

    def watermark(self, target: JobTarget, value: str, job: ResolvedJob | None = None) -> Watermark:
        """A watermark stored under the cursor of the target."""
        cursor = cursor_for((job or self.job()).job, target, parse_select(self.query), self.source)
        return Watermark(cursor=cursor.name, value=value, type=cursor.type)


@pytest.fixture
def shop() -> Shop:
    """The shop as it is declared; tests change copies of its values."""
    return Shop()


@pytest.fixture
def plan(shop: Shop) -> Callable[..., JobPlan]:
    """Plans a job whose targets were seen, with a query or with batches (`query=None`)."""

    def planned(
        job: ResolvedJob,
        *states: TargetState,
        query: str | None = shop.query,
        source: SourceState = shop.source,
        request: RunRequest = shop.request,
    ) -> JobPlan:
        select = parse_select(query) if query else None
        found: Sequence[TargetState] = states or [shop.seen(target) for target in job.targets]
        observed = [
            (target, cursor_for(job.job, target, select, source), state)
            for target, state in zip(job.targets, found, strict=True)
        ]
        return make_plan(job, request, select, source, observed)

    return planned
