"""COPY's records as Arrow: against psycopg's own binary dumpers, and against bytes put together from the manual."""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal as Number
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import pq
from psycopg.adapt import PyFormat, Transformer

from ematix_flow.backends.postgres.wire import decode
from ematix_flow.errors import RunError
from ematix_flow.streams import CopyBlock
from ematix_flow.types import DataType, Decimal, Foreign, ListOf, Scalar, Varchar, to_arrow

Encode = Callable[[Any], bytes]
Record = Sequence[bytes | None]


# --- records (PostgreSQL manual, "COPY", Binary Format) ------------------------------------------------


def field(data: bytes | None) -> bytes:
    return struct.pack(">i", -1) if data is None else struct.pack(">i", len(data)) + data


def record(fields: Record) -> bytes:
    return struct.pack(">h", len(fields)) + b"".join(map(field, fields))


def block(records: Sequence[Record]) -> CopyBlock:
    encoded = [record(fields) for fields in records]
    return CopyBlock(b"".join(encoded), [len(each) for each in encoded])


def batches(blocks: Sequence[CopyBlock], *types: DataType, show_values: bool = True) -> list[pa.RecordBatch]:
    names = [f"c{n}" for n in range(len(types))]
    decoded = decode(iter(blocks), names, types, job="load", show_values=show_values)
    assert decoded.schema == pa.schema(list(zip(names, map(to_arrow, types), strict=True)))
    return list(decoded.rows)


def column(type_: DataType, *values: bytes | None) -> list[Any]:
    """What one column holds after its values came in one block."""
    (batch,) = batches([block([[value] for value in values])], type_)
    batch.validate(full=True)
    return plain(batch.column(0).to_pylist())  # type: ignore[no-any-return]


def plain(value: Any) -> Any:
    """A value as something that equals only what is the same: the sign of a zero, the digits of a number, a NaN."""
    match value:
        case list():
            return [plain(each) for each in value]
        case float():
            return value.hex()
        case Number():
            return str(value)
        case pa.MonthDayNano():
            return tuple(value)
        case _:
            return value


# --- values ---------------------------------------------------------------------------------------------


def dumped(type_name: str) -> Encode:
    """The bytes in which psycopg sends a value."""
    oid = psycopg.adapters.types[type_name].oid

    def encode(value: Any) -> bytes:
        transformer = Transformer()
        transformer.set_dumper_types([oid], pq.Format.BINARY)
        (data,) = transformer.dump_sequence([value], [PyFormat.BINARY])
        assert data is not None
        return bytes(data)

    return encode


def words(digits: Sequence[int], weight: int, sign: int, scale: int) -> bytes:
    """A numeric: how many digits of base 10000, the first one's exponent, sign, digits shown behind the point."""
    return struct.pack(f">hhHH{len(digits)}h", len(digits), weight, sign, scale, *digits)


