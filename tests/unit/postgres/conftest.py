"""A target plan for events, as the sink gets it; tests change what they are about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from psycopg import sql

from ematix_flow.casts import Cast
from ematix_flow.plan import (
    AddNewKeys,
    ArrowStream,
    ColumnRange,
    Everything,
    Form,
    Proven,
    ReadColumn,
    ReadPlan,
    TargetPlan,
)
from ematix_flow.spec import Append, Column, Table
from ematix_flow.types import DataType, Scalar


class Events:
    """Events, read from `raw.events` into `analytics.events`."""

    query = "select event_id, name from raw.events"
    table = Table(
        schema="analytics",
        name="events",
        columns=(
            Column(name="event_id", type=Scalar.BIGINT, nullable=False, primary_key=True),
            Column(name="name", type=Scalar.TEXT),
        ),
    )
    read = ReadPlan(
        job="load",
        query=query,
        columns=(
            ReadColumn(name="event_id", source=Scalar.BIGINT, declared=Scalar.BIGINT, cast=Cast.NONE),
            ReadColumn(name="name", source=Scalar.TEXT, declared=Scalar.TEXT, cast=Cast.NONE),
        ),
        window=Everything(why=""),
        form=Form.SERVER_SELECT,
    )
    plan = TargetPlan(
        job="load",
        connection="warehouse",
        table=table,
        stored=table,
        mode=Append(keys=("event_id",)),
        action=AddNewKeys(keys=("event_id",), uniqueness=Proven(why="")),
        steps=(),
        path=ArrowStream(why=""),
        read=read,
        watermark=None,
        clock=datetime(2026, 1, 1, tzinfo=UTC),
    )

    def window(
        self,
        column: str,
        type_: DataType,
        lower: str | None = None,
        bound: str | None = None,
        lookback: timedelta = timedelta(0),
    ) -> ColumnRange:
        """A slice by a column."""
        return ColumnRange(column=column, type=type_, lower=lower, lookback=lookback, bound=bound)

    def text(self, statement: sql.Composable) -> str:
        """A statement as the server would get it."""
        return statement.as_string(None)


@pytest.fixture
def events() -> Events:
    """The plan's parts."""
    return Events()
