"""Merge into a Delta table: exact rows, counts and commits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as Number
from typing import Any

import pyarrow as pa
import pytest
from deltalake import Field, write_deltalake
from deltalake.schema import PrimitiveType

from ematix_flow.errors import DuplicateKeyError, EmptySourceError, LoadError, NullKeyError
from ematix_flow.plan import AddRows, MergeRows, Proven, ReplaceSlice, Slice, Uniqueness, Unproven
from ematix_flow.results import LoadCounts
from ematix_flow.spec import Column, Deletes, Table
from ematix_flow.types import DataType, Decimal, ListOf, Scalar, Varchar

ORDERS = Table(
    schema="shop",
    name="orders",
    columns=(
        Column(name="id", type=Scalar.BIGINT, nullable=False, primary_key=True),
        Column(name="city", type=Scalar.TEXT),
        Column(name="note", type=Scalar.TEXT),
    ),
)
CLOCK = datetime(2024, 1, 1, tzinfo=UTC)
LATER = CLOCK + timedelta(days=1)
UNPROVEN = Unproven(why="a test")


def merge(
    deletes: Deletes | None = None,
    update: Sequence[str] = ("city", "note"),
    keys: Sequence[str] = ("id",),
    allow_empty_source: bool = False,
    uniqueness: Uniqueness = UNPROVEN,
) -> MergeRows:
    return MergeRows(
        keys=tuple(keys),
        update=tuple(update),
        deletes=deletes,
        allow_empty_source=allow_empty_source,
        uniqueness=uniqueness,
    )


def order(id_: int | None, city: str | None, note: str | None = None) -> dict[str, Any]:
    return {"id": id_, "city": city, "note": note}


def counts(found: LoadCounts) -> tuple[int, int, int, int, int]:
    assert found.closed == 0
    return found.read, found.inserted, found.updated, found.unchanged, found.deleted


@pytest.mark.parametrize("uniqueness", [Proven(why="a test"), UNPROVEN], ids=["proven", "unproven"])
def test_new_keys_are_added_and_different_rows_set(lake: Any, uniqueness: Uniqueness) -> None:
    action = merge(uniqueness=uniqueness)
    first = lake.load(ORDERS, action, [order(1, "Rome"), order(2, None)], [order(3, "Bern", "x")])
    second = lake.load(
        ORDERS, action, [order(2, "Oslo"), order(3, None, "x")], [order(1, "Rome"), order(4, "Wien")]
    )
    assert counts(first) == (3, 3, 0, 0, 0)
    assert counts(second) == (4, 1, 2, 1, 0)
    assert lake.rows(ORDERS) == [order(1, "Rome"), order(2, "Oslo"), order(3, None, "x"), order(4, "Wien")]


def test_a_merge_that_changes_nothing_makes_no_commit(lake: Any) -> None:
    lake.load(ORDERS, merge(), [order(1, "Rome"), order(2, None)])
    before = lake.version(ORDERS)
    assert counts(lake.load(ORDERS, merge(), [order(2, None), order(1, "Rome")])) == (2, 0, 0, 2, 0)
    assert lake.version(ORDERS) == before


def test_a_merge_is_one_commit(lake: Any) -> None:
    lake.load(ORDERS, merge(), [order(1, "Rome"), order(2, "Oslo")])
    before = lake.version(ORDERS)
    found = lake.load(ORDERS, merge(Deletes.HARD), [order(1, "Bern"), order(3, "Wien")])
    assert counts(found) == (2, 1, 1, 0, 1)
    assert lake.version(ORDERS) == before + 1


def test_only_the_named_columns_are_compared_and_set(lake: Any) -> None:
    lake.load(ORDERS, merge(), [order(1, "Rome", "old"), order(2, "Oslo", "old")])
    found = lake.load(ORDERS, merge(update=["city"]), [order(1, "Rome", "new"), order(2, "Bern", "new")])
    assert counts(found) == (2, 0, 1, 1, 0)
    assert lake.rows(ORDERS) == [order(1, "Rome", "old"), order(2, "Bern", "old")]


def test_identical_rows_collapse_and_different_ones_are_an_error(lake: Any) -> None:
    assert counts(lake.load(ORDERS, merge(), [order(1, "Rome")], [order(1, "Rome")])) == (2, 1, 0, 1, 0)
    with pytest.raises(DuplicateKeyError):
        lake.load(ORDERS, merge(), [order(1, "Rome"), order(1, None)])
    with pytest.raises(NullKeyError):
        lake.load(ORDERS, merge(), [order(None, "Rome")])


def test_chunks_and_blocks_of_one_row_come_to_the_same(lake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ematix_flow.backends.delta.portions.CHUNK_BYTES", 1)
    lake.load(ORDERS, merge(), [order(n, "Rome") for n in range(5)])
    given = [[order(n, "Rome" if n % 2 else "Oslo")] for n in range(2, 9)]
    assert counts(lake.load(ORDERS, merge(Deletes.HARD), *given)) == (7, 4, 2, 1, 2)
    assert [row["id"] for row in lake.rows(ORDERS) if row["city"] == "Oslo"] == [2, 4, 6, 8]


@pytest.mark.parametrize("step", [1, 3], ids=["the next keys", "keys far away"])
def test_more_keys_than_are_listed_change(lake: Any, step: int) -> None:
    lake.load(ORDERS, merge(), [order(n, "Rome") for n in range(5_000)])
    given = [order(n, "Oslo") for n in range(1_000, 1_000 + 1_200 * step, step)] + [order(9_999, "Bern")]
    assert counts(lake.load(ORDERS, merge(), given)) == (1_201, 1, 1_200, 0, 0)
    found = sorted((row["id"], row["city"]) for row in lake.rows(ORDERS))
    wanted = dict.fromkeys(range(5000), "Rome") | {row["id"]: row["city"] for row in given}
    assert found == sorted(wanted.items())


# --- rows that are gone ------------------------------------------------------------------------------


def test_rows_that_are_gone_are_deleted(lake: Any) -> None:
    lake.load(ORDERS, merge(Deletes.HARD), [order(1, "Rome"), order(2, "Oslo"), order(3, None)])
    assert counts(lake.load(ORDERS, merge(Deletes.HARD), [order(2, "Oslo")])) == (1, 0, 0, 1, 2)
    assert lake.rows(ORDERS) == [order(2, "Oslo")]


def test_rows_that_are_gone_are_marked_once_and_come_back(lake: Any) -> None:
    action = merge(Deletes.SOFT)
    lake.load(ORDERS, action, [order(1, "Rome"), order(2, "Oslo")], clock=CLOCK)
    assert counts(lake.load(ORDERS, action, [order(2, "Oslo")], clock=CLOCK)) == (1, 0, 0, 1, 1)
    assert counts(lake.load(ORDERS, action, [order(2, "Oslo")], clock=LATER)) == (1, 0, 0, 1, 0)
    assert [row["deleted_at"] for row in lake.rows(ORDERS)] == [CLOCK, None]
    found = lake.load(ORDERS, action, [order(1, "Rome"), order(2, "Oslo")], clock=LATER)
    assert counts(found) == (2, 0, 1, 1, 0)
    assert [row["deleted_at"] for row in lake.rows(ORDERS)] == [None, None]


def test_a_table_that_is_marked_for_the_first_time_gets_its_column_in_the_same_commit(lake: Any) -> None:
    lake.load(ORDERS, merge(), [order(1, "Rome"), order(2, "Oslo")])
    before = lake.version(ORDERS)
    assert counts(lake.load(ORDERS, merge(Deletes.SOFT), [order(2, "Oslo")], clock=CLOCK)) == (1, 0, 0, 1, 1)
    assert lake.rows(ORDERS) == [
        {**order(1, "Rome"), "deleted_at": CLOCK},
        {**order(2, "Oslo"), "deleted_at": None},
    ]
    assert lake.version(ORDERS) == before + 1


@pytest.mark.parametrize("deletes", [Deletes.HARD, Deletes.SOFT])
def test_an_empty_source_is_refused_before_anything_is_deleted(lake: Any, deletes: Deletes) -> None:
    lake.load(ORDERS, merge(deletes), [order(1, "Rome")])
    before = lake.version(ORDERS)
    with pytest.raises(EmptySourceError, match=r"table shop\.orders: the source is empty, so every row"):
        lake.load(ORDERS, merge(deletes), [])
    assert lake.version(ORDERS) == before


def test_an_empty_source_deletes_everything_where_that_is_meant(lake: Any) -> None:
    lake.load(ORDERS, merge(), [order(1, "Rome"), order(2, "Oslo")])
    assert counts(lake.load(ORDERS, merge(Deletes.HARD, allow_empty_source=True))) == (0, 0, 0, 0, 2)
    assert lake.rows(ORDERS) == []


# --- tables that somebody else made ------------------------------------------------------------------


def test_columns_that_nobody_declared_keep_their_values(lake: Any) -> None:
    lake.load(ORDERS, AddRows(), [order(1, "Rome"), order(2, "Oslo"), order(3, "Bern")])
    handle = lake.handle(ORDERS)
    handle.alter.add_columns([Field("extra", PrimitiveType("string"))])
    handle.update(updates={"extra": "'kept'"})
    found = lake.load(ORDERS, merge(), [order(1, "Wien"), order(4, "Graz")])
    assert counts(found) == (2, 1, 1, 0, 0)
    assert [row["extra"] for row in lake.rows(ORDERS)] == ["kept", "kept", "kept", None]


def test_a_partitioned_table_is_merged(lake: Any) -> None:
    schema = pa.schema(
        [pa.field("id", pa.int64(), nullable=False), ("city", pa.string()), ("note", pa.string())]
    )
    rows = [order(1, "Rome"), order(2, "Oslo"), order(3, None)]
    write_deltalake(f"{lake.location}/shop/orders", pa.Table.from_pylist(rows, schema), partition_by=["city"])
    found = lake.load(ORDERS, merge(Deletes.HARD), [order(1, "Oslo"), order(2, "Oslo", "x"), order(4, None)])
    assert counts(found) == (3, 1, 2, 0, 1)
    assert lake.rows(ORDERS) == [order(1, "Oslo"), order(2, "Oslo", "x"), order(4, None)]


# --- names and types ---------------------------------------------------------------------------------


def test_odd_names_are_names(lake: Any) -> None:
    names = ['Order "No"', "rank", "at", "select", "Ünï.code", "row", "key", "valid_from"]
    columns = tuple(Column(name=name, type=Scalar.TEXT, nullable=name not in names[:2]) for name in names)
    table = Table(schema="Shop two", name="Order", columns=columns)
    action = merge(Deletes.SOFT, keys=names[:2], update=names[2:])

    def row(text: str) -> dict[str, str]:
        return {**dict.fromkeys(names, text), names[0]: "it's", names[1]: "back\\slash"}

    assert counts(lake.load(table, action, [row("a")])) == (1, 1, 0, 0, 0)
    assert counts(lake.load(table, action, [row("b")])) == (1, 0, 1, 0, 0)
    assert counts(lake.load(table, action, [{**row("b"), "rank": "?"}])) == (1, 1, 0, 0, 1)
    assert [found["at"] for found in lake.rows(table)] == ["b", "b"]


TYPES: list[tuple[DataType, Any, Any]] = [
    (Scalar.SMALLINT, -(2**15), 2**15 - 1),
    (Scalar.BIGINT, -(2**63), 2**63 - 1),
    (Scalar.REAL, 0.5, math.nan),
    (Scalar.DOUBLE, math.nan, math.inf),
    (Scalar.BOOLEAN, True, False),
    (Scalar.TEXT, "", "it's \\ \n ü"),
    (Varchar(3), "a", "b"),
    (Scalar.UUID, "a" * 32, "b" * 32),
    (Scalar.JSONB, '{"a": 1}', '{"a": 2}'),
    (Scalar.BYTES, b"\x00", b"\x00\xff"),
    (Decimal(38, 10), Number("1.1"), Number("1.2")),
    (Scalar.DATE, date(1, 1, 1), date(9999, 12, 31)),
    (Scalar.TIMESTAMP, datetime(2024, 1, 1), datetime(2024, 1, 1, 0, 0, 0, 1)),
    (Scalar.TIMESTAMPTZ, CLOCK, LATER),
    (ListOf(Scalar.DOUBLE), [math.nan, None], []),
    (ListOf(Scalar.TEXT), ["a", None], ["a"]),
]


@pytest.mark.parametrize(("type_", "one", "other"), TYPES, ids=str)
def test_values_of_every_type_are_compared(lake: Any, type_: DataType, one: Any, other: Any) -> None:
    table = Table(
        schema="shop",
        name="values",
        columns=(Column(name="id", type=Scalar.BIGINT, nullable=False), Column(name="v", type=type_)),
    )
    action = merge(update=["v"])
    assert counts(lake.load(table, action, [{"id": 1, "v": one}, {"id": 2, "v": None}])) == (2, 2, 0, 0, 0)
    assert counts(lake.load(table, action, [{"id": 1, "v": one}, {"id": 2, "v": None}])) == (2, 0, 0, 2, 0)
    assert counts(lake.load(table, action, [{"id": 1, "v": other}, {"id": 2, "v": one}])) == (2, 0, 2, 0, 0)
    assert counts(lake.load(table, action, [{"id": 1, "v": other}, {"id": 2, "v": one}])) == (2, 0, 0, 2, 0)


KEY_TYPES = [
    row for row in TYPES if row[0] not in (Scalar.REAL, Scalar.DOUBLE) and not isinstance(row[0], ListOf)
]


@pytest.mark.parametrize(("type_", "one", "other"), KEY_TYPES, ids=str)
def test_keys_of_every_type_find_their_rows(lake: Any, type_: DataType, one: Any, other: Any) -> None:
    table = Table(
        schema="shop",
        name="keys",
        columns=(Column(name="k", type=type_, nullable=False), Column(name="v", type=Scalar.BIGINT)),
    )
    action = merge(Deletes.HARD, keys=["k"], update=["v"])
    assert counts(lake.load(table, action, [{"k": one, "v": 1}, {"k": other, "v": 1}])) == (2, 2, 0, 0, 0)
    assert counts(lake.load(table, action, [{"k": other, "v": 2}])) == (1, 0, 1, 0, 1)
    assert [row["v"] for row in lake.rows(table)] == [2]


# --- slices ------------------------------------------------------------------------------------------

DAYS = Table(
    schema="shop",
    name="days",
    columns=(
        Column(name="id", type=Scalar.BIGINT, nullable=False),
        Column(name="at", type=Scalar.TIMESTAMPTZ, nullable=False),
    ),
)


def day(id_: int, day: int) -> dict[str, Any]:
    return {"id": id_, "at": datetime(2024, 1, day, tzinfo=UTC)}


def second_day(*keys: str) -> ReplaceSlice:
    window = Slice(column="at", type=Scalar.TIMESTAMPTZ, start="2024-01-02", end="2024-01-03")
    return ReplaceSlice(window=window, keys=keys, uniqueness=UNPROVEN)


@pytest.mark.parametrize("keys", [(), ("id",)], ids=["keyless", "keyed"])
def test_a_slice_holds_its_start_and_not_its_end_and_is_replaced(lake: Any, keys: tuple[str, ...]) -> None:
    lake.load(DAYS, AddRows(), [day(1, 1), day(2, 2), day(3, 2), day(4, 3)])
    before = lake.version(DAYS)
    assert counts(lake.load(DAYS, second_day(*keys), [day(3, 2)], [day(5, 2)])) == (2, 2, 0, 0, 2)
    assert lake.rows(DAYS) == [day(1, 1), day(3, 2), day(4, 3), day(5, 2)]
    assert lake.version(DAYS) == before + 1


def test_a_slice_without_rows_empties_the_targets(lake: Any) -> None:
    lake.load(DAYS, AddRows(), [day(1, 1), day(2, 2)])
    assert counts(lake.load(DAYS, second_day("id"))) == (0, 0, 0, 0, 1)
    assert lake.rows(DAYS) == [day(1, 1)]


def test_a_slice_whose_key_lies_elsewhere_too_is_refused(lake: Any) -> None:
    lake.load(DAYS, AddRows(), [day(1, 1), day(2, 2)])
    with pytest.raises(
        LoadError, match=r"table shop\.days: the table holds keys \(id\) of this slice outside of it"
    ):
        lake.load(DAYS, second_day("id"), [day(1, 2)])
    assert lake.rows(DAYS) == [day(1, 1), day(2, 2)]