def numeric(value: Number) -> bytes:
    """A numeric as the server sends it, without zeros at either end."""
    whole, _, fraction = format(value.copy_abs(), "f").partition(".")
    scale = len(fraction)
    whole, fraction = whole.zfill(-(-len(whole) // 4) * 4), fraction.ljust(-(-len(fraction) // 4) * 4, "0")
    digits = [int((whole + fraction)[n : n + 4]) for n in range(0, len(whole + fraction), 4)]
    weight = len(whole) // 4 - 1
    while digits and digits[0] == 0:
        digits, weight = digits[1:], weight - 1
    while digits and digits[-1] == 0:
        digits = digits[:-1]
    return words(digits, weight if digits else 0, 0x4000 if digits and value < 0 else 0, scale)


def array(elements: Sequence[bytes | None], dimensions: int = 1, lower: int = 1) -> bytes:
    """An array: dimensions, whether it holds nulls, element type, of each dimension its length and lower bound."""
    if not elements:
        return struct.pack(">iii", 0, 0, 23)
    shape = struct.pack(">ii", len(elements), lower) + struct.pack(">ii", 1, 1) * (dimensions - 1)
    head = struct.pack(">iii", dimensions, None in elements, 23)
    return head + shape + b"".join(map(field, elements))


def interval(value: tuple[int, int, int]) -> bytes:
    months, days, microseconds = value
    return struct.pack(">qii", microseconds, days, months)


@dataclass(frozen=True)
class Kind:
    """A type, how its values are sent, which values there are, and what Arrow gives back for one."""

    type: DataType
    encode: Encode
    values: st.SearchStrategy[Any]
    arrives: Callable[[Any], Any] = lambda value: value


def number(digits: int, scale: int) -> Number:
    """Digits and where their point stands, exactly: Python's arithmetic would round to 28 digits."""
    return Number(f"{digits}e{-scale}")


def numbers(precision: int, scale: int) -> st.SearchStrategy[Number]:
    largest = 10**precision - 1
    return st.integers(-largest, largest).map(lambda digits: number(digits, scale))


def unbounded() -> st.SearchStrategy[Number]:
    """Numbers of up to 40 digits and 40 zeros; the server knows no negative zero."""
    return st.builds(
        lambda n, scale: Number(f"{n}e{-scale}"), st.integers(-(10**40), 10**40), st.integers(-9, 40)
    )


# A server stores no zero byte, and a surrogate is no character.
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
DAY = 86_400_000_000
# The largest interval that nanoseconds count, in microseconds.
LONGEST = (2**63 - 1) // 1000
KINDS = [
    Kind(Scalar.SMALLINT, dumped("int2"), st.integers(-(2**15), 2**15 - 1)),
    Kind(Scalar.INTEGER, dumped("int4"), st.integers(-(2**31), 2**31 - 1)),
    Kind(Scalar.BIGINT, dumped("int8"), st.integers(-(2**63), 2**63 - 1)),
    Kind(Scalar.REAL, dumped("float4"), st.floats(width=32)),
    Kind(Scalar.DOUBLE, dumped("float8"), st.floats()),
    Kind(Scalar.BOOLEAN, dumped("bool"), st.booleans()),
    Kind(Scalar.TEXT, dumped("text"), TEXTS),
    Kind(Varchar(9), dumped("varchar"), TEXTS),
    Kind(Foreign("mood"), dumped("text"), TEXTS),
    Kind(Scalar.DATE, dumped("date"), st.dates()),
    Kind(Scalar.TIME, dumped("time"), st.times()),
    Kind(Scalar.TIMESTAMP, dumped("timestamp"), st.datetimes()),
    Kind(Scalar.TIMESTAMPTZ, dumped("timestamptz"), st.datetimes(timezones=st.just(UTC))),
    Kind(
        Scalar.INTERVAL,
        interval,
        st.tuples(*[st.integers(-(2**31), 2**31 - 1)] * 2, st.integers(-LONGEST, LONGEST)),
        lambda value: (value[0], value[1], value[2] * 1000),
    ),
    Kind(Scalar.JSON, dumped("text"), TEXTS),
    Kind(Scalar.JSONB, lambda text: b"\x01" + text.encode(), TEXTS),
    Kind(Scalar.UUID, dumped("uuid"), st.uuids(), str),
    Kind(Scalar.BYTES, dumped("bytea"), st.binary()),
    Kind(Decimal(12, 2), numeric, numbers(12, 2)),
    Kind(Decimal(18, 9), numeric, numbers(18, 9)),
    Kind(Decimal(38, 20), numeric, numbers(38, 20)),
    Kind(Decimal(50, 10), numeric, numbers(50, 10), lambda value: format(value, "f")),
    Kind(Decimal(), numeric, unbounded(), lambda value: format(value, "f")),
]


def in_lists(kind: Kind) -> Kind:
    def encode(values: Sequence[Any]) -> bytes:
        return array([None if value is None else kind.encode(value) for value in values])

    return Kind(
        ListOf(kind.type),
        encode,
        st.lists(st.none() | kind.values, max_size=5),
        lambda values: [None if value is None else kind.arrives(value) for value in values],
    )


KINDS += [in_lists(kind) for kind in KINDS]
IDS = [str(kind.type) for kind in KINDS]


def encoded(kind: Kind, value: Any) -> bytes | None:
    return None if value is None else kind.encode(value)


def expected(kind: Kind, value: Any) -> Any:
    return None if value is None else plain(kind.arrives(value))


# --- what is sent is what arrives -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS, ids=IDS)
@settings(max_examples=30)
@given(data=st.data())
def test_a_column_of_values_and_nulls_arrives(kind: Kind, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.none() | kind.values, max_size=6))
    assert column(kind.type, *(encoded(kind, value) for value in values)) == [
        expected(kind, value) for value in values
    ]


@settings(max_examples=30)
@given(data=st.data())
def test_columns_side_by_side_arrive_in_any_blocks(data: st.DataObject) -> None:
    kinds = data.draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=6))
    rows = data.draw(st.lists(st.tuples(*(st.none() | kind.values for kind in kinds)), max_size=6))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=4)))
    records = [[encoded(kind, value) for kind, value in zip(kinds, row, strict=True)] for row in rows]
    blocks = [block(records[start:end]) for start, end in zip([0, *cuts], [*cuts, len(rows)], strict=True)]
    found = batches(blocks, *(kind.type for kind in kinds))
    assert [batch.num_rows for batch in found] == [len(each.lengths) for each in blocks]
    assert [
        tuple(plain(batch.column(n)[row].as_py()) for n in range(len(kinds)))
        for batch in found
        for row in range(batch.num_rows)
    ] == [tuple(expected(kind, value) for kind, value in zip(kinds, row, strict=True)) for row in rows]


