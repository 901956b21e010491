"""Which source column feeds which declared one, and what is refused before anything is read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ematix_flow.casts import Cast
from ematix_flow.errors import PlanError, UnsafeCastError
from ematix_flow.plan import ReadColumn
from ematix_flow.plan.columns import read_columns
from ematix_flow.spec import Column, Incremental, Table
from ematix_flow.state import SourceColumn, SourceState
from ematix_flow.types import DataType, Decimal, ListOf, Scalar, Varchar


def source(**columns: DataType) -> SourceState:
    return SourceState(columns=tuple(SourceColumn(name=name, type=type_) for name, type_ in columns.items()))


def table(name: str, *columns: Column) -> Table:
    return Table(schema="shop", name=name, columns=columns)


def nullable(type_: DataType) -> Column:
    return Column(name="c", type=type_)


def test_columns_stand_in_the_order_in_which_they_are_declared(shop: Any) -> None:
    given = source(received_at=Scalar.TIMESTAMPTZ, name=Scalar.TEXT, event_id=Scalar.INTEGER)
    assert read_columns(shop.job(), [shop.table], given) == (
        ReadColumn(name="event_id", source=Scalar.INTEGER, declared=Scalar.BIGINT, cast=Cast.LOSSLESS),
        ReadColumn(name="name", source=Scalar.TEXT, declared=Scalar.TEXT, cast=Cast.NONE),
        ReadColumn(
            name="received_at", source=Scalar.TIMESTAMPTZ, declared=Scalar.TIMESTAMPTZ, cast=Cast.NONE
        ),
    )


def test_a_nullable_column_that_the_source_lacks_is_absent(shop: Any) -> None:
    given = source(event_id=Scalar.BIGINT, received_at=Scalar.TIMESTAMPTZ)
    columns = read_columns(shop.job(), [shop.table], given)
    assert columns[1] == ReadColumn(name="name", source=None, declared=Scalar.TEXT, cast=Cast.ABSENT)


def test_a_missing_column_that_must_not_be_null_is_refused_with_both_sides(shop: Any) -> None:
    with pytest.raises(PlanError) as raised:
        read_columns(
            shop.job(), [shop.table], source(id=Scalar.BIGINT, event_id=Scalar.BIGINT, name=Scalar.TEXT)
        )
    assert str(raised.value) == (
        "job 'load': the query returns 'id', which no target declares, so the values would be lost; declare them, "
        "leave them out of the query, or say extra_columns='ignore' (the targets declare 'event_id', 'name', 'received_at')"
    )
    with pytest.raises(PlanError) as raised:
        read_columns(shop.job(), [shop.table], source(event_id=Scalar.BIGINT, name=Scalar.TEXT))
    assert str(raised.value) == (
        "job 'load': the query does not return 'received_at', which is declared NOT NULL; the query returns "
        "'event_id', 'name'"
    )


def test_the_column_of_the_window_need_not_be_declared(shop: Any) -> None:
    job = shop.job(increment=Incremental(column="changed_at"))
    given = SourceState(
        columns=(*shop.source.columns, SourceColumn(name="changed_at", type=Scalar.TIMESTAMPTZ))
    )
    assert [column.name for column in read_columns(job, [shop.table], given)] == [
        "event_id",
        "name",
        "received_at",
    ]


def test_a_column_that_only_a_target_outside_this_run_declares_is_no_surplus(shop: Any) -> None:
    narrow = table("narrow", shop.table.columns[0])
    job = shop.job(shop.target(), shop.target(narrow))
    assert [column.name for column in read_columns(job, [narrow], shop.source)] == ["event_id"]


def test_an_unsafe_cast_is_refused_with_its_remedy(shop: Any) -> None:
    given = source(event_id=Scalar.DOUBLE, name=Scalar.TEXT, received_at=Scalar.TIMESTAMPTZ)
    with pytest.raises(UnsafeCastError) as raised:
        read_columns(shop.job(), [shop.table], given)
    assert str(raised.value) == (
        "job 'load': column 'event_id': the source gives Double, the table declares BigInt; that could lose "
        "information without notice; declare another type, or say what you mean in the query, over the column x: "
        "round(x)::bigint"
    )
    assert (raised.value.column, raised.value.source_type, raised.value.declared_type) == (
        "event_id",
        "Double",
        "BigInt",
    )


# --- fan-out ------------------------------------------------------------------------------------------


def test_two_targets_with_different_columns_share_all_of_them(shop: Any) -> None:
    one = table("one", Column(name="a", type=Scalar.TEXT), Column(name="b", type=Scalar.TEXT))
    two = table("two", Column(name="c", type=Scalar.TEXT), Column(name="b", type=Scalar.TEXT))
    columns = read_columns(
        shop.job(shop.target(one), shop.target(two)), [one, two], source(a=Scalar.TEXT, c=Scalar.TEXT)
    )
    assert [(column.name, column.cast) for column in columns] == [
        ("a", Cast.NONE),
        ("b", Cast.ABSENT),
        ("c", Cast.NONE),
    ]


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        (Scalar.BIGINT, Scalar.INTEGER),
        (Scalar.DOUBLE, Scalar.REAL),
        (Scalar.TEXT, Varchar(3)),
        (Scalar.TEXT, Scalar.UUID),
        (Scalar.JSON, Scalar.JSONB),
        (Varchar(4), Varchar(3)),
        (Decimal(), Decimal(12, 2)),
        (Decimal(14, 4), Decimal(12, 2)),
        (ListOf(Scalar.BIGINT), ListOf(Scalar.INTEGER)),
        (ListOf(Scalar.TEXT), ListOf(Scalar.UUID)),
    ],
    ids=str,
)
@pytest.mark.parametrize("first_is_wide", [True, False])
def test_a_fan_out_has_the_narrowest_type_of_its_targets(
    shop: Any, wide: DataType, narrow: DataType, first_is_wide: bool
) -> None:
    tables = [table("wide", nullable(wide)), table("narrow", nullable(narrow))]
    ordered = tables if first_is_wide else tables[::-1]
    job = shop.job(*map(shop.target, ordered))
    (column,) = read_columns(job, ordered, source(c=narrow))
    assert column.declared == narrow


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Scalar.BIGINT, Scalar.DOUBLE),
        (Scalar.TIMESTAMP, Scalar.TIMESTAMPTZ),
        (Decimal(12, 2), Decimal(12, 4)),
        # each backend would spell the text in its own way
        (Scalar.TEXT, Scalar.BIGINT),
        (Scalar.TEXT, Scalar.BYTES),
        (Scalar.TEXT, Scalar.TIMESTAMPTZ),
        (ListOf(Scalar.TEXT), ListOf(Scalar.BYTES)),
        (Scalar.TEXT, ListOf(Scalar.TEXT)),
    ],
    ids=str,
)
def test_types_that_one_stream_cannot_serve_are_refused(shop: Any, one: DataType, other: DataType) -> None:
    tables = [table("one", nullable(one)), table("other", nullable(other))]
    for ordered in (tables, tables[::-1]):
        with pytest.raises(PlanError, match=r"column 'c' is .* in one target and .* in another"):
            read_columns(shop.job(*map(shop.target, ordered)), ordered, source(c=one))


@pytest.mark.parametrize("types", [(Scalar.BIGINT, Scalar.BIGINT), (Scalar.BIGINT, Scalar.INTEGER)])
@pytest.mark.parametrize("first_is_nullable", [True, False])
def test_a_column_that_one_target_needs_must_be_in_the_source(
    shop: Any, types: tuple[DataType, DataType], first_is_nullable: bool
) -> None:
    one, other = map(nullable, types)
    if first_is_nullable:
        other = replace(other, nullable=False)
    else:
        one = replace(one, nullable=False)
    tables = [table("one", one), table("other", other)]
    with pytest.raises(PlanError, match="does not return 'c', which is declared NOT NULL"):
        read_columns(shop.job(*map(shop.target, tables)), tables, source())
