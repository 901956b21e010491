"""The fields of one column as an Arrow array. Pure.

Binary representations are those of the types' send functions; PostgreSQL counts time from 2000-01-01, Arrow from
1970-01-01.
"""

from __future__ import annotations

import struct
from datetime import date, datetime, timedelta
from typing import assert_never

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ematix_flow.backends.postgres.wire.fields import Fields, Flags, Ints
from ematix_flow.backends.postgres.wire.numbers import decimals, number_texts
from ematix_flow.types import DataType, Decimal, Foreign, ListOf, Scalar, Varchar, to_arrow

_DAY = 86_400_000_000  # microseconds
_EPOCH = date(2000, 1, 1).toordinal() - date(1970, 1, 1).toordinal()  # days
# Python's dates and the readers of Delta tables know the years 1 to 9999.
_FIRST, _LAST = (day.toordinal() - date(2000, 1, 1).toordinal() for day in (date.min, date.max))
_NUMBERS = {
    Scalar.SMALLINT: "i2",
    Scalar.INTEGER: "i4",
    Scalar.BIGINT: "i8",
    Scalar.REAL: "f4",
    Scalar.DOUBLE: "f8",
}
_ARRAY_HEADER = (
    20  # bytes: dimensions, flags, element type, and of the one dimension its length and lower bound
)
_LENGTH = struct.Struct(">i")
_FEW = 30  # arrays; so many are walked one by one in the time of a step over them all
_MAX_INTERVAL = (2**63 - 1) // 1000  # microseconds; Arrow counts nanoseconds


_WIDTHS = {
    Scalar.BOOLEAN: 1,
    Scalar.SMALLINT: 2,
    Scalar.INTEGER: 4,
    Scalar.BIGINT: 8,
    Scalar.REAL: 4,
    Scalar.DOUBLE: 8,
    Scalar.DATE: 4,
    Scalar.TIME: 8,
    Scalar.TIMESTAMP: 8,
    Scalar.TIMESTAMPTZ: 8,
    Scalar.UUID: 16,
    Scalar.INTERVAL: 16,
}


def width_of(type_: DataType) -> int | None:
    """How many bytes every value of a type takes; None where that differs."""
    return _WIDTHS.get(type_) if isinstance(type_, Scalar) else None


def column_array(fields: Fields, type_: DataType) -> pa.Array:
    """The array of a column.

    Raises:
        ValueError: Arrow cannot carry a value; the text shows it.
    """
    match type_:
        case Scalar():
            return _scalars(fields, type_)
        case Varchar() | Foreign():
            return _bytes(fields, pa.string())
        case Decimal():
            wanted = to_arrow(type_)
            return number_texts(fields) if pa.types.is_string(wanted) else decimals(fields, wanted)
        case ListOf(element=element):
            return _lists(fields, element)
        case _:
            assert_never(type_)