@pytest.mark.parametrize("kind", KINDS, ids=IDS)
@settings(max_examples=30)
@given(data=st.data())
def test_a_null_may_stand_in_any_place(kind: Kind, data: st.DataObject) -> None:
    value = data.draw(kind.values)
    for values in ([], [None], [value], [value, None], [None, value], [None, value, None]):
        assert column(kind.type, *(encoded(kind, each) for each in values)) == [
            expected(kind, each) for each in values
        ]


def test_without_blocks_there_are_no_batches_and_still_a_schema() -> None:
    assert batches([], Scalar.BIGINT, ListOf(Scalar.TEXT)) == []


def test_an_empty_block_is_an_empty_batch() -> None:
    (batch,) = batches([block([])], *(kind.type for kind in KINDS))
    batch.validate(full=True)
    assert (batch.num_rows, batch.num_columns) == (0, len(KINDS))


def test_a_batch_outlives_its_block() -> None:
    given = block([[b"kept"]])
    (batch,) = batches([replace(given, data=(data := bytearray(given.data)))], Scalar.TEXT)
    data[:] = bytes(len(data))
    assert batch.column(0).to_pylist() == ["kept"]


# --- edges ----------------------------------------------------------------------------------------------

INT4, INT8 = struct.Struct(">i").pack, struct.Struct(">q").pack
NAN, TINY = float("nan"), 5e-324
EDGES: list[tuple[DataType, Encode, list[Any]]] = [
    (Scalar.SMALLINT, dumped("int2"), [-(2**15), 2**15 - 1, 0, -1]),
    (Scalar.INTEGER, dumped("int4"), [-(2**31), 2**31 - 1, 0, -1]),
    (Scalar.BIGINT, dumped("int8"), [-(2**63), 2**63 - 1, 0, -1]),
    (
        Scalar.REAL,
        dumped("float4"),
        [NAN, float("inf"), -float("inf"), -0.0, 2.0**-149, 2.0**127, 16777216.0],
    ),
    (
        Scalar.DOUBLE,
        dumped("float8"),
        [NAN, float("inf"), -float("inf"), -0.0, TINY, -TINY, 1.7976931348623157e308],
    ),
    (Scalar.BOOLEAN, dumped("bool"), [True, False] * 9),
    (Scalar.TEXT, dumped("text"), ["", "é", "😀 ß", "a\nb", "\\N", "x" * 100_000, ""]),
    (Scalar.BYTES, dumped("bytea"), [b"", b"\0\xff", bytes(range(256)), b""]),
    (
        Scalar.DATE,
        dumped("date"),
        [date.min, date.max, date(1970, 1, 1), date(2000, 1, 1), date(1999, 12, 31)],
    ),
    (Scalar.TIME, dumped("time"), [time.min, time.max]),
    (
        Scalar.TIMESTAMP,
        dumped("timestamp"),
        [datetime.min, datetime.max, datetime(1969, 12, 31, 23, 59, 59, 999_999)],
    ),
    (
        Scalar.TIMESTAMPTZ,
        dumped("timestamptz"),
        [
            datetime.min.replace(tzinfo=UTC),
            datetime.max.replace(tzinfo=UTC),
            datetime(1970, 1, 1, tzinfo=UTC),
        ],
    ),
]


@pytest.mark.parametrize(("type_", "encode", "values"), EDGES, ids=[str(edge[0]) for edge in EDGES])
def test_the_edges_of_a_type_arrive(type_: DataType, encode: Encode, values: list[Any]) -> None:
    assert column(type_, *map(encode, values)) == plain(values)


@pytest.mark.parametrize(
    "value", [(2**31 - 1, -(2**31), LONGEST), (-(2**31), 2**31 - 1, -LONGEST), (0, 0, 0)]
)
def test_the_longest_intervals_arrive(value: tuple[int, int, int]) -> None:
    assert column(Scalar.INTERVAL, interval(value)) == [(*value[:2], value[2] * 1000)]


