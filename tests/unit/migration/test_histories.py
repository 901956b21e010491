"""A table that is to keep versions must have room for them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from ematix_flow.history import physical_table
from ematix_flow.migration import Drift, diff
from ematix_flow.spec import Column, JobTarget, PostgresConnection, Scd2, Table
from ematix_flow.state import TargetState
from ematix_flow.types import Scalar

CUSTOMERS = Table(
    schema="shop",
    name="customers",
    columns=(
        Column(name="id", type=Scalar.BIGINT, nullable=False, primary_key=True),
        Column(name="name", type=Scalar.TEXT),
    ),
)
HISTORY = physical_table(
    JobTarget(
        table=CUSTOMERS,
        connection=PostgresConnection(name="warehouse", url="${DSN}"),
        mode=Scd2(keys=("id",)),
    )
)


def seen(live: Table) -> TargetState:
    return TargetState(
        stored=HISTORY, live=live, schema_exists=True, empty=False, clock=datetime(2026, 1, 1, tzinfo=UTC)
    )


def test_a_history_whose_key_is_the_whole_primary_key_is_drift() -> None:
    one_a_key = replace(
        HISTORY,
        unique_keys=(),
        columns=tuple(replace(column, primary_key=column.name == "id") for column in HISTORY.columns),
    )
    assert diff(seen(one_a_key), ()).drifts == (
        Drift(text="a unique index on (id) leaves room for one version of a row only"),
    )


def test_a_history_whose_primary_key_holds_valid_from_is_none() -> None:
    assert diff(seen(replace(HISTORY, unique_keys=())), ()).drifts == ()
