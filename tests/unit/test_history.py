"""The columns that a mode adds to a declared table."""

from __future__ import annotations

import pytest

from ematix_flow.history import added_columns, physical_table
from ematix_flow.spec import (
    Append,
    Column,
    Deletes,
    JobTarget,
    LoadMode,
    Merge,
    PostgresConnection,
    Scd2,
    Table,
    Truncate,
    UniqueKey,
)
from ematix_flow.types import Scalar

KEYS = ("region", "number")
ORDERS = Table(
    schema="shop",
    name="orders",
    columns=(
        Column(name="order_id", type=Scalar.BIGINT, nullable=False, primary_key=True),
        Column(name="region", type=Scalar.TEXT, nullable=False),
        Column(name="number", type=Scalar.BIGINT, nullable=False),
    ),
    unique_keys=(UniqueKey(name="natural", columns=KEYS),),
)


def physical(mode: LoadMode) -> Table:
    return physical_table(
        JobTarget(table=ORDERS, connection=PostgresConnection(name="w", url="${DSN}"), mode=mode)
    )


@pytest.mark.parametrize(
    "mode",
    [Append(keys=KEYS), Truncate(keys=KEYS), Merge(keys=KEYS), Merge(keys=KEYS, deletes=Deletes.HARD)],
)
def test_most_modes_keep_the_table_as_it_is_declared(mode: LoadMode) -> None:
    assert physical(mode) is ORDERS
    assert added_columns(mode) == ()


def test_a_soft_delete_needs_room_for_its_mark() -> None:
    mode = Merge(keys=KEYS, deletes=Deletes.SOFT)
    table = physical(mode)
    assert table.columns[:-1] == ORDERS.columns
    mark = table.columns[-1]
    assert (mark.name, mark.type, mark.nullable) == ("deleted_at", Scalar.TIMESTAMPTZ, True)
    assert table.primary_key == ("order_id",)
    assert table.unique_keys == ORDERS.unique_keys
    assert added_columns(mode) == ("deleted_at",)


def test_a_history_tells_since_when_and_until_when_a_version_holds() -> None:
    mode = Scd2(keys=KEYS)
    added = physical(mode).columns[-3:]
    assert [(column.name, column.type, column.nullable) for column in added] == [
        ("valid_from", Scalar.TIMESTAMPTZ, False),
        ("valid_to", Scalar.TIMESTAMPTZ, True),
        ("is_current", Scalar.BOOLEAN, False),
    ]
    assert added_columns(mode) == ("valid_from", "valid_to", "is_current")


def test_a_historys_key_is_the_key_and_since_when_and_nothing_that_repeats_stays_unique() -> None:
    table = physical(Scd2(keys=KEYS))
    assert table.primary_key == ("region", "number", "valid_from")
    assert table.unique_keys == (UniqueKey(name="current", columns=KEYS, only_current=True),)