@pytest.mark.parametrize("value", [uuid.UUID(int=0), uuid.UUID(int=2**128 - 1), uuid.UUID(int=1)])
def test_a_uuid_arrives_as_its_text(value: uuid.UUID) -> None:
    assert column(Scalar.UUID, value.bytes, None, value.bytes) == [str(value), None, str(value)]


def test_a_jsonb_arrives_without_its_version() -> None:
    assert column(Scalar.JSONB, b'\x01{"a": 1}', None, b"\x01null") == ['{"a": 1}', None, "null"]


# --- numbers --------------------------------------------------------------------------------------------


def some_digits(precision: int) -> list[int]:
    """Numbers of up to so many digits: none, one, all, the largest, zeros at the end."""
    found = {1, 9, 10 ** (precision - 1), 10**precision - 1, int("1234567890" * 4) % 10**precision}
    return [0, *sorted(found), *sorted(-n for n in found)]


@pytest.mark.parametrize("precision", range(1, 39))
def test_a_number_of_any_precision_and_scale_arrives(precision: int) -> None:
    for scale in range(precision + 1):
        values = [number(digits, scale) for digits in some_digits(precision)]
        assert column(Decimal(precision, scale), *map(numeric, values), None) == plain([*values, None])


@pytest.mark.parametrize(("precision", "scale"), [(4, 0), (12, 2), (18, 16), (18, 17), (19, 0), (38, 38)])
def test_a_number_with_zeros_at_its_ends_arrives(precision: int, scale: int) -> None:
    values = [number(digits, scale) for digits in some_digits(precision)]
    assert column(Decimal(precision, scale), *map(dumped("numeric"), values)) == plain(values)


@pytest.mark.parametrize("precision", [1, 18, 19, 38])
def test_a_column_of_nulls_alone_is_one_of_numbers_too(precision: int) -> None:
    assert column(Decimal(precision, 1), None, None) == [None, None]


# As the server prints them; each is what numeric_send gives for it.
TEXTS_OF_NUMBERS = [
    ("0", words([], 0, 0, 0)),
    ("0.00", words([], 0, 0, 2)),
    ("0.001", words([10], -1, 0, 3)),
    ("0.00001", words([1000], -2, 0, 5)),
    ("-0.00010000", words([1], -1, 0x4000, 8)),
    ("1", words([1], 0, 0, 0)),
    ("1.50", words([1, 5000], 0, 0, 2)),
    ("-1.5000", words([1, 5000], 0, 0x4000, 4)),
    ("10000", words([1], 1, 0, 0)),
    ("100000000.00000", words([1], 2, 0, 5)),
    ("12345678.1234", words([1234, 5678, 1234], 1, 0, 4)),
    ("0." + 19 * "0" + "1", words([1], -5, 0, 20)),
    (60 * "9" + ".5", words([*15 * [9999], 5000], 14, 0, 1)),
    ("1" + 400 * "0", words([1], 100, 0, 0)),
    ("NaN", words([], 0, 0xC000, 0)),
    ("Infinity", words([], 0, 0xD000, 0)),
    ("-Infinity", words([], 0, 0xF000, 0)),
]


@pytest.mark.parametrize(("text", "data"), TEXTS_OF_NUMBERS, ids=[text[:20] for text, _ in TEXTS_OF_NUMBERS])
def test_an_unbounded_number_arrives_as_the_server_prints_it(text: str, data: bytes) -> None:
    assert column(Decimal(), data, None, data) == [text, None, text]


# --- lists ----------------------------------------------------------------------------------------------


def test_lists_of_different_lengths_arrive() -> None:
    lists = [[1, None, 3], [], None, [None], [2**31 - 1] * 1000, [], [7]]
    data = [None if each is None else array([None if n is None else INT4(n) for n in each]) for each in lists]
    assert column(ListOf(Scalar.INTEGER), *data) == lists


