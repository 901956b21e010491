"""Numerics: base-10000 digits as Arrow decimals, or as text where a type's digits have no bound. Pure.

A numeric is sent as four 16-bit numbers (how many digits, the exponent of the first, sign, digits behind the point in
its text) and its digits of base 10000 (`numeric_send` in PostgreSQL's source).
"""

from __future__ import annotations

import decimal

import numpy as np
import pyarrow as pa

from ematix_flow.backends.postgres.wire.fields import Fields, Ints

_HEADER = 8  # bytes
_NEGATIVE = 0x4000
_SPECIAL = {0xC000: "NaN", 0xD000: "Infinity", 0xF000: "-Infinity"}
_WORD = 10_000  # the base
_PLACES = 4  # decimal places of a digit of that base
_MAX_PRECISION, _MAX_SCALE = 18, 16  # of what 64 bits hold while it is put together


def decimals(fields: Fields, type_: pa.Decimal128Type) -> pa.Array:
    """Decimals of a precision and scale.

    Raises:
        ValueError: a value is not finite.
    """
    header = fields.numbers("u8").view(np.int64)
    sign = header >> 16 & 0xFFFF
    special = sign > _NEGATIVE
    if special.any():
        raise ValueError(f"'{_SPECIAL[int(sign[special][0])]}' is no finite number")
    if type_.precision > _MAX_PRECISION or type_.scale > _MAX_SCALE:
        return pa.array([decimal.Decimal(text) if text else None for text in _texts(fields)], type_)
    fraction_words = -(-type_.scale // _PLACES)
    if type_.precision - type_.scale + _PLACES * fraction_words <= _MAX_PRECISION:
        value = _one_number(fields, header, fraction_words) // 10 ** (-type_.scale % _PLACES)
    else:
        whole, fraction = _parts(fields, header, fraction_words)
        value = whole * 10**type_.scale + fraction // 10 ** (-type_.scale % _PLACES)
    if sign.any():
        value = np.where(sign == _NEGATIVE, -value, value)
    wide = np.empty((len(fields), 2), np.int64)
    wide[:, 0], wide[:, 1] = value, value >> 63  # two's complement of 128 bits, the low half first
    return fields.array(type_, wide)


def _one_number(fields: Fields, header: Ints, fraction_words: int) -> Ints:
    """All digits as one number, which counts in units of the last of `fraction_words`."""
    count = header >> 48
    weight = (header >> 32).astype(np.int16)
    value = np.zeros(len(fields), np.int64)
    fewest = int(count.min()) if len(count) else 0
    four: Ints = np.zeros(0, np.int64)
    for position in range(int(count.max(initial=0))):
        if position % 4 == 0:  # four 16-bit digits are read at once
            four = fields.numbers("u8", _HEADER + 2 * position).view(np.int64)
        longer = value * _WORD + (four >> 16 * (3 - position % 4) & 0xFFFF)
        # Behind the last digit stands the next field: it counts nothing.
        value = longer if position < fewest else np.where(position < count, longer, value)
    return value * _power(weight - count + (1 + fraction_words))


def _parts(fields: Fields, header: Ints, fraction_words: int) -> tuple[Ints, Ints]:
    """The digits before the point as one number, and those behind it, `fraction_words` of them, as another."""
    count = header >> 48
    weight = (header >> 32).astype(np.int16).astype(np.int64)
    whole, fraction = np.zeros(len(fields), np.int64), np.zeros(len(fields), np.int64)
    four: Ints = np.zeros(0, np.int64)
    for position in range(int(count.max(initial=0))):
        if position % 4 == 0:  # four 16-bit digits are read at once
            four = fields.numbers("u8", _HEADER + 2 * position).view(np.int64)
        # Behind the last digit stands the next field: it counts nothing.
        word = np.where(position < count, four >> 16 * (3 - position % 4) & 0xFFFF, 0)
        exponent = weight - position
        before = exponent >= 0
        whole += np.where(before, word * _power(exponent), 0)
        if fraction_words:
            fraction += np.where(before, 0, word * _power(exponent + fraction_words))
    return whole, fraction


_POWERS = np.array([_WORD**n for n in range(5)], np.int64)


def _power(exponent: Ints) -> Ints:
    """10000 to a power that matters; other powers are met by digits that count nothing, or are zero."""
    power: Ints = _POWERS[np.clip(exponent, 0, len(_POWERS) - 1)]
    return power


def number_texts(fields: Fields) -> pa.Array:
    """Numerics as PostgreSQL writes them, row by row."""
    return pa.array(_texts(fields), pa.string())


def _texts(fields: Fields) -> list[str | None]:
    words = np.frombuffer(fields.wire.data, np.uint8)
    nulls = fields.nulls if fields.nulls is not None else np.zeros(len(fields), np.bool_)
    return [
        None if null else _text(words[start:end].view(">i2").tolist())
        for start, end, null in zip(fields.starts.tolist(), fields.ends.tolist(), nulls.tolist(), strict=True)
    ]


def _text(words: list[int]) -> str:
    _, weight, sign, scale, *digits = words
    if (special := _SPECIAL.get(sign & 0xFFFF)) is not None:
        return special
    whole = "".join(f"{_at(digits, place):04}" for place in range(weight + 1)).lstrip("0") or "0"
    behind = "".join(
        f"{_at(digits, weight + 1 + place):04}" for place in range(-(-(scale & 0x3FFF) // _PLACES))
    )
    fraction = f".{behind[: scale & 0x3FFF]}" if scale else ""
    return f"{'-' if sign & 0xFFFF == _NEGATIVE else ''}{whole}{fraction}"


def _at(digits: list[int], place: int) -> int:
    return digits[place] if 0 <= place < len(digits) else 0
