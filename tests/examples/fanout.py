"""The design's second example, word for word, under the declarations that it builds on."""
# ruff: noqa: N801, RUF012 - a connection is called like its class; its fields are what a user writes

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
    url = "${ARCHIVE_URL}"
    storage_options = {
        "AWS_ENDPOINT_URL": "${AWS_ENDPOINT_URL}",
        "AWS_ALLOW_HTTP": "${AWS_ALLOW_HTTP}",
        "AWS_REGION": "${AWS_REGION}",
        "AWS_ACCESS_KEY_ID": "${AWS_ACCESS_KEY_ID}",
        "AWS_SECRET_ACCESS_KEY": "${AWS_SECRET_ACCESS_KEY}",
    }


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