@pytest.mark.parametrize("rows", [1, 29, 30, 31, 100])
def test_many_lists_and_few_long_ones_arrive(rows: int) -> None:
    """Lists are walked together, and the longest of them one by one."""
    lists = [[None if n % 3 == row % 5 else f"{row}:{n}" for n in range(row)] for row in range(rows)]
    lists[rows // 2] = [*map(str, range(5000)), None]
    data = [array([None if each is None else each.encode() for each in elements]) for elements in lists]
    assert column(ListOf(Scalar.TEXT), *data, None) == [*lists, None]


def test_a_column_of_empty_lists_and_nulls_arrives() -> None:
    for type_ in (ListOf(kind.type) for kind in KINDS if not isinstance(kind.type, ListOf)):
        assert column(type_, array([]), None, array([])) == [[], None, []]


# --- what Arrow cannot carry ----------------------------------------------------------------------------

INFINITIES: list[tuple[DataType, bytes, str]] = [
    (type_, pack(edge), word)
    for type_, pack, largest in (
        (Scalar.DATE, INT4, 2**31 - 1),
        (Scalar.TIMESTAMP, INT8, 2**63 - 1),
        (Scalar.TIMESTAMPTZ, INT8, 2**63 - 1),
    )
    for edge, word in ((largest, "'infinity' lies"), (-largest - 1, "'-infinity' lies"))
]
FIRST, LAST = ((day - date(2000, 1, 1)).days for day in (date.min, date.max))
OUTSIDE: list[tuple[DataType, bytes, str]] = [
    (Scalar.DATE, INT4(LAST + 1), "'10000-01-01' lies outside the years 1 to 9999"),
    (Scalar.DATE, INT4(FIRST - 1), "'0001-12-31 BC' lies outside the years 1 to 9999"),
    (Scalar.TIMESTAMP, INT8((LAST + 1) * DAY), "'10000-01-01 00:00:00' lies outside the years 1 to 9999"),
    (
        Scalar.TIMESTAMP,
        INT8(FIRST * DAY - 1),
        "'0001-12-31 23:59:59.999999 BC' lies outside the years 1 to 9999",
    ),
    (
        Scalar.TIMESTAMPTZ,
        INT8((LAST + 1) * DAY),
        "'10000-01-01 00:00:00+00' lies outside the years 1 to 9999",
    ),
    (Scalar.TIME, INT8(DAY), "'24:00:00' lies outside a day"),
    (Scalar.INTERVAL, interval((0, 0, LONGEST + 1)), "'2562047 hours' is more than nanoseconds can count"),
    (Scalar.INTERVAL, interval((0, 0, -(2**63))), "is more than nanoseconds can count"),
    *(
        (Decimal(precision, 2), words([], 0, sign, 0), f"'{word}' is no finite number")
        for precision in (12, 38)
        for sign, word in ((0xC000, "NaN"), (0xD000, "Infinity"), (0xF000, "-Infinity"))
    ),
    (ListOf(Scalar.INTEGER), array([INT4(1), INT4(2)], dimensions=2), "an array has several dimensions"),
    (ListOf(Scalar.INTEGER), array([INT4(1), INT4(2)], lower=0), "an array does not start at 1"),
]
UNFIT: list[tuple[DataType, bytes, str]] = [*INFINITIES, *OUTSIDE]
UNFIT += [
    (ListOf(type_), array([None, data]), reason)
    for type_, data, reason in UNFIT
    if not isinstance(type_, ListOf)
]


def test_the_day_before_and_the_microsecond_after_are_the_first_refused() -> None:
    assert column(Scalar.DATE, INT4(FIRST), INT4(LAST)) == [date.min, date.max]
    assert column(Scalar.TIMESTAMP, INT8(FIRST * DAY), INT8((LAST + 1) * DAY - 1)) == [
        datetime.min,
        datetime.max,
    ]


@pytest.mark.parametrize(("type_", "data", "reason"), UNFIT)
def test_what_arrow_cannot_carry_is_refused_by_name(type_: DataType, data: bytes, reason: str) -> None:
    with pytest.raises(RunError) as raised:
        batches([block([[None], [data]])], type_)
    assert raised.value.reason.startswith(f"column 'c0': a value does not fit {type_}: ")
    assert reason in raised.value.reason


@pytest.mark.parametrize(("type_", "data", "reason"), UNFIT)
def test_a_refused_value_may_be_hidden(type_: DataType, data: bytes, reason: str) -> None:
    with pytest.raises(RunError) as raised:
        batches([block([[data]])], type_, show_values=False)
    assert raised.value.reason.startswith(
        f"column 'c0': a value does not fit {type_}: (the value is hidden);"
    )
    assert reason not in raised.value.reason


def test_batches_before_an_unfit_value_arrive() -> None:
    blocks = [block([[INT4(0)]]), block([[INT4(2**31 - 1)]])]
    rows = decode(iter(blocks), ["c0"], [Scalar.DATE], job="load", show_values=True).rows
    assert next(rows).column(0).to_pylist() == [date(2000, 1, 1)]
    with pytest.raises(RunError, match="infinity"):
        next(rows)
