"""The smallest example, and a code location of its own: three declarations."""

# ruff: noqa: D101, D103, I001, N801 -- the design's text, word for word
# fmt: off
# --- verbatim
from typing import Annotated
from ematix_flow import ematix, pk
from ematix_flow.types import BigInt, Text, TimestampTZ

@ematix.connection
class warehouse:
    kind = "postgres"
    url = "${WAREHOUSE_DSN}"

@ematix.table(schema="analytics")
class Events:
    event_id: Annotated[BigInt, pk()]
    name: Text | None
    received_at: TimestampTZ

@ematix.job(
    name="ingest_events",
    target=Events,
    target_connection="warehouse",
    schedule="*/5 * * * *",
    mode="append",
)
def ingest_events(conn):
    return "SELECT event_id, name, received_at FROM raw.events"
# --- end
# fmt: on

from ematix_flow_dagster import build_definitions  # noqa: E402 -- below the example, as a reader adds it

defs = build_definitions()
