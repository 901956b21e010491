"""What a Delta table stores, what it reads back as, and what it refuses."""

from __future__ import annotations

from datetime import time
from typing import Any

import pyarrow as pa
import pytest
from deltalake import Schema
from hypothesis import given
from hypothesis import strategies as st

from ematix_flow.backends.delta.types import (
    live_table,
    stored_schema,
    stored_table,
    stored_values,
    without_views,
)
from ematix_flow.errors import PlanError, UnsupportedTypeError
from ematix_flow.spec import Column, Table, UniqueKey
from ematix_flow.types import DataType, Decimal, Foreign, ListOf, Scalar, Varchar

AS_TEXT = [Scalar.TIME, Scalar.JSON, Scalar.JSONB, Scalar.UUID, Scalar.TEXT, Varchar(20)]
AS_THEMSELVES = [
    Scalar.SMALLINT,
    Scalar.INTEGER,
    Scalar.BIGINT,
    Scalar.REAL,
    Scalar.DOUBLE,
    Scalar.BOOLEAN,
    Scalar.DATE,
    Scalar.TIMESTAMP,
    Scalar.TIMESTAMPTZ,
    Scalar.BYTES,
    Decimal(1, 0),
    Decimal(38, 38),
]
REFUSED = [Scalar.INTERVAL, Decimal(), Decimal(39, 2), Foreign("inet")]


def table(*columns: Column) -> Table:
    return Table(schema="shop", name="orders", columns=columns)


def stored(type_: DataType) -> DataType:
    return stored_table(table(Column(name="x", type=type_)), "load_orders").columns[0].type


def test_columns_that_differ_in_their_case_only_are_refused() -> None:
    columns = [Column(name=name, type=Scalar.TEXT) for name in ("id", "Größe", "grösse", "größe")]
    with pytest.raises(PlanError, match="'Größe' and 'größe' differ in their case only"):
        stored_table(table(*columns), "load_orders")


@pytest.mark.parametrize("type_", AS_TEXT, ids=str)
def test_what_delta_lacks_is_stored_as_text(type_: DataType) -> None:
    assert stored(type_) is Scalar.TEXT


@pytest.mark.parametrize("type_", AS_THEMSELVES, ids=str)
def test_what_delta_has_is_stored_as_itself(type_: DataType) -> None:
    assert stored(type_) == type_


def test_an_array_is_stored_as_an_array_of_what_its_elements_are_stored_as() -> None:
    assert stored(ListOf(Scalar.UUID)) == ListOf(Scalar.TEXT)


@pytest.mark.parametrize("type_", [*REFUSED, ListOf(Scalar.INTERVAL), ListOf(Decimal())], ids=str)
def test_what_has_no_faithful_form_is_refused(type_: DataType) -> None:
    with pytest.raises(UnsupportedTypeError) as caught:
        stored(type_)
    assert (caught.value.job, caught.value.column, caught.value.type) == ("load_orders", "x", str(type_))


def test_the_refusal_of_a_numeric_says_what_to_declare() -> None:
    with pytest.raises(UnsupportedTypeError) as caught:
        stored(Decimal())
    assert str(caught.value) == (
        "job 'load_orders': column 'x': Delta Lake cannot store Numeric; declare Numeric[p, s] with p <= 38, or Text"
    )


def test_keys_are_not_stored() -> None:
    declared = Table(
        schema="shop",
        name="orders",
        columns=(Column(name="id", type=Scalar.BIGINT, nullable=False, primary_key=True),),
        unique_keys=(UniqueKey(name="natural", columns=("id",)),),
    )
    found = stored_table(declared, "load_orders")
    assert found.primary_key == ()
    assert found.unique_keys == ()


# --- the law -----------------------------------------------------------------------------------------

elements = st.sampled_from([*AS_TEXT, *AS_THEMSELVES])
types = st.one_of(elements, elements.map(ListOf))
comments = st.none() | st.text(st.characters(codec="utf-8"), min_size=1)
tables = st.lists(st.tuples(types, st.booleans(), comments), min_size=1, max_size=6).map(
    lambda columns: table(
        *(
            Column(name=f"c{n}", type=type_, nullable=nullable, comment=comment)
            for n, (type_, nullable, comment) in enumerate(columns)
        )
    )
)


@given(declared=tables)
def test_a_created_table_reads_back_as_it_was_stored(declared: Table) -> None:
    wanted = stored_table(declared, "load_orders")
    live = pa.schema(Schema.from_arrow(stored_schema(wanted)).to_arrow())
    assert live_table("shop", "orders", live, None) == wanted


@given(declared=tables)
def test_storing_what_is_stored_changes_nothing(declared: Table) -> None:
    once = stored_table(declared, "load_orders")
    assert stored_table(once, "load_orders") == once


# --- values ------------------------------------------------------------------------------------------


def times(values: list[int | None]) -> pa.Array:
    return pa.array(values, pa.int64()).cast(pa.time64("us"))


def test_a_time_becomes_text_with_six_digits() -> None:
    array = pa.array([time(1, 2, 3), time(1, 2, 3, 4), None])
    assert stored_values(array, Scalar.TEXT).to_pylist() == ["01:02:03.000000", "01:02:03.000004", None]


def test_the_end_of_the_day_is_a_time_too() -> None:
    assert stored_values(times([86_400_000_000]), Scalar.TEXT).to_pylist() == ["24:00:00.000000"]


@pytest.mark.parametrize("start", [0, 1, 2])
def test_times_in_an_array_become_text(start: int) -> None:
    lists = pa.ListArray.from_arrays([0, 2, 2, 3], times([0, None, 86_400_000_000]))
    array = pa.concat_arrays([lists, pa.nulls(1, lists.type)]).slice(start)
    wanted = [["00:00:00.000000", None], [], ["24:00:00.000000"], None]
    assert stored_values(array, ListOf(Scalar.TEXT)).to_pylist() == wanted[start:]


@pytest.mark.parametrize(
    ("values", "type_", "wanted"),
    [
        (pa.array([1, None], pa.int32()), Scalar.BIGINT, pa.int64()),
        (pa.array([1], pa.int64()), Decimal(21, 2), pa.decimal128(21, 2)),
        (pa.array(["a"]), Scalar.TEXT, pa.string()),
    ],
    ids=str,
)
def test_a_narrower_stream_is_widened(values: pa.Array, type_: DataType, wanted: Any) -> None:
    assert stored_values(values, type_).type == wanted


def test_views_become_plain_types() -> None:
    schema = pa.schema(
        [
            ("a", pa.string_view()),
            ("b", pa.list_(pa.binary_view())),
            pa.field("c", pa.int64(), nullable=False),
        ]
    )
    assert without_views(schema) == pa.schema(
        [("a", pa.string()), ("b", pa.list_(pa.binary())), pa.field("c", pa.int64(), nullable=False)]
    )
