"""Column types: as users write them, as frozen values, and as Arrow, PostgreSQL and Delta know them."""

from __future__ import annotations

import pickle
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ematix_flow.types import (
    Array,
    BigInt,
    DataType,
    Decimal,
    Foreign,
    ListOf,
    Numeric,
    Scalar,
    String,
    Text,
    Varchar,
    delta_name,
    from_arrow,
    postgres_name,
    to_arrow,
)

# --- parametrized names ------------------------------------------------------------------------------


def test_the_same_parameters_give_the_same_class() -> None:
    assert String[256] is String[256]
    assert Numeric[12, 2] is Numeric[12, 2]
    assert Array[Numeric[12, 2]] is Array[Numeric[12, 2]]


def test_a_parametrized_name_prints_as_it_is_written() -> None:
    written: list[Any] = [String[256], Numeric[12, 2], Array[Text], Array[Numeric[12, 2]]]
    assert [cls.__name__ for cls in written] == [
        "String[256]",
        "Numeric[12, 2]",
        "Array[Text]",
        "Array[Numeric[12, 2]]",
    ]


LENGTH = "the length is a whole number from 1 to 10485760, or use Text"
DIGITS = "give precision and scale, 1 <= precision <= 1000 and 0 <= scale <= precision, as in Numeric[12, 2]"
PLAIN = "takes no parameter; only String[n], Numeric[p, s] and Array[T] do"
WRONG_PARAMETERS: list[tuple[Any, Any, str]] = [
    (String, 0, f"String[0]: {LENGTH}"),
    (String, 10_485_761, f"String[10485761]: {LENGTH}"),
    (String, "5", f"String['5']: {LENGTH}"),
    (Numeric, 12, f"Numeric[12]: {DIGITS}"),
    (Numeric, (2, 3), f"Numeric[(2, 3)]: {DIGITS}"),
    (Numeric, (1001, 0), f"Numeric[(1001, 0)]: {DIGITS}"),
    (Array, int, "Array[<class 'int'>]: the element is a column type, as in Array[Text]"),
    (
        Array,
        Array[Text],
        "Array[Array[…]]: PostgreSQL has one array type for all dimensions; declare Array[T]",
    ),
    (BigInt, 8, f"BigInt {PLAIN}"),
    (String[5], 6, f"String[5] {PLAIN}"),
]


@pytest.mark.parametrize(("cls", "parameter", "message"), WRONG_PARAMETERS)
def test_a_wrong_parameter_is_told(cls: Any, parameter: Any, message: str) -> None:
    with pytest.raises(TypeError) as caught:
        cls[parameter]
    assert str(caught.value) == message


# --- values ------------------------------------------------------------------------------------------

scalars = st.sampled_from(Scalar)
decimals = st.integers(1, 1000).flatmap(
    lambda precision: st.builds(Decimal, st.just(precision), st.integers(0, precision))
)
elements = st.one_of(scalars, st.builds(Varchar, st.integers(1, 10_485_760)), decimals, st.just(Decimal()))
types = st.one_of(elements, st.builds(ListOf, elements))


@given(types)
def test_a_value_pickles_to_an_equal_one(type_: DataType) -> None:
    copy = pickle.loads(pickle.dumps(type_))  # noqa: S301  # our own bytes
    assert copy == type_
    assert hash(copy) == hash(type_)