def _scalars(fields: Fields, scalar: Scalar) -> pa.Array:
    match scalar:
        case Scalar.SMALLINT | Scalar.INTEGER | Scalar.BIGINT | Scalar.REAL | Scalar.DOUBLE:
            return fields.array(to_arrow(scalar), fields.numbers(_NUMBERS[scalar]))
        case Scalar.BOOLEAN:
            return fields.array(pa.bool_(), np.packbits(fields.numbers("u1"), bitorder="little"))
        case Scalar.TEXT | Scalar.JSON:
            return _bytes(fields, pa.string())
        case Scalar.JSONB:
            return _bytes(fields, pa.string(), skip=1)  # a version number
        case Scalar.BYTES:
            return _bytes(fields, pa.binary())
        case Scalar.UUID:
            return _uuids(fields)
        case Scalar.DATE:
            days = fields.numbers("i4")
            _refuse_years(days, days, scalar)
            return fields.array(pa.date32(), days + np.int32(_EPOCH))
        case Scalar.TIMESTAMP | Scalar.TIMESTAMPTZ:
            instants = fields.numbers("i8")
            _refuse_years(instants, instants // _DAY, scalar)
            return fields.array(to_arrow(scalar), instants + _EPOCH * _DAY)
        case Scalar.TIME:
            times = fields.numbers("i8")
            if (times >= _DAY).any():  # 24:00:00 is a time to PostgreSQL
                raise ValueError("'24:00:00' lies outside a day, 00:00 to 23:59:59.999999")
            return fields.array(pa.time64("us"), times)
        case Scalar.INTERVAL:
            return _intervals(fields)
        case _:
            assert_never(scalar)


def _refuse_years(values: Ints, days: Ints, scalar: Scalar) -> None:
    outside = (days < _FIRST) | (days > _LAST)
    if outside.any():
        shown = _shown(int(values[outside][0]), int(days[outside][0]), scalar)
        raise ValueError(f"{shown!r} lies outside the years 1 to 9999")


def _shown(value: int, day: int, scalar: Scalar) -> str:
    """A date or an instant as the server writes it; the largest number is infinity, the smallest -infinity."""
    largest = 2**31 - 1 if scalar is Scalar.DATE else 2**63 - 1
    if value in (largest, -largest - 1):
        return "infinity" if value > 0 else "-infinity"
    text = str(np.datetime64("2000-01-01", "D") + np.timedelta64(day, "D"))
    year, rest = int(text[:-6]), text[-6:]
    if scalar is not Scalar.DATE:
        clock = (datetime.min + timedelta(microseconds=value % _DAY)).time().isoformat()
        rest += f" {clock}{'+00' if scalar is Scalar.TIMESTAMPTZ else ''}"
    return f"{year:04}{rest}" if year > 0 else f"{1 - year:04}{rest} BC"


def _intervals(fields: Fields) -> pa.Array:
    microseconds = fields.numbers("i8")
    outside = np.abs(microseconds) > _MAX_INTERVAL
    outside |= microseconds == np.iinfo(np.int64).min  # has no absolute value
    if outside.any():
        hours = int(microseconds[outside][0]) // 3_600_000_000
        raise ValueError(f"'{hours} hours' is more than nanoseconds can count")
    values = np.empty(len(fields), np.dtype([("months", "i4"), ("days", "i4"), ("nanoseconds", "i8")]))
    values["months"], values["days"] = fields.numbers("i4", 12), fields.numbers("i4", 8)
    values["nanoseconds"] = microseconds * 1000
    return fields.array(pa.month_day_nano_interval(), values)


# --- bytes -------------------------------------------------------------------------------------------


def _bytes(fields: Fields, type_: pa.DataType, skip: int = 0) -> pa.Array:
    """Texts and bytes, gathered by Arrow: of an array over the whole block every other piece is a field."""
    count = len(fields)
    offsets = np.empty(2 * count + 1, np.int32)
    offsets[0:-1:2], offsets[1::2] = fields.starts, fields.ends
    if skip:
        offsets[0:-1:2] = np.minimum(fields.starts + skip, fields.ends)
    offsets[-1] = offsets[-2] if count else 0
    pieces = pa.Array.from_buffers(
        type_, 2 * count, [None, pa.py_buffer(offsets), pa.py_buffer(fields.wire.data)]
    )
    taken = pc.take(pieces, pa.array(np.arange(0, 2 * count, 2, dtype=np.int32)), boundscheck=False)
    _, ends, data = taken.buffers()
    return pa.Array.from_buffers(type_, count, [fields.validity, ends, data], offset=taken.offset)


_HEX = np.array([f"{byte:02x}" for byte in range(256)], "S2").view("u2")
# Where the digits of a UUID stand in its text, whose four other places are hyphens.
_DIGITS = np.array([place for place in range(36) if place not in (8, 13, 18, 23)])


def _uuids(fields: Fields) -> pa.Array:
    count = len(fields)
    raw = np.frombuffer(fields.wire.data, np.uint8)[fields.starts[:, None] + np.arange(16)]
    texts = np.full((count, 36), ord("-"), np.uint8)
    texts[:, _DIGITS] = _HEX[raw].view(np.uint8).reshape(count, 32)
    ends = np.arange(0, 36 * (count + 1), 36, dtype=np.int32)
    return pa.Array.from_buffers(
        pa.string(), count, [fields.validity, pa.py_buffer(ends), pa.py_buffer(texts)]
    )


# --- arrays ------------------------------------------------------------------------------------------


def _lists(fields: Fields, element: DataType) -> pa.Array:
    """Arrays of one dimension; Arrow's lists have neither several nor a lower bound of their own."""
    dimensions = fields.numbers("i4")
    if (dimensions > 1).any():
        raise ValueError("an array has several dimensions")
    filled = dimensions == 1
    if (fields.numbers("i4", 16)[filled] != 1).any():
        raise ValueError("an array does not start at 1")
    counts = np.where(filled, fields.numbers("i4", 12), 0).astype(np.int64)
    ends = np.concatenate([[0], np.cumsum(counts)])
    elements = column_array(_elements(fields, counts, ends), element)
    return pa.Array.from_buffers(
        pa.list_(to_arrow(element)),
        len(fields),
        [fields.validity, pa.py_buffer(ends.astype(np.int32))],
        children=[elements],
    )


def _elements(fields: Fields, counts: Ints, ends: Ints) -> Fields:
    """The elements of all arrays in a row: the first of each is walked at once, then the second, and so on; the few
    arrays that are longer than others, one by one.
    """
    total = int(ends[-1])
    starts, stops, nulls = np.zeros(total, np.int64), np.zeros(total, np.int64), np.zeros(total, np.bool_)
    places, offsets = ends[:-1], fields.starts + _ARRAY_HEADER
    rows = np.flatnonzero(counts)
    position = 0
    while len(rows) > _FEW:
        walked = Fields.read(fields.wire, offsets[rows])
        at = places[rows] + position
        starts[at], stops[at] = walked.starts, walked.ends
        if walked.nulls is not None:
            nulls[at] = walked.nulls
        offsets[rows] = walked.ends
        position += 1
        rows = rows[counts[rows] > position]
    for row in rows.tolist():
        offset = int(offsets[row])
        for place in range(int(places[row]) + position, int(ends[row + 1])):
            (length,) = _LENGTH.unpack_from(fields.wire.data, offset)
            starts[place] = offset + _LENGTH.size
            stops[place] = offset = offset + _LENGTH.size + max(length, 0)
            nulls[place] = length < 0
    return Fields(fields.wire, starts, stops, _any(nulls))


def _any(flags: Flags) -> Flags | None:
    return flags if flags.any() else None
