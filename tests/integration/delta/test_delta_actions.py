"""Each way of loading a Delta table: exact rows and counts, on the first run and on the next."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ematix_flow.errors import DuplicateKeyError, LoadError, NullKeyError
from ematix_flow.plan import AddMissing, AddNewKeys, AddRows, ColumnRange, Proven, ReplaceRows, Unproven
from ematix_flow.results import LoadCounts
from ematix_flow.spec import Column, Table
from ematix_flow.types import Decimal, ListOf, Scalar

ORDERS = Table(
    schema="shop",
    name="orders",
    columns=(
        Column(name="id", type=Scalar.BIGINT, nullable=False, primary_key=True),
        Column(name="city", type=Scalar.TEXT),
    ),
)
EVENTS = Table(
    schema="shop",
    name="events",
    columns=(
        Column(name="name", type=Scalar.TEXT, nullable=False),
        Column(name="at", type=Scalar.TIMESTAMPTZ),
        Column(name="tags", type=ListOf(Scalar.TEXT)),
    ),
)
UNPROVEN = Unproven(why="a test")
PROVEN = Proven(why="a test")
KEYS = ("id",)


def order(id_: int | None, city: str | None) -> dict[str, Any]:
    return {"id": id_, "city": city}


def event(name: str, second: int, *tags: str) -> dict[str, Any]:
    return {"name": name, "at": datetime(2024, 1, 1, 0, 0, second, tzinfo=UTC), "tags": list(tags)}


def counts(found: LoadCounts) -> tuple[int, int, int, int]:
    assert (found.updated, found.closed) == (0, 0)
    return found.read, found.inserted, found.unchanged, found.deleted


# --- append without a key ----------------------------------------------------------------------------


def test_rows_without_a_key_are_added_as_read(lake: Any) -> None:
    first = lake.load(EVENTS, AddRows(), [event("a", 1), event("a", 1)], [event("b", 2)])
    second = lake.load(EVENTS, AddRows(), [event("a", 1)])
    assert counts(first) == (3, 3, 0, 0)
    assert counts(second) == (1, 1, 0, 0)
    assert [row["name"] for row in lake.rows(EVENTS)] == ["a", "a", "a", "b"]


def test_bytes_are_those_of_the_rows_as_they_travelled(lake: Any) -> None:
    numbers = Table(schema="shop", name="numbers", columns=ORDERS.columns[:1])
    assert lake.load(numbers, AddRows(), [{"id": 1}, {"id": 2}], [{"id": 3}]).bytes == 3 * 8


def test_no_rows_make_no_commit(lake: Any) -> None:
    lake.load(EVENTS, AddRows(), [event("a", 1)])
    before = lake.version(EVENTS)
    assert counts(lake.load(EVENTS, AddRows(), [])) == (0, 0, 0, 0)
    assert lake.version(EVENTS) == before


def test_no_rows_still_create_the_table(lake: Any) -> None:
    lake.load(EVENTS, AddRows())
    assert lake.rows(EVENTS) == []


# --- append by key -----------------------------------------------------------------------------------


@pytest.mark.parametrize("uniqueness", [PROVEN, UNPROVEN], ids=["proven", "unproven"])
def test_a_row_whose_key_is_there_is_left_alone(lake: Any, uniqueness: Any) -> None:
    action = AddNewKeys(keys=KEYS, uniqueness=uniqueness)
    first = lake.load(ORDERS, action, [order(1, "Rome")], [order(2, None)])
    second = lake.load(ORDERS, action, [order(1, "Paris"), order(3, "Oslo")])
    assert counts(first) == (2, 2, 0, 0)
    assert counts(second) == (2, 1, 1, 0)
    assert lake.rows(ORDERS) == [order(1, "Rome"), order(2, None), order(3, "Oslo")]


@pytest.mark.parametrize("uniqueness", [PROVEN, UNPROVEN], ids=["proven", "unproven"])
def test_a_run_that_finds_every_key_there_makes_no_commit(lake: Any, uniqueness: Any) -> None:
    action = AddNewKeys(keys=KEYS, uniqueness=uniqueness)
    lake.load(ORDERS, action, [order(1, "Rome")])
    before = lake.version(ORDERS)
    assert counts(lake.load(ORDERS, action, [order(1, "Rome")])) == (1, 0, 1, 0)
    assert lake.version(ORDERS) == before


def test_identical_rows_collapse_to_one_even_across_batches(lake: Any) -> None:
    action = AddNewKeys(keys=KEYS, uniqueness=UNPROVEN)
    found = lake.load(
        ORDERS, action, [order(1, "Rome"), order(2, "Oslo")], [order(1, "Rome"), order(1, "Rome")]
    )
    assert counts(found) == (4, 2, 2, 0)
    assert lake.rows(ORDERS) == [order(1, "Rome"), order(2, "Oslo")]


def test_different_rows_with_one_key_are_an_error_that_shows_them(lake: Any) -> None:
    action = AddNewKeys(keys=KEYS, uniqueness=UNPROVEN)
    with pytest.raises(DuplicateKeyError) as caught:
        lake.load(ORDERS, action, [order(1, "Rome"), order(2, "Oslo")], [order(1, None)])
    assert caught.value.count == 1
    assert caught.value.samples == ("id=1, city=Rome / id=1, city=null",)


def test_a_null_in_a_key_is_an_error_that_shows_five_rows(lake: Any) -> None:
    action = AddNewKeys(keys=KEYS, uniqueness=UNPROVEN)
    with pytest.raises(NullKeyError) as caught:
        lake.load(ORDERS, action, [order(1, "Rome")], [order(None, f"city {n}") for n in range(7)])
    assert caught.value.count == 7
    assert caught.value.samples == tuple(f"id=null, city=city {n}" for n in range(5))
    assert not lake.exists(ORDERS)


@pytest.mark.parametrize("rows", [[order(1, "Rome"), order(1, "Oslo")], [order(None, "Rome")]])
def test_values_are_hidden_where_the_connection_says_so(lake: Any, rows: list[dict[str, Any]]) -> None:
    discreet = replace(lake, connection=replace(lake.connection, show_values=False))
    with pytest.raises((DuplicateKeyError, NullKeyError)) as caught:
        discreet.load(ORDERS, AddNewKeys(keys=KEYS, uniqueness=UNPROVEN), rows)
    assert caught.value.samples == ("(values hidden)",)
    assert "Rome" not in str(caught.value)


def test_keys_are_compared_a_chunk_and_a_block_at_a_time(lake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ematix_flow.backends.delta.portions.CHUNK_BYTES", 1)
    monkeypatch.setattr("ematix_flow.backends.delta.portions.BLOCK_ROWS", 1)
    action = AddNewKeys(keys=KEYS, uniqueness=PROVEN)
    for id_ in (1, 4, 2):
        lake.load(ORDERS, AddRows(), [order(id_, "Rome")])
    found = lake.load(ORDERS, action, [order(4, "x"), order(3, "x")], [], [order(2, "x")], [order(5, "x")])
    assert counts(found) == (4, 2, 2, 0)
    assert [row["id"] for row in lake.rows(ORDERS)] == [1, 2, 3, 4, 5]


def test_a_key_of_several_columns_of_several_types(lake: Any) -> None:
    table = Table(
        schema="shop",
        name="lines",
        columns=(
            Column(name='order "no"', type=Scalar.TEXT, nullable=False),
            Column(name="price", type=Decimal(10, 2), nullable=False),
            Column(name="raw", type=Scalar.BYTES, nullable=False),
            Column(name="sold on", type=Scalar.DATE, nullable=False),
        ),
    )
    action = AddNewKeys(keys=tuple(column.name for column in table.columns), uniqueness=UNPROVEN)
    day = datetime(2024, 1, 1, tzinfo=UTC).date()
    rows = [
        {'order "no"': "a", "price": 1, "raw": b"\x00\xff", "sold on": day},
        {'order "no"': "a", "price": 1, "raw": b"\x00\xfe", "sold on": day},
    ]
    assert counts(lake.load(table, action, rows[:1])) == (1, 1, 0, 0)
    assert counts(lake.load(table, action, rows)) == (2, 1, 1, 0)


# --- truncate ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("uniqueness", [PROVEN, UNPROVEN], ids=["proven", "unproven"])
def test_the_target_becomes_exactly_the_source(lake: Any, uniqueness: Any) -> None:
    action = ReplaceRows(keys=KEYS, uniqueness=uniqueness)
    assert counts(lake.load(ORDERS, action, [order(1, "Rome"), order(2, "Oslo")])) == (2, 2, 0, 0)
    assert counts(lake.load(ORDERS, action, [order(3, "Bern")])) == (1, 1, 0, 2)
    assert lake.rows(ORDERS) == [order(3, "Bern")]


def test_an_empty_source_empties_the_table(lake: Any) -> None:
    action = ReplaceRows(keys=(), uniqueness=PROVEN)
    lake.load(ORDERS, action, [order(1, "Rome")])
    assert counts(lake.load(ORDERS, action)) == (0, 0, 0, 1)
    assert lake.rows(ORDERS) == []


def test_an_empty_source_and_an_empty_table_make_no_commit(lake: Any) -> None:
    action = ReplaceRows(keys=(), uniqueness=PROVEN)
    lake.load(ORDERS, action)
    before = lake.version(ORDERS)
    lake.load(ORDERS, action)
    assert lake.version(ORDERS) == before


def test_identical_rows_of_a_replacement_collapse(lake: Any) -> None:
    action = ReplaceRows(keys=KEYS, uniqueness=UNPROVEN)
    assert counts(lake.load(ORDERS, action, [order(1, "Rome")], [order(1, "Rome")])) == (2, 1, 1, 0)


def test_a_replacement_with_an_ambiguous_key_leaves_the_old_rows(lake: Any) -> None:
    action = ReplaceRows(keys=KEYS, uniqueness=UNPROVEN)
    lake.load(ORDERS, action, [order(1, "Rome")])
    with pytest.raises(DuplicateKeyError):
        lake.load(ORDERS, action, [order(2, "Oslo"), order(2, "Bern")])
    assert lake.rows(ORDERS) == [order(1, "Rome")]


# --- a slice without a key ---------------------------------------------------------------------------


def slice_from(second: int, lookback: timedelta = timedelta(0)) -> AddMissing:
    return AddMissing(
        window=ColumnRange(
            column="at",
            type=Scalar.TIMESTAMPTZ,
            lower=f"2024-01-01 00:00:{second:02}+00",
            lookback=lookback,
            bound="2024-01-01 00:00:59+00",
        )
    )


def test_a_slice_read_again_adds_only_what_is_new(lake: Any) -> None:
    lake.load(EVENTS, AddRows(), [event("a", 1), event("b", 2, "x")])
    found = lake.load(EVENTS, slice_from(2), [event("b", 2, "x"), event("c", 3)])
    assert counts(found) == (2, 1, 1, 0)
    assert [row["name"] for row in lake.rows(EVENTS)] == ["a", "b", "c"]


def test_a_legitimate_twin_is_kept(lake: Any) -> None:
    lake.load(EVENTS, AddRows(), [event("a", 1)])
    found = lake.load(EVENTS, slice_from(1), [event("a", 1), event("a", 1)], [event("a", 1)])
    assert counts(found) == (3, 2, 1, 0)
    assert [row["name"] for row in lake.rows(EVENTS)] == ["a", "a", "a"]


def test_an_equal_row_below_the_slice_is_not_counted_as_there(lake: Any) -> None:
    """With the window's column in the target, an equal row lies in the slice by its very value."""
    lake.load(EVENTS, AddRows(), [event("a", 1), event("a", 5)])
    found = lake.load(EVENTS, slice_from(5, timedelta(seconds=2)), [event("a", 4), event("a", 5)])
    assert counts(found) == (2, 1, 1, 0)


def test_nulls_and_arrays_compare_as_values(lake: Any) -> None:
    row = {"name": "a", "at": datetime(2024, 1, 1, 0, 0, 1, tzinfo=UTC), "tags": None}
    listed = {**row, "tags": ["x", None]}
    lake.load(EVENTS, AddRows(), [row, listed])
    found = lake.load(EVENTS, slice_from(1), [row, listed, {**row, "tags": ["x"]}])
    assert counts(found) == (3, 1, 2, 0)


def test_a_slice_is_compared_with_all_rows_where_the_target_lacks_the_column(lake: Any) -> None:
    narrow = Table(schema="shop", name="names", columns=EVENTS.columns[:1])
    lake.load(narrow, AddRows(), [{"name": "a"}, {"name": "b"}])
    assert counts(lake.load(narrow, slice_from(1), [{"name": "b"}, {"name": "c"}])) == (2, 1, 1, 0)


# --- what is refused ---------------------------------------------------------------------------------


def test_a_null_in_a_not_null_column_names_the_column(lake: Any) -> None:
    with pytest.raises(LoadError, match="column 'name' is declared NOT NULL"):
        lake.load(EVENTS, AddRows(), [{"name": None, "at": None, "tags": None}])