# type: (as users write it, PostgreSQL's name, Delta's name, Arrow's type)
NAMES: dict[DataType, tuple[str, str, str, pa.DataType]] = {
    Scalar.SMALLINT: ("SmallInt", "smallint", "short", pa.int16()),
    Scalar.INTEGER: ("Integer", "integer", "integer", pa.int32()),
    Scalar.BIGINT: ("BigInt", "bigint", "long", pa.int64()),
    Scalar.REAL: ("Float", "real", "float", pa.float32()),
    Scalar.DOUBLE: ("Double", "double precision", "double", pa.float64()),
    Scalar.BOOLEAN: ("Boolean", "boolean", "boolean", pa.bool_()),
    Scalar.TEXT: ("Text", "text", "string", pa.string()),
    Scalar.DATE: ("Date", "date", "date", pa.date32()),
    Scalar.TIME: ("Time", "time without time zone", "string", pa.time64("us")),
    Scalar.TIMESTAMP: ("Timestamp", "timestamp without time zone", "timestamp_ntz", pa.timestamp("us")),
    Scalar.TIMESTAMPTZ: (
        "TimestampTZ",
        "timestamp with time zone",
        "timestamp",
        pa.timestamp("us", tz="UTC"),
    ),
    Scalar.INTERVAL: ("Interval", "interval", "string", pa.month_day_nano_interval()),
    Scalar.JSON: ("JSON", "json", "string", pa.string()),
    Scalar.JSONB: ("JSONB", "jsonb", "string", pa.string()),
    Scalar.UUID: ("UUID", "uuid", "string", pa.string()),
    Scalar.BYTES: ("Bytes", "bytea", "binary", pa.binary()),
    Varchar(256): ("String[256]", "character varying(256)", "string", pa.string()),
    Decimal(12, 2): ("Numeric[12, 2]", "numeric(12,2)", "decimal(12,2)", pa.decimal128(12, 2)),
    Decimal(): ("Numeric", "numeric", "string", pa.string()),
    ListOf(Scalar.TEXT): ("Array[Text]", "text[]", "array<string>", pa.list_(pa.string())),
    ListOf(Decimal(12, 2)): (
        "Array[Numeric[12, 2]]",
        "numeric(12,2)[]",
        "array<decimal(12,2)>",
        pa.list_(pa.decimal128(12, 2)),
    ),
    Foreign("inet"): ("inet", "inet", "string", pa.string()),
}


@pytest.mark.parametrize(("type_", "names"), NAMES.items(), ids=str)
def test_a_type_has_its_name_everywhere(type_: DataType, names: tuple[str, str, str, pa.DataType]) -> None:
    assert (str(type_), postgres_name(type_), delta_name(type_), to_arrow(type_)) == names


def test_every_scalar_stands_in_the_table_of_names() -> None:
    assert set(Scalar) <= NAMES.keys()


# --- Arrow -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("precision", "arrow"), [(38, pa.decimal128(38, 2)), (39, pa.string())], ids=["fits", "too wide"]
)
def test_a_numeric_travels_as_text_where_arrow_has_too_few_digits(precision: int, arrow: pa.DataType) -> None:
    assert to_arrow(Decimal(precision, 2)) == arrow


# What travels as text comes back as text.
AS_TEXT = {Scalar.JSON, Scalar.JSONB, Scalar.UUID}


@given(types)
def test_a_type_comes_back_from_arrow_or_as_the_text_it_travels_as(type_: DataType) -> None:
    def expected(type_: DataType) -> DataType:
        match type_:
            case ListOf(element=element):
                return ListOf(expected(element))
            case Decimal(precision=int(precision)) if precision <= 38:
                return type_
            case Scalar() if type_ not in AS_TEXT:
                return type_
            case _:
                return Scalar.TEXT

    assert from_arrow(to_arrow(type_)) == expected(type_)


FROM_ARROW: dict[pa.DataType, DataType] = {
    pa.int8(): Scalar.SMALLINT,
    pa.uint8(): Scalar.SMALLINT,
    pa.uint16(): Scalar.INTEGER,
    pa.uint32(): Scalar.BIGINT,
    pa.uint64(): Scalar.BIGINT,
    pa.float16(): Scalar.REAL,
    pa.large_string(): Scalar.TEXT,
    pa.string_view(): Scalar.TEXT,
    pa.large_binary(): Scalar.BYTES,
    pa.binary_view(): Scalar.BYTES,
    pa.binary(16): Scalar.BYTES,
    pa.date64(): Scalar.DATE,
    pa.time32("s"): Scalar.TIME,
    pa.timestamp("ns"): Scalar.TIMESTAMP,
    pa.timestamp("s", tz="Europe/Berlin"): Scalar.TIMESTAMPTZ,
    pa.dictionary(pa.int8(), pa.string()): Scalar.TEXT,
    pa.large_list(pa.int64()): ListOf(Scalar.BIGINT),
    pa.decimal256(60, 5): Decimal(60, 5),
    pa.decimal128(5, -2): Foreign("decimal128(5, -2)"),
    pa.uuid(): Scalar.UUID,
    pa.json_(): Scalar.JSON,
    pa.opaque(pa.string(), "inet", "PostgreSQL"): Foreign("arrow.opaque"),
    pa.struct([("a", pa.int64())]): Foreign("struct<a: int64>"),
    pa.map_(pa.string(), pa.int64()): Foreign("map<string, int64>"),
    pa.null(): Foreign("null"),
}


@pytest.mark.parametrize(("arrow", "type_"), FROM_ARROW.items(), ids=str)
def test_an_arrow_type_of_another_writer_is_understood(arrow: pa.DataType, type_: DataType) -> None:
    assert from_arrow(arrow) == type_
