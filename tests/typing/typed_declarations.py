# pyright: strict
"""Declarations of a fully annotated project: mypy --strict and pyright strict accept every line."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, ClassVar, assert_type

from ematix_flow import (
    Append,
    Connection,
    Incremental,
    Job,
    Manifest,
    Project,
    Table,
    Target,
    Truncate,
    Workflow,
    comment,
    connection_of,
    natural_key,
    pk,
    table_of,
)
from ematix_flow.types import (
    JSON,
    JSONB,
    UUID,
    Array,
    BigInt,
    Boolean,
    Bytes,
    Date,
    Double,
    Float,
    Integer,
    Interval,
    Numeric,
    SmallInt,
    String,
    Text,
    Time,
    Timestamp,
    TimestampTZ,
)

shop = Project()


@shop.connection
class Warehouse:
    kind = "postgres"
    url = "${WAREHOUSE_DSN}"


@shop.connection(name="lake")
class Lake:
    kind = "delta_s3"
    bucket = "lake"
    storage_options: ClassVar = {"AWS_REGION": "eu-central-1"}


class Audited:
    loaded_by: Annotated[Text, comment("who loaded the row")]


@shop.table
class Everything(Audited):
    """Every type, in every position."""

    id: Annotated[BigInt, pk()]
    code: Annotated[String[16], natural_key()]
    small: SmallInt
    whole: Integer | None
    ratio: Float
    precise: Double | None
    flag: Boolean
    note: Text | None
    price: Numeric[12, 2]
    discount: Annotated[Numeric[5, 4] | None, comment("a share of the price")]
    tags: Array[Text]
    prices: Array[Numeric[12, 2]] | None
    day: Date
    at: Time
    local: Timestamp
    instant: TimestampTZ
    span: Interval
    raw: JSON
    parsed: JSONB | None
    key: UUID
    blob: Bytes


@shop.table(schema="staging", name="numbers", comment="one column")
class Numbers:
    n: Annotated[BigInt, pk()]


@shop.job(target=Everything, target_connection=Warehouse, schedule="@daily", timezone="Europe/Berlin")
def load_everything() -> str:
    return "select * from raw.everything"


@shop.job(
    "load_numbers",
    targets=[Numbers, Target(Numbers, connection=Lake, mode=Truncate())],
    target_connection={"numbers": Warehouse},
    mode=Append(keys=("n",)),
    depends_on=[load_everything],
    owners=["team:data"],
    tags={"tier": "one"},
)
def load_numbers() -> Iterator[object]:
    yield from ()


@shop.pipeline(
    target=Numbers,
    target_connection="lake",
    source_connection="Warehouse",
    incremental=Incremental(column="changed_at", lookback=timedelta(hours=1)),
    depends_on="load_numbers",
)
def copy_numbers(conn: object) -> str:
    return "select n from raw.numbers"


nightly = shop.workflow(
    "nightly", jobs=[load_everything, "load_numbers"], depends_on={load_numbers: load_everything}
)

assert_type(load_everything, Job)
assert_type(copy_numbers, Job)
assert_type(nightly, Workflow)
assert_type(shop.manifest(), Manifest)
assert_type(table_of(Everything), Table)
assert_type(connection_of(Lake), Connection)
assert_type(Warehouse.kind, str)  # the decorator leaves the class as it is
assert_type(Everything(), Everything)
