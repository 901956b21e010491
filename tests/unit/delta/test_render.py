"""What the dry run says of a Delta target."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ematix_flow.backends.delta.render import statements
from ematix_flow.migration import AddColumn, CreateSchema, CreateTable, Step
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
    Proven,
    ReadPlan,
    ReplaceRows,
    ReplaceSlice,
    Slice,
    TargetPlan,
)
from ematix_flow.spec import Append, Column, Deletes, Table
from ematix_flow.state import Watermark
from ematix_flow.types import Scalar

AT = Column(name="at", type=Scalar.TIMESTAMPTZ)
ORDERS = Table(
    schema="shop", name="orders", columns=(Column(name="id", type=Scalar.BIGINT, nullable=False), AT)
)
PLACE = "s3://${BUCKET}/shop/orders"
PROVEN = Proven(why="a test")


def plan(action: Action, *steps: Step, watermark: Watermark | None = None) -> TargetPlan:
    return TargetPlan(
        job="load_orders",
        connection="lake",
        table=ORDERS,
        stored=ORDERS,
        mode=Append(),
        action=action,
        steps=steps,
        path=ArrowStream(why="a test"),
        read=ReadPlan(
            job="load_orders", query="", columns=(), window=Everything(why="a test"), form=Form.ARROW
        ),
        watermark=watermark,
        clock=datetime(2024, 1, 3, tzinfo=UTC),
    )


WINDOW = ColumnRange(
    column="at",
    type=Scalar.TIMESTAMPTZ,
    lower="2024-01-01 00:00:00+00",
    lookback=timedelta(0),
    bound="2024-01-02 00:00:00+00",
)


SLICE = Slice(column="at", type=Scalar.TIMESTAMPTZ, start="2024-01-01", end="2024-01-02")


def merge(deletes: Deletes | None, update: tuple[str, ...] = ("city", "at")) -> MergeRows:
    return MergeRows(
        keys=("id",), update=update, deletes=deletes, allow_empty_source=False, uniqueness=PROVEN
    )


def versions(deletes: Deletes | None, valid_from: str | None) -> AddVersions:
    return AddVersions(
        keys=("id",),
        compare=("city",),
        valid_from=valid_from,
        deletes=deletes,
        allow_empty_source=False,
        uniqueness=PROVEN,
    )


@pytest.mark.parametrize(
    ("action", "line"),
    [
        (AddRows(), f"append the rows to {PLACE}"),
        (
            AddNewKeys(keys=("id",), uniqueness=PROVEN),
            f"append to {PLACE} the rows whose key (id) it does not hold",
        ),
        (
            AddMissing(window=WINDOW),
            f"append to {PLACE} the rows that its own slice lacks where \"at\" >= '2024-01-01 00:00:00+00'",
        ),
        (ReplaceRows(keys=(), uniqueness=PROVEN), f"overwrite {PLACE} with the rows"),
        (
            ReplaceSlice(window=SLICE, keys=(), uniqueness=PROVEN),
            f"overwrite with the rows those of {PLACE} where \"at\" >= '2024-01-01' and \"at\" < '2024-01-02'",
        ),
        (
            merge(None),
            f"set city, at of the rows of {PLACE} that differ in them; add the rows whose key (id) it does not hold",
        ),
        (
            merge(Deletes.HARD, update=()),
            "leave held rows alone; add the rows whose key (id) it does not hold; delete the rows whose key is not read",
        ),
        (
            merge(Deletes.SOFT, update=("at",)),
            (
                f"set at of the rows of {PLACE} that differ in them; add the rows whose key (id) it does not hold; "
                "set deleted_at of the rows whose key is not read, and clear it where it is read"
            ),
        ),
        (
            versions(None, "at"),
            (
                f"add to {PLACE} a version of each key (id), from at on, that differs from the one that holds then in "
                "city; end the one before it"
            ),
        ),
        (
            versions(Deletes.SOFT, None),
            (
                f"add to {PLACE} a version of each key (id), from now on, that differs from the one that holds then in "
                "city; end the one before it; end the current versions of keys that are not read"
            ),
        ),
    ],
)
def test_each_way_of_loading_is_told(action: Action, line: str) -> None:
    assert statements(plan(action), PLACE) == (line,)


def test_steps_and_watermark_are_told_in_order() -> None:
    watermark = Watermark(cursor="column at TimestampTZ", value="2024-01-02 00:00:00+00", type=AT.type)
    steps = (CreateSchema(schema="shop"), CreateTable(table=ORDERS), AddColumn(table=ORDERS, column=AT))
    assert statements(plan(AddRows(), *steps, watermark=watermark), PLACE) == (
        f"create table {PLACE} (id BigInt not null, at TimestampTZ)",
        f"add column at TimestampTZ to {PLACE}, in the commit that writes the rows",
        f"append the rows to {PLACE}",
        "with transaction ematix-flow/load_orders/column at TimestampTZ = 2024-01-02 00:00:00+00, in the same commit",
    )
