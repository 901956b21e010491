"""Which unique indexes of a live table leave room for several versions of a key."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ematix_flow.history import physical_table
from ematix_flow.migration import Drift, DropUnique, version_drifts
from ematix_flow.spec import Column, JobTarget, PostgresConnection, Scd2, Table
from ematix_flow.state import TargetState, UniqueIndex
from ematix_flow.types import Scalar

TABLE = Table(
    schema="shop",
    name="orders",
    columns=(
        Column(name="id", type=Scalar.BIGINT, nullable=False, primary_key=True),
        Column(name="email", type=Scalar.TEXT),
        Column(name="at", type=Scalar.TIMESTAMPTZ),
    ),
)


def found(mode: Scd2, *columns: str) -> list[Drift]:
    """The drifts of a history with one unique index."""
    connection = PostgresConnection(name="warehouse", url="")
    stored = physical_table(JobTarget(table=TABLE, connection=connection, mode=mode))
    index = UniqueIndex(name="one", columns=columns, is_constraint=True)
    clock = datetime(2026, 1, 1, tzinfo=UTC)
    state = TargetState(
        stored=stored, live=stored, schema_exists=True, empty=False, clock=clock, unique_indexes=(index,)
    )
    return list(version_drifts(state, mode))


@pytest.mark.parametrize(
    "columns", [("id",), ("email",), ("id", "at"), ("id", "is_current"), ("email", "id")], ids=", ".join
)
def test_versions_may_agree_in_whatever_is_read_from_the_source(columns: tuple[str, ...]) -> None:
    (drift,) = found(Scd2(keys=("id",)), *columns)
    assert drift.text == (
        f"unique index one allows one row for each ({', '.join(columns)}), and a history keeps a row for each version"
    )
    assert isinstance(drift.remedy, DropUnique)
    assert drift.remedy.index.name == "one"


@pytest.mark.parametrize(
    "columns", [("id", "valid_from"), ("valid_to", "id"), ("number",), ("id", "number")], ids=", ".join
)
def test_versions_do_not_agree_in_their_times_nor_in_what_the_server_numbers(
    columns: tuple[str, ...],
) -> None:
    assert found(Scd2(keys=("id",)), *columns) == []


def test_versions_by_the_sources_own_time_do_not_agree_in_it() -> None:
    assert found(Scd2(keys=("id",), valid_from="at"), "id", "at") == []
