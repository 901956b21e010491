"""The same on an object store: a moto server on loopback. Secrets stay secret."""

from __future__ import annotations

import pickle
import socket
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ematix_flow.errors import BackendUnavailableError, LoadError
from ematix_flow.plan import AddNewKeys, AddRows, Proven, ReplaceRows, TargetPlan, Unproven
from ematix_flow.results import LoadCounts
from ematix_flow.spec import Column, Table
from ematix_flow.state import Watermark
from ematix_flow.streams import Batches
from ematix_flow.types import Scalar

ORDERS = Table(
    schema="shop",
    name="orders",
    columns=(
        Column(name="id", type=Scalar.BIGINT, nullable=False, primary_key=True),
        Column(name="city", type=Scalar.TEXT),
    ),
)
PROVEN = Proven(why="a test")
MARK = Watermark(cursor="transaction 0123", value="7", type=Scalar.BIGINT)
LATER = Watermark(cursor="transaction 0123", value="8", type=Scalar.BIGINT)


def order(id_: int, city: str | None = None) -> dict[str, Any]:
    return {"id": id_, "city": city}


def test_rows_are_appended(s3_lake: Any) -> None:
    s3_lake.load(ORDERS, AddRows(), [order(1, "Rome")])
    found = s3_lake.load(ORDERS, AddRows(), [order(2)])
    assert found == LoadCounts(read=1, inserted=1, bytes=found.bytes)
    assert s3_lake.rows(ORDERS) == [order(1, "Rome"), order(2)]


def test_new_keys_are_merged(s3_lake: Any) -> None:
    action = AddNewKeys(keys=("id",), uniqueness=Unproven(why="a test"))
    s3_lake.load(ORDERS, action, [order(1, "Rome")])
    found = s3_lake.load(ORDERS, action, [order(1, "Paris"), order(2)], [order(2)])
    assert (found.read, found.inserted, found.unchanged) == (3, 1, 2)
    assert s3_lake.rows(ORDERS) == [order(1, "Rome"), order(2)]


def test_rows_are_replaced(s3_lake: Any) -> None:
    action = ReplaceRows(keys=(), uniqueness=PROVEN)
    s3_lake.load(ORDERS, action, [order(1), order(2)])
    found = s3_lake.load(ORDERS, action, [order(3)])
    assert (found.inserted, found.deleted) == (1, 2)
    assert s3_lake.rows(ORDERS) == [order(3)]


def test_the_watermark_is_kept(s3_lake: Any) -> None:
    s3_lake.load(ORDERS, AddRows(), [order(1)], watermark=MARK)
    s3_lake.load(ORDERS, AddRows(), watermark=LATER)
    assert s3_lake.stored(ORDERS, MARK.cursor, MARK) == "8"


def test_a_commit_of_another_writer_fails_the_load(
    s3_lake: Any, plan_for: Callable[..., TargetPlan], as_batches: Callable[..., Batches]
) -> None:
    s3_lake.load(ORDERS, AddRows(), [order(1)])
    with s3_lake.sink() as sink:
        plan = plan_for(sink.observe(ORDERS), ORDERS, ReplaceRows(keys=(), uniqueness=PROVEN))
        s3_lake.load(ORDERS, AddRows(), [order(2)])
        with pytest.raises(LoadError, match="another writer"):
            sink.load(plan, as_batches(plan, [[order(3)]]))
    assert s3_lake.rows(ORDERS) == [order(1), order(2)]


# --- secrets -----------------------------------------------------------------------------------------


def told(error: BaseException) -> str:
    """Everything that could reach a log: message, causes, repr, the pickled form."""
    return "".join(traceback.format_exception(error)) + repr(error) + repr(pickle.dumps(error))


def with_options(lake: Any, **options: str) -> Any:
    declared = dict(lake.connection.storage_options) | options
    return replace(lake, connection=replace(lake.connection, storage_options=tuple(declared.items())))


def test_a_bucket_that_does_not_exist_is_told_without_the_secret(s3_lake: Any) -> None:
    absent = replace(s3_lake, environ={**s3_lake.environ, "LAKE_BUCKET": "no-such-bucket-s3cr3t"})
    with pytest.raises(BackendUnavailableError, match=r"connection 'lake'.*NoSuchBucket") as caught:
        absent.load(ORDERS, AddRows(), [order(1)])
    assert caught.value.connection == "lake"
    assert "s3cr3t" not in told(caught.value)


def test_a_server_that_is_down_is_told_without_the_secret(s3_lake: Any) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{probe.getsockname()[1]}"
    down = with_options(s3_lake, AWS_ENDPOINT_URL=closed, max_retries="0")
    with pytest.raises(BackendUnavailableError, match=r"s3://\${LAKE_BUCKET}/data/shop/orders") as caught:
        down.load(ORDERS, AddRows(), [order(1)])
    assert "s3cr3t" not in told(caught.value)


def test_the_plan_shows_where_and_never_an_option(s3_lake: Any, plan_for: Callable[..., TargetPlan]) -> None:
    with s3_lake.sink() as sink:
        lines = sink.render(plan_for(sink.observe(ORDERS), ORDERS, AddRows(), MARK))
    assert lines == (
        "create table s3://${LAKE_BUCKET}/data/shop/orders (id BigInt not null, city Text)",
        "append the rows to s3://${LAKE_BUCKET}/data/shop/orders",
        "with transaction ematix-flow/load_orders/transaction 0123 = 7, in the same commit",
    )
