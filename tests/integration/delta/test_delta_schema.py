"""Creating a Delta table, looking at it, adding columns; every type value by value."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal as Number
from typing import Any

import pyarrow as pa
import pytest

from ematix_flow.errors import UnsupportedTypeError
from ematix_flow.migration import diff
from ematix_flow.plan import (
    Action,
    AddMissing,
    AddNewKeys,
    AddRows,
    ColumnRange,
    Proven,
    ReplaceRows,
    TargetPlan,
)
from ematix_flow.spec import Column, Table, UniqueKey
from ematix_flow.types import DataType, Decimal, ListOf, Scalar, Varchar

PROVEN = Proven(why="a test")
ID = Column(name="id", type=Scalar.BIGINT, nullable=False, primary_key=True, comment="the order's number")
CITY = Column(name="city", type=Varchar(20))
NOTE = Column(name="note", type=ListOf(Scalar.TEXT), comment="free text")


def orders(*columns: Column) -> Table:
    return Table(
        schema="shop",
        name="orders",
        columns=columns,
        unique_keys=(UniqueKey(name="natural", columns=("id",)),),
        comment="one row an order",
    )


def test_nothing_is_there_before_the_first_load(lake: Any) -> None:
    with lake.sink() as sink:
        state = sink.observe(orders(ID, CITY))
    assert (state.live, state.schema_exists, state.empty, state.mark) == (None, True, True, None)


def test_looking_creates_nothing(lake: Any, tmp_path: Any) -> None:
    with lake.sink() as sink:
        sink.observe(orders(ID, CITY))
    assert list(tmp_path.iterdir()) == []


def test_a_created_table_is_seen_as_it_was_declared(lake: Any) -> None:
    table = orders(ID, CITY, NOTE)
    lake.load(table, AddRows())
    with lake.sink() as sink:
        state = sink.observe(table)
    assert state.live == state.stored
    assert state.empty
    assert lake.handle(table).metadata().description == "one row an order"


def test_a_loaded_table_is_not_empty(lake: Any) -> None:
    lake.load(orders(ID), AddRows(), [{"id": 1}])
    with lake.sink() as sink:
        assert not sink.observe(orders(ID)).empty


def test_a_uuid_declared_and_text_stored_is_no_drift(lake: Any) -> None:
    table = orders(Column(name="id", type=Scalar.UUID, nullable=False))
    lake.load(table, AddRows())
    with lake.sink() as sink:
        assert diff(sink.observe(table), ()).drifts == ()


def test_a_type_that_cannot_be_stored_is_refused_at_the_first_look(lake: Any) -> None:
    with lake.sink() as sink, pytest.raises(UnsupportedTypeError, match="column 'span'"):
        sink.observe(orders(ID, Column(name="span", type=Scalar.INTERVAL)))


# --- new columns -------------------------------------------------------------------------------------

ACTIONS = [
    pytest.param(AddRows(), id="add rows"),
    pytest.param(AddNewKeys(keys=("id",), uniqueness=PROVEN), id="add new keys"),
    pytest.param(ReplaceRows(keys=("id",), uniqueness=PROVEN), id="replace rows"),
]


@pytest.mark.parametrize("action", ACTIONS)
def test_a_new_column_rides_in_the_commit_of_the_rows(lake: Any, action: Action) -> None:
    lake.load(orders(ID, CITY), action, [{"id": 1, "city": "Rome"}])
    before = lake.version(orders(ID))
    wider = orders(ID, NOTE, CITY)
    lake.load(wider, action, [{"id": 2, "city": "Oslo", "note": ["x"]}])
    assert lake.version(wider) == before + 1
    with lake.sink() as sink:
        live = sink.observe(wider).live
    assert live is not None
    assert set(live.columns) == {
        Column(name="id", type=Scalar.BIGINT, nullable=False, comment="the order's number"),
        Column(name="city", type=Scalar.TEXT),
        NOTE,
    }
    assert {"id": 2, "city": "Oslo", "note": ["x"]} in lake.rows(wider)


@pytest.mark.parametrize("action", ACTIONS)
def test_a_new_column_comes_though_no_row_does(lake: Any, action: Action) -> None:
    lake.load(orders(ID, CITY), action, [{"id": 1, "city": "Rome"}])
    lake.load(orders(ID, CITY, NOTE), action)
    assert [field.name for field in lake.handle(orders()).schema().fields] == ["id", "city", "note"]


def test_a_slice_is_compared_with_null_in_a_new_column(lake: Any) -> None:
    lake.load(orders(ID), AddRows(), [{"id": 1}, {"id": 2}])
    window = ColumnRange(column="id", type=Scalar.BIGINT, lower="2", lookback=timedelta(0), bound="3")
    rows = [{"id": 2, "city": None}, {"id": 3, "city": "Rome"}]
    assert lake.load(orders(ID, CITY), AddMissing(window=window), rows).inserted == 1


@pytest.mark.parametrize("action", ACTIONS)
def test_a_live_column_that_nobody_declared_stays_and_is_null(lake: Any, action: Action) -> None:
    lake.load(orders(ID, CITY), action, [{"id": 1, "city": "Rome"}])
    lake.load(orders(ID), action, [{"id": 2}])
    assert {"id": 2, "city": None} in lake.rows(orders(ID))


@pytest.mark.parametrize("action", ACTIONS)
def test_not_null_stays_not_null(lake: Any, action: Action) -> None:
    for number in range(3):
        lake.load(orders(ID, CITY), action, [{"id": number, "city": None}])
    assert not lake.handle(orders()).schema().fields[0].nullable


# --- values ------------------------------------------------------------------------------------------

VALUES: list[tuple[DataType, list[Any], list[Any] | None]] = [
    (Scalar.SMALLINT, [-32768, 32767], None),
    (Scalar.INTEGER, [-(2**31), 2**31 - 1], None),
    (Scalar.BIGINT, [-(2**63), 2**63 - 1], None),
    (Scalar.REAL, [0.5, float("inf"), float("-inf")], None),
    (Scalar.DOUBLE, [1e308, 5e-324, float("inf")], None),
    (Scalar.BOOLEAN, [True, False], None),
    (Scalar.TEXT, ["", "ünï → 𝄞", "a\x00b", "line\nend"], None),
    (Varchar(5), ["", "abcde"], None),
    (Decimal(38, 0), [Number(10**38 - 1), Number(-(10**38) + 1)], None),
    (Decimal(12, 4), [Number("12345678.9999"), Number("-0.0001")], None),
    (Scalar.DATE, [date(1, 1, 1), date(1969, 12, 31), date(9999, 12, 31)], None),
    (Scalar.TIME, [time(0, 0), time(23, 59, 59, 999999)], ["00:00:00.000000", "23:59:59.999999"]),
    (Scalar.TIMESTAMP, [datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999)], None),
    (
        Scalar.TIMESTAMPTZ,
        [datetime(1900, 1, 1, tzinfo=UTC), datetime(2024, 2, 29, 1, 2, 3, 4, tzinfo=UTC)],
        None,
    ),
    (Scalar.JSON, ['{"b": 1, "a": [null]}', "null"], None),
    (Scalar.JSONB, ['{"a": 1}'], None),
    (Scalar.UUID, ["0190d6a4-0000-7000-8000-000000000000"], None),
    (Scalar.BYTES, [b"", b"\x00\xff"], None),
    (ListOf(Scalar.INTEGER), [[], [1, None]], None),
    (ListOf(Scalar.UUID), [["0190d6a4-0000-7000-8000-000000000000"]], None),
    (ListOf(Scalar.TIME), [[time(1, 2, 3)]], [["01:02:03.000000"]]),
    (ListOf(Decimal(5, 2)), [[Number("1.25"), None]], None),
    (ListOf(Scalar.TIMESTAMPTZ), [[datetime(2024, 1, 1, tzinfo=UTC)]], None),
]


@pytest.mark.parametrize(("type_", "given", "wanted"), VALUES, ids=[str(value[0]) for value in VALUES])
def test_values_are_stored_without_loss(
    lake: Any, type_: DataType, given: list[Any], wanted: list[Any] | None
) -> None:
    table = Table(
        schema="shop",
        name="values",
        columns=(Column(name="n", type=Scalar.INTEGER), Column(name="x", type=type_)),
    )
    rows = [{"n": n, "x": x} for n, x in enumerate([*given, None])]
    lake.load(table, AddRows(), rows)
    lake.load(table, AddNewKeys(keys=("n",), uniqueness=PROVEN), rows)
    assert [row["x"] for row in lake.rows(table)] == [*(wanted or given), None]


def test_not_a_number_is_stored(lake: Any) -> None:
    table = Table(schema="shop", name="values", columns=(Column(name="x", type=Scalar.DOUBLE),))
    lake.load(table, AddRows(), [{"x": float("nan")}])
    (row,) = lake.rows(table)
    assert row["x"] != row["x"]  # NaN is what differs from itself


def test_a_stream_of_narrower_types_is_widened(
    lake: Any, plan_for: Callable[..., TargetPlan], as_batches: Callable[..., Any]
) -> None:
    """A fan-out travels in the narrowest types of its targets."""
    wide = Table(schema="shop", name="wide", columns=(Column(name="x", type=Scalar.BIGINT),))
    narrow = Table(schema="shop", name="wide", columns=(Column(name="x", type=Scalar.SMALLINT),))
    with lake.sink() as sink:
        state = sink.observe(wide)
        plan = plan_for(state, wide, AddRows())
        travelling = plan_for(state, narrow, AddRows())
        sink.load(plan, as_batches(travelling, [[{"x": 7}]]))
    assert pa.schema(lake.handle(wide).schema().to_arrow()).field("x").type == pa.int64()
    assert lake.rows(wide) == [{"x": 7}]
