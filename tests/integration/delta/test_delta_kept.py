"""Showing and resetting the watermarks of a lake, outside of any run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ematix_flow import BackendUnavailableError, LoadError, TargetPlan
from ematix_flow.backends.delta.kept import kept_watermark, reset_watermark
from ematix_flow.plan import AddRows
from ematix_flow.spec import Column, DeltaConnection, Table
from ematix_flow.state import Watermark
from ematix_flow.streams import Batches
from ematix_flow.types import Scalar

JOB = "load_orders"
ORDERS = Table(schema="shop", name="orders", columns=(Column(name="id", type=Scalar.BIGINT),))


def counted(value: str = "7", cursor: str = "column id BigInt") -> Watermark:
    return Watermark(cursor=cursor, value=value, type=Scalar.BIGINT)


@pytest.fixture(params=["lake", "s3_lake"])
def any_lake(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


def kept(lake: Any, watermark: Watermark, job: str = JOB) -> str | None:
    found = kept_watermark(lake.connection, ORDERS, job, watermark, lake.environ)
    return found.value if found else None


def test_a_watermark_is_shown_with_the_time_of_its_commit(any_lake: Any) -> None:
    any_lake.load(ORDERS, AddRows(), [{"id": 1}], watermark=counted())
    any_lake.load(ORDERS, AddRows(), [{"id": 2}])
    found = kept_watermark(any_lake.connection, ORDERS, JOB, counted(), any_lake.environ)
    assert found is not None
    assert (found.cursor, found.value) == ("column id BigInt", "7")
    _, entry = any_lake.handle(ORDERS).history()
    assert found.stored_at is not None
    assert found.stored_at.timestamp() == entry["timestamp"] / 1000


def test_a_reset_takes_the_watermarks_of_all_cursors_of_a_job(any_lake: Any) -> None:
    cursors = (counted(), counted("8", "transaction 0123"))
    for watermark in cursors:
        any_lake.load(ORDERS, AddRows(), [{"id": 1}], watermark=watermark)
    assert reset_watermark(any_lake.connection, ORDERS, JOB, any_lake.environ)
    assert [kept(any_lake, watermark) for watermark in cursors] == [None, None]
    assert [any_lake.stored(ORDERS, watermark.cursor, watermark) for watermark in cursors] == [None, None]


def test_a_reset_leaves_the_watermark_of_another_job(lake: Any) -> None:
    lake.load(ORDERS, AddRows(), [{"id": 1}], watermark=counted())
    assert reset_watermark(lake.connection, ORDERS, "another", lake.environ)
    assert kept(lake, counted()) == "7"


def test_what_is_stored_after_a_reset_counts_though_it_is_lower(lake: Any) -> None:
    lake.load(ORDERS, AddRows(), [{"id": 1}], watermark=counted("7"))
    reset_watermark(lake.connection, ORDERS, JOB, lake.environ)
    lake.load(ORDERS, AddRows(), [{"id": 1}], watermark=counted("5"))
    assert kept(lake, counted()) == "5"


def test_a_reset_survives_a_checkpoint(lake: Any) -> None:
    lake.load(ORDERS, AddRows(), [{"id": 1}], watermark=counted())
    reset_watermark(lake.connection, ORDERS, JOB, lake.environ)
    lake.handle(ORDERS).create_checkpoint()
    assert kept(lake, counted()) is None


def test_a_run_that_goes_on_during_a_reset_does_not_bring_the_watermark_back(
    lake: Any, plan_for: Callable[..., TargetPlan], as_batches: Callable[..., Batches]
) -> None:
    lake.load(ORDERS, AddRows(), [{"id": 1}], watermark=counted())
    with lake.sink() as sink:
        plan = plan_for(sink.observe(ORDERS), ORDERS, AddRows(), counted("9"))
        reset_watermark(lake.connection, ORDERS, JOB, lake.environ)
        with pytest.raises(LoadError, match="another writer committed to the table meanwhile"):
            sink.load(plan, as_batches(plan, [[{"id": 2}]]))
    assert kept(lake, counted()) is None


def test_a_reset_where_there_is_no_table_makes_none(lake: Any) -> None:
    assert not reset_watermark(lake.connection, ORDERS, JOB, lake.environ)
    assert kept(lake, counted()) is None


def test_a_lake_that_cannot_be_reached_is_told_without_its_secret(s3_lake: Any) -> None:
    options = {**dict(s3_lake.connection.storage_options), "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    away = DeltaConnection(
        name="lake", url="s3://${LAKE_BUCKET}/data", storage_options=tuple(options.items())
    )
    with pytest.raises(BackendUnavailableError) as caught:
        reset_watermark(away, ORDERS, JOB, {**s3_lake.environ, "LAKE_SECRET": "hunter2"})
    assert str(caught.value).startswith("job 'load_orders', connection 'lake': cannot open s3://")
    assert "hunter2" not in str(caught.value)
