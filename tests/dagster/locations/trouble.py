"""A code location for the live tests: jobs that fail, or never end."""

from __future__ import annotations

from typing import Annotated

import dagster as dg

from ematix_flow import ematix, pk
from ematix_flow.types import BigInt, Text
from ematix_flow_dagster import build_definitions


@ematix.connection
class warehouse:  # noqa: N801  # a connection is called like its class
    kind = "postgres"
    url = "${WAREHOUSE_DSN}"


@ematix.connection
class nowhere:  # noqa: N801  # likewise
    kind = "postgres"
    url = "${NOWHERE_DSN}"


@ematix.connection
class wrong:  # noqa: N801  # likewise
    kind = "postgres"
    url = "${WRONG_DSN}"  # its password is not the right one, and badly encoded


@ematix.table(schema="trouble")
class Sound:
    event_id: Annotated[BigInt, pk()]
    name: Text | None


@ematix.table(schema="trouble")
class Broken:
    event_id: Annotated[BigInt, pk()]
    name: Text | None


@ematix.table(schema="trouble")
class Endless:
    event_id: Annotated[BigInt, pk()]
    name: Text | None


@ematix.job(targets=[Sound, Broken], target_connection="warehouse")
def half_broken() -> str:
    return "select event_id, name from raw.events"


@ematix.job(target=Endless, target_connection="warehouse")
def endless() -> str:
    return "select event_id, name from raw.events where pg_sleep(600) is not null"


@ematix.job(target=Sound, target_connection="nowhere", source_connection="warehouse")
def unset() -> str:
    return "select event_id, name from raw.events"


@ematix.job(target=Sound, target_connection="wrong", source_connection="warehouse")
def refused() -> str:
    return "select event_id, name from raw.events"


# A process for every step would only cost the tests time.
defs = build_definitions(merge_with=dg.Definitions(executor=dg.in_process_executor))
