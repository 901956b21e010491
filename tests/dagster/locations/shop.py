"""A code location for the live tests: some assets of its own, merged with jobs that load well."""

from __future__ import annotations

from typing import Annotated

import dagster as dg

from ematix_flow import ematix, pk
from ematix_flow.types import BigInt, Text, TimestampTZ
from ematix_flow_dagster import build_definitions

ALL_EVENTS = "select event_id, name, received_at from raw.events"


@ematix.connection
class warehouse:  # noqa: N801  # a connection is called like its class
    kind = "postgres"
    url = "${WAREHOUSE_DSN}"


@ematix.connection
class lake:  # noqa: N801  # likewise
    kind = "delta_local"
    path = "${LAKE_URL}"


@ematix.connection
class spare:  # noqa: N801  # likewise
    kind = "postgres"
    url = "postgresql://app:literal-and-never-shown@localhost/spare"


@ematix.table(schema="analytics")
class Events:
    event_id: Annotated[BigInt, pk()]
    name: Text | None
    received_at: TimestampTZ


@ematix.table(schema="analytics")
class EventsCopy:
    event_id: Annotated[BigInt, pk()]
    name: Text | None
    received_at: TimestampTZ


@ematix.table(schema="analytics")
class EventsArchive:
    event_id: Annotated[BigInt, pk()]
    name: Text | None
    received_at: TimestampTZ


@ematix.table(schema="analytics")
class Minutes:
    event_id: Annotated[BigInt, pk()]
    name: Text | None
    received_at: TimestampTZ


@ematix.job(target=Events, target_connection="warehouse", owners="team:data")
def ingest_events() -> str:
    return ALL_EVENTS


@ematix.job(
    targets=[EventsCopy, EventsArchive],
    target_connection={"events_copy": "warehouse", "events_archive": "lake"},
)
def fan_out() -> str:
    return "select event_id, name, received_at from analytics.events"


@ematix.job(target=Minutes, target_connection="warehouse", schedule="* * * * *", timezone="Europe/Berlin")
def every_minute() -> str:
    return ALL_EVENTS


ematix.workflow("nightly", jobs=[ingest_events, fan_out], schedule="0 3 * * *")


@dg.asset(deps=[dg.AssetKey(["warehouse", "analytics", "events"])])
def report() -> None:
    """An asset of the location's own, which reads one of ours."""


# A process for every step would only cost the tests time.
defs = build_definitions(merge_with=dg.Definitions(assets=[report], executor=dg.in_process_executor))
