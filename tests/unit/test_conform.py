"""Batches made to fit the declared columns: by name, cast safely, and refused by name where a value does not fit."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal as Number
from typing import Any

import pyarrow as pa
import pytest

from ematix_flow.casts import Cast, Refused, classify
from ematix_flow.conform import arrow_schema, conform
from ematix_flow.errors import RunError
from ematix_flow.plan import Everything, Form, ReadColumn, ReadPlan
from ematix_flow.streams import Batches
from ematix_flow.types import DataType, Decimal, Foreign, ListOf, Scalar, Varchar, from_arrow, to_arrow

FULL = uuid.UUID(int=2**128 - 1)


def column(name: str, declared: DataType, source: pa.DataType | None) -> ReadColumn:
    """A column as the plan would cast it; absent without a source."""
    if source is None:
        return ReadColumn(name=name, source=None, declared=declared, cast=Cast.ABSENT)
    verdict = classify(from_arrow(source), declared)
    assert not isinstance(verdict, Refused)
    return ReadColumn(name=name, source=from_arrow(source), declared=declared, cast=verdict)


def read(*columns: ReadColumn) -> ReadPlan:
    return ReadPlan(job="load", query=None, columns=columns, window=Everything(why=""), form=Form.ARROW)


def conformed(plan: ReadPlan, *batches: pa.RecordBatch) -> pa.Table:
    stream = conform(Batches(batches[0].schema, iter(batches)), plan)
    return pa.Table.from_batches(stream.rows, stream.schema)


def made_to_fit(declared: DataType, *arrays: pa.Array) -> pa.ChunkedArray:
    """One column, given as the arrays of consecutive batches."""
    plan = read(column("v", declared, arrays[0].type))
    return conformed(plan, *(pa.record_batch({"v": array}) for array in arrays)).column("v")


# --- columns ------------------------------------------------------------------------------------------


def test_columns_are_taken_by_name_in_the_order_of_the_plan() -> None:
    plan = read(column("a", Scalar.BIGINT, pa.int64()), column("b", Scalar.TEXT, pa.string()))
    table = conformed(plan, pa.record_batch({"b": ["x"], "surplus": [0], "a": [1]}))
    assert table == pa.table({"a": [1], "b": ["x"]})


def test_a_column_that_the_source_lacks_is_null() -> None:
    plan = read(column("a", Scalar.BIGINT, pa.int64()), column("b", Decimal(12, 2), None))
    table = conformed(plan, pa.record_batch({"a": [1, 2]}))
    assert table.column("b") == pa.chunked_array([pa.nulls(2, pa.decimal128(12, 2))])


def test_the_schema_is_the_declared_one_even_without_rows() -> None:
    plan = read(column("a", Scalar.SMALLINT, pa.string()), column("b", ListOf(Scalar.UUID), None))
    stream = conform(Batches(pa.schema([("a", pa.string())]), iter(())), plan)
    assert stream.schema == pa.schema([("a", pa.int16()), ("b", pa.list_(pa.string()))])
    assert list(stream.rows) == []


def test_the_schema_follows_the_order_of_the_columns() -> None:
    columns = (column("z", Scalar.TEXT, None), column("a", Scalar.DATE, None))
    assert arrow_schema(columns).names == ["z", "a"]


def test_nothing_is_read_before_a_batch_is_asked_for() -> None:
    def failing() -> Iterator[pa.RecordBatch]:
        raise AssertionError("read too early")
        yield

    schema = pa.schema([("v", pa.string())])
    conform(Batches(schema, failing()), read(column("v", Scalar.TEXT, pa.string())))


def test_an_array_that_fits_is_passed_on_as_it_is() -> None:
    array = pa.array(["a", None])
    assert made_to_fit(Scalar.TEXT, array).chunk(0).buffers()[2].address == array.buffers()[2].address


# --- values that fit ----------------------------------------------------------------------------------

FITTING: list[tuple[DataType, pa.Array, list[Any]]] = [
    (Scalar.SMALLINT, pa.array([255, None], pa.uint8()), [255, None]),
    (Scalar.BIGINT, pa.array([2**63 - 1], pa.uint64()), [2**63 - 1]),
    (Scalar.BIGINT, pa.array(["12", None]), [12, None]),
    (Scalar.REAL, pa.array([1.5], pa.float16()), [1.5]),
    (Scalar.DOUBLE, pa.array([1.5], pa.float32()), [1.5]),
    (Scalar.DOUBLE, pa.array([2**31 - 1], pa.int32()), [2.0**31 - 1]),
    (Scalar.TEXT, pa.array([1, None]), ["1", None]),
    (Scalar.TEXT, pa.array(["a"], pa.large_string()), ["a"]),
    (Scalar.TEXT, pa.array(["a"], pa.string_view()), ["a"]),
    (Scalar.TEXT, pa.array(["a", None, "a"]).dictionary_encode(), ["a", None, "a"]),
    (Scalar.BIGINT, pa.array([7, 7]).dictionary_encode(), [7, 7]),
    (Varchar(3), pa.array(["😀😀😀", "", None]), ["😀😀😀", "", None]),
    (Varchar(3), pa.array([None], pa.string()), [None]),
    (Decimal(12, 2), pa.array([Number("1.230"), None]), [Number("1.23"), None]),
    (Decimal(12, 2), pa.array([7, -3]), [Number("7.00"), Number("-3.00")]),
    (Decimal(12, 2), pa.array(["1.230", "1e3"]), [Number("1.23"), Number("1000.00")]),
    (Decimal(38, 0), pa.array([2**64 - 1], pa.uint64()).cast(pa.decimal128(20, 0)), [Number(2**64 - 1)]),
    (Decimal(), pa.array(["NaN", "1e500"]), ["NaN", "1e500"]),
    (
        Decimal(50, 1),
        pa.array(["1.5", "1.50", "0.00", "15e-1", "-1e3", "NaN", None]),
        [*("1.5", "1.50", "0.00", "15e-1", "-1e3", "NaN", None)],
    ),
    (Decimal(50, 1), pa.array([Number("1.50")]), ["1.50"]),
    (Scalar.DATE, pa.array([date.min, date.max, None]), [date.min, date.max, None]),
    (Scalar.DATE, pa.array([86_400_000], pa.date64()), [date(1970, 1, 2)]),
    (Scalar.DATE, pa.array(["2024-02-29"]), [date(2024, 2, 29)]),
    (Scalar.TIMESTAMP, pa.array([datetime.min, datetime.max]), [datetime.min, datetime.max]),
    (Scalar.TIMESTAMP, pa.array([date(2024, 2, 29)]), [datetime(2024, 2, 29)]),
    (Scalar.TIMESTAMP, pa.array([1000], pa.timestamp("ns")), [datetime(1970, 1, 1, microsecond=1)]),
    (
        Scalar.TIMESTAMPTZ,
        pa.array([0], pa.timestamp("s", tz="Asia/Tokyo")),
        [datetime(1970, 1, 1, tzinfo=UTC)],
    ),
    (Scalar.TIMESTAMPTZ, pa.array(["2024-01-01 02:00+02"]), [datetime(2024, 1, 1, tzinfo=UTC)]),
    (Scalar.UUID, pa.array([FULL.bytes, None], pa.uuid()), [str(FULL), None]),
    (Scalar.JSON, pa.ExtensionArray.from_storage(pa.json_(), pa.array(["{}", None])), ["{}", None]),
    (Scalar.BYTES, pa.array([b"ab", None], pa.binary(2)), [b"ab", None]),
    (Scalar.BYTES, pa.array([b"ab"], pa.large_binary()), [b"ab"]),
    (Scalar.BYTES, pa.array([b"ab"], pa.binary_view()), [b"ab"]),
    (ListOf(Scalar.BIGINT), pa.array([[1, None], None, []], pa.list_(pa.int32())), [[1, None], None, []]),
    (ListOf(Scalar.BIGINT), pa.array([[1]], pa.large_list(pa.int64())), [[1]]),
    (ListOf(Scalar.TEXT), pa.array([[None]], pa.list_(pa.null())), [[None]]),
    (ListOf(Scalar.BYTES), pa.array([[b"a", None]], pa.list_(pa.large_binary())), [[b"a", None]]),
    (ListOf(Decimal(12, 2)), pa.array([[Number("1.1")]]), [[Number("1.10")]]),
    (ListOf(Scalar.TEXT), pa.array([[], None], pa.list_(pa.dictionary(pa.int8(), pa.string()))), [[], None]),
]


@pytest.mark.parametrize(("declared", "array", "expected"), FITTING)
def test_a_value_that_fits_takes_the_declared_type(
    declared: DataType, array: pa.Array, expected: list[Any]
) -> None:
    fitted = made_to_fit(declared, array)
    assert fitted.type == to_arrow(declared)
    assert fitted.to_pylist() == expected


def lists_of_uuids() -> pa.Array:
    elements = pa.array([FULL.bytes, None, bytes(16)], pa.uuid())
    return pa.ListArray.from_arrays([0, 1, None, 1, 3], elements)


@pytest.mark.parametrize("part", [slice(None), slice(1, None), slice(1, 3), slice(3, 3)], ids=str)
def test_uuids_inside_a_list_become_text_in_any_slice(part: slice) -> None:
    expected = [[str(FULL)], [], None, [None, str(uuid.UUID(int=0))]][part]
    fitted = made_to_fit(ListOf(Scalar.UUID), lists_of_uuids()[part])
    assert fitted.to_pylist() == expected


def test_a_declared_precision_beyond_arrows_travels_as_text() -> None:
    assert made_to_fit(Decimal(39, 1), pa.array([Number("1.5")])).to_pylist() == ["1.5"]


# --- values that do not fit ---------------------------------------------------------------------------

MISFITS: list[tuple[DataType, pa.Array, str]] = [
    (Scalar.BIGINT, pa.array([2**63], pa.uint64()), "9223372036854775808 not in range"),
    (Scalar.INTEGER, pa.array([2**31]), "2147483648 not in range"),
    (Scalar.BIGINT, pa.array(["1.5"]), "'1.5'"),
    (Scalar.BIGINT, pa.array([" 12"]), "' 12'"),
    (Scalar.BOOLEAN, pa.array(["yes"]), "yes"),
    (Scalar.TEXT, pa.array([b"\xff"]), "bytes are not text"),
    (Scalar.TEXT, pa.array([b"ab"], pa.large_binary()), "bytes are not text"),
    (Scalar.TEXT, pa.array([b"ab"], pa.binary(2)), "bytes are not text"),
    (Scalar.TEXT, pa.array([b"ab"], pa.binary_view()), "bytes are not text"),
    (ListOf(Scalar.TEXT), pa.array([[b"a"]]), "bytes are not text"),
    (Scalar.TEXT, pa.array([{"a": 1}]), "Unsupported cast from struct"),
    (ListOf(Scalar.TEXT), pa.array([[["a"]]]), "Unsupported cast"),
    (Varchar(3), pa.array(["ab", "abcd"]), "'abcd' is longer than 3 characters"),
    (Varchar(3), pa.array(["abc "]), "'abc ' is longer than 3 characters"),
    (Decimal(12, 2), pa.array([Number("1.234")]), "would cause data loss"),
    (Decimal(12, 2), pa.array(["1.234"]), "would cause data loss"),
    (Decimal(12, 2), pa.array([Number("12345678901.00")]), "does not fit in precision 12"),
    (Decimal(12, 2), pa.array(["NaN"]), "'NaN' is not a valid decimal128"),
    (Decimal(4, 2), pa.array([100]), "does not fit in precision 4"),
    (Decimal(50, 1), pa.array(["1.5", "1.55"]), "'1.55' has more digits behind the point"),
    (Decimal(50, 1), pa.array(["1e-2"]), "'1e-2' has more digits behind the point"),
    (Decimal(50, 0), pa.array(["1" * 40 + ".5"]), "has more digits behind the point"),
    (Decimal(50, 1), pa.array([Number("1.55")]), "'1.55' has more digits behind the point"),
    (Decimal(50, 1), pa.array(["one"]), "'one' is not a number"),
    (Scalar.DATE, pa.array([-719_163], pa.date32()), "'0000-12-31' lies outside the years 1 to 9999"),
    (Scalar.DATE, pa.array([2_932_897], pa.date32()), "'10000-01-01' lies outside the years 1 to 9999"),
    (Scalar.DATE, pa.array(["01/02/2024"]), "'01/02/2024'"),
    (Scalar.TIME, pa.array([86_400_000_000], pa.time64("us")), "lies outside a day"),
    (Scalar.TIME, pa.array([-1], pa.time64("us")), "lies outside a day"),
    (Scalar.TIME, pa.array([1], pa.time64("ns")), "would lose data"),
    (Scalar.TIMESTAMP, pa.array([1], pa.timestamp("ns")), "would lose data"),
    (Scalar.TIMESTAMP, pa.array([2**62], pa.timestamp("s")), "out of bounds"),
    (
        Scalar.TIMESTAMP,
        pa.array([-62_135_596_800_000_001], pa.timestamp("us")),
        "outside the years 1 to 9999",
    ),
    (Scalar.TIMESTAMPTZ, pa.array([253_402_300_800_000_000], pa.timestamp("us", "UTC")), "outside the years"),
    (Scalar.TIMESTAMPTZ, pa.array(["2024-01-01 00:00:00"]), "expected a zone offset"),
    (ListOf(Scalar.DATE), pa.array([[], [-800_000]], pa.list_(pa.date32())), "outside the years 1 to 9999"),
    (ListOf(Scalar.TIME), pa.array([[86_400_000_000]], pa.list_(pa.time64("us"))), "lies outside a day"),
    (ListOf(Scalar.BIGINT), pa.array([[2**63]], pa.list_(pa.uint64())), "9223372036854775808 not in range"),
]


@pytest.mark.parametrize(("declared", "array", "reason"), MISFITS)
def test_a_value_that_does_not_fit_is_refused_by_name(
    declared: DataType, array: pa.Array, reason: str
) -> None:
    with pytest.raises(RunError) as raised:
        made_to_fit(declared, array)
    message = str(raised.value)
    assert message.startswith(f"job 'load': column 'v': a value does not fit {declared}: ")
    assert reason in message
    assert message.endswith("; mend the row, declare a wider type, or cast it in the query")


def test_a_long_value_is_shown_by_its_beginning() -> None:
    with pytest.raises(RunError) as raised:
        made_to_fit(Varchar(3), pa.array(["x" * 10_000]))
    assert f"'{'x' * 80}' is longer" in str(raised.value)


# --- later batches ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("declared", "arrays", "expected"),
    [
        (Scalar.TEXT, (pa.array([None]), pa.array(["a"])), [None, "a"]),
        (Scalar.BIGINT, (pa.array([1]), pa.array([2], pa.int8())), [1, 2]),
        (Scalar.BIGINT, (pa.array([1]), pa.array(["2"])), [1, 2]),
        (Decimal(50, 1), (pa.array([None]), pa.array(["1.5"])), [None, "1.5"]),
    ],
)
def test_a_later_batch_may_have_another_type_that_fits(
    declared: DataType, arrays: tuple[pa.Array, ...], expected: list[Any]
) -> None:
    assert made_to_fit(declared, *arrays).to_pylist() == expected


@pytest.mark.parametrize(
    ("declared", "arrays", "reason"),
    [
        (Scalar.BIGINT, (pa.array([1]), pa.array([2.0])), "a later batch gives"),
        (Scalar.DATE, (pa.array([None]), pa.array([datetime(2024, 1, 1, 5)])), "a later batch gives"),
        (
            Scalar.TIMESTAMP,
            (
                pa.array([datetime(2024, 1, 1)]),
                pa.array([datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=5)))]),
            ),
            "a later batch gives",
        ),
        (Decimal(50, 1), (pa.array([None]), pa.array(["1.55"])), "more digits behind the point"),
    ],
)
def test_a_later_batch_brings_no_cast_that_the_plan_would_have_refused(
    declared: DataType, arrays: tuple[pa.Array, ...], reason: str
) -> None:
    with pytest.raises(RunError, match=f"column 'v': .*{reason}"):
        made_to_fit(declared, *arrays)


def test_a_first_batch_of_nulls_is_of_no_type() -> None:
    assert column("v", Scalar.UUID, pa.null()).source == Foreign("null")
