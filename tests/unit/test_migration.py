"""Declared against live: which steps make a table fit, and which differences are drift."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ematix_flow.migration import (
    AddColumn,
    ChangeType,
    CreateSchema,
    CreateTable,
    Drift,
    Migration,
    SetNotNull,
    diff,
    is_unique,
)
from ematix_flow.spec import Column, Table, UniqueKey
from ematix_flow.state import TargetState
from ematix_flow.types import DataType, Decimal, Scalar, Varchar

ID = Column(name="order_id", type=Scalar.BIGINT, nullable=False, primary_key=True)
NAME = Column(name="name", type=Scalar.TEXT)
PRICE = Column(name="price", type=Decimal(12, 2), nullable=False)


def table(*columns: Column, unique_keys: tuple[UniqueKey, ...] = (), comment: str | None = None) -> Table:
    return Table(schema="shop", name="orders", columns=columns, unique_keys=unique_keys, comment=comment)


def seen(declared: Table, live: Table | None, *, schema_exists: bool = True) -> TargetState:
    return TargetState(
        stored=declared,
        live=live,
        schema_exists=schema_exists,
        empty=live is None,
        clock=datetime(2026, 1, 1, tzinfo=UTC),
    )


def drifts(declared: Table, live: Table, keys: tuple[str, ...] = ()) -> list[str]:
    return [drift.text for drift in diff(seen(declared, live), keys).drifts]


# --- a new table --------------------------------------------------------------------------------------


def test_a_missing_table_is_created() -> None:
    declared = table(ID, NAME)
    assert diff(seen(declared, None), ("order_id",)) == Migration(steps=(CreateTable(table=declared),))


def test_a_missing_schema_is_created_first() -> None:
    declared = table(ID)
    steps = diff(seen(declared, None, schema_exists=False), ()).steps
    assert steps == (CreateSchema(schema="shop"), CreateTable(table=declared))


def test_keys_that_the_table_does_not_declare_become_a_unique_constraint() -> None:
    declared = table(ID, NAME)
    (step,) = diff(seen(declared, None), ("name",)).steps
    assert isinstance(step, CreateTable)
    assert step.table == replace(declared, unique_keys=(UniqueKey(name="keys", columns=("name",)),))


@pytest.mark.parametrize("keys", [("order_id", "name"), ("name", "order_id")])
def test_keys_that_are_unique_already_add_nothing_in_any_order(keys: tuple[str, ...]) -> None:
    declared = table(ID, NAME, unique_keys=(UniqueKey(name="natural", columns=("order_id", "name")),))
    assert diff(seen(declared, None), keys).steps == (CreateTable(table=declared),)


# --- a live table -------------------------------------------------------------------------------------


def test_a_table_that_is_as_declared_needs_nothing() -> None:
    assert diff(seen(table(ID, NAME), table(ID, NAME)), ("order_id",)) == Migration()


def test_the_order_of_columns_and_a_comment_are_no_difference() -> None:
    assert diff(seen(table(ID, NAME), table(NAME, ID, comment="orders")), ("order_id",)) == Migration()


def test_a_nullable_column_is_added() -> None:
    declared = table(ID, NAME)
    assert diff(seen(declared, table(ID)), ()) == Migration(steps=(AddColumn(table=declared, column=NAME),))


def test_a_missing_column_that_must_not_be_null_is_drift() -> None:
    assert drifts(table(ID, PRICE), table(ID)) == [
        "column price is missing and declared NOT NULL without a default"
    ]


@pytest.mark.parametrize(
    ("declared", "live"),
    [
        (Scalar.INTEGER, Scalar.BIGINT),
        (Varchar(10), Scalar.TEXT),
        (Decimal(12, 2), Decimal(12, 4)),
        (Scalar.TIMESTAMPTZ, Scalar.TIMESTAMP),
    ],
)
def test_another_type_is_drift_that_names_both(declared: DataType, live: DataType) -> None:
    found = drifts(table(ID, replace(NAME, type=declared)), table(ID, replace(NAME, type=live)))
    assert found == [f"column name is {live}, declared {declared}"]


def test_a_live_column_that_may_be_null_is_drift_where_none_are_declared() -> None:
    assert drifts(table(ID, PRICE), table(ID, replace(PRICE, nullable=True))) == [
        "column price is nullable, declared NOT NULL"
    ]


@pytest.mark.parametrize("surplus", [Column(name="note", type=Scalar.TEXT), replace(PRICE, has_default=True)])
def test_a_surplus_live_column_is_tolerated_where_rows_can_be_added_without_it(surplus: Column) -> None:
    assert diff(seen(table(ID), table(ID, surplus)), ()) == Migration()


def test_a_surplus_live_column_that_needs_a_value_is_drift() -> None:
    assert drifts(table(ID), table(ID, PRICE)) == [
        "column price is NOT NULL and not declared, so no row could be added"
    ]


def test_a_live_table_without_a_unique_index_on_the_keys_needs_none() -> None:
    live = table(replace(ID, primary_key=False))
    assert diff(seen(table(ID), live), ("order_id",)) == Migration()


def test_every_difference_is_told_at_once() -> None:
    declared = table(ID, NAME, PRICE)
    live = table(replace(ID, type=Scalar.TEXT, nullable=True), replace(PRICE, nullable=True))
    migration = diff(seen(declared, live), ())
    assert migration.steps == (AddColumn(table=declared, column=NAME),)
    assert migration.drifts == (
        Drift(text="column order_id is Text, declared BigInt", remedy=ChangeType(table=declared, column=ID)),
        Drift(
            text="column order_id is nullable, declared NOT NULL",
            remedy=SetNotNull(table=declared, column=ID),
        ),
        Drift(
            text="column price is nullable, declared NOT NULL",
            remedy=SetNotNull(table=declared, column=PRICE),
        ),
    )


# --- by what rows are told apart ----------------------------------------------------------------------

NOT_UNIQUE = replace(ID, primary_key=False)


@pytest.mark.parametrize(
    ("live", "keys", "unique"),
    [
        (table(ID, NAME), ("order_id",), True),
        (table(ID, NAME), ("name",), False),
        (table(NOT_UNIQUE, NAME), ("order_id",), False),
        (table(NOT_UNIQUE, unique_keys=(UniqueKey(name="i", columns=("order_id",)),)), ("order_id",), True),
        (table(ID, replace(NAME, primary_key=True)), ("name", "order_id"), True),
        (table(ID, replace(NAME, primary_key=True)), ("order_id",), False),
        (None, ("order_id",), True),
    ],
    ids=[
        "the primary key",
        "another column",
        "no index",
        "any unique index",
        "in another order",
        "an index on more columns",
        "a table that is about to be made",
    ],
)
def test_a_unique_index_on_exactly_the_keys_tells_rows_apart(
    live: Table | None, keys: tuple[str, ...], unique: bool
) -> None:
    assert is_unique(live, keys) is unique


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (CreateSchema(schema="shop"), "create schema shop"),
        (CreateTable(table=table(ID)), "create table shop.orders"),
        (AddColumn(table=table(ID), column=PRICE), "add column price Numeric[12, 2]"),
    ],
    ids=str,
)
def test_a_step_says_what_it_does(step: CreateSchema | CreateTable | AddColumn, words: str) -> None:
    assert str(step) == words
