"""One read, two targets: the second example, and a code location of its own."""

# ruff: noqa: D101, D103, N801 -- the design's text, and what it needs in the same style

from typing import Annotated

from ematix_flow import ematix, pk
from ematix_flow.types import BigInt, Text, TimestampTZ


@ematix.connection
class warehouse:
    kind = "postgres"
    url = "${WAREHOUSE_DSN}"


@ematix.connection
class s3_archive:
    kind = "delta"
    url = "${ARCHIVE_URL}"  # s3://bucket/prefix with the usual AWS_* variables set, or a folder


@ematix.table(schema="analytics")
class Events:
    event_id: Annotated[BigInt, pk()]
    name: Text | None
    received_at: TimestampTZ


@ematix.table(schema="analytics")
class EventsArchive:
    event_id: Annotated[BigInt, pk()]
    name: Text | None
    received_at: TimestampTZ


# fmt: off
# --- verbatim
@ematix.job(
    name="ingest_events_fanout",
    targets=[Events, EventsArchive],
    target_connection={"events": "warehouse", "events_archive": "s3_archive"},
    schedule="*/5 * * * *",
)
def ingest_events(conn):
    return "SELECT event_id, name, received_at FROM raw.events"
# --- end
# fmt: on

from ematix_flow_dagster import build_definitions  # noqa: E402 -- below the example, as a reader adds it

defs = build_definitions()
