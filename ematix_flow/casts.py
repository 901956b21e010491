"""Which source types fit a declared type, and at what price: cast on purpose, never reinterpreted.

A cast that could lose information without anybody noticing is refused at plan time, with the SQL that would
say what is meant (PostgreSQL manual, "Data Types": an explicit cast to varchar(n) truncates, one to
numeric(p, s) or from float to integer rounds, timestamptz to timestamp drops the zone).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TypeAlias

from ematix_flow.errors import RunError
from ematix_flow.types import DataType, Decimal, Foreign, ListOf, Scalar, Varchar, postgres_name


class Cast(enum.Enum):
    """How a source value becomes a declared one."""

    NONE = "same type"
    LOSSLESS = "lossless"
    CHECKED = "checked"  # may fail on a value, loudly
    SCALE = "checked for scale"  # to fewer digits behind the point: never rounded
    ABSENT = "null"  # the source has no such column


@dataclass(frozen=True, slots=True)
class Refused:
    """No cast; `remedy` is SQL to write in the query, over a column called `x`."""

    remedy: str


Verdict: TypeAlias = Cast | Refused

_INTEGERS = (Scalar.SMALLINT, Scalar.INTEGER, Scalar.BIGINT)
_INTEGER_DIGITS = {Scalar.SMALLINT: 5, Scalar.INTEGER: 10, Scalar.BIGINT: 19}
# Not time and timestamp: read as such, a text loses the zone it may carry.
_PARSED_FROM_TEXT = (
    *_INTEGERS,
    Scalar.REAL,
    Scalar.DOUBLE,
    Scalar.BOOLEAN,
    Scalar.DATE,
    Scalar.TIMESTAMPTZ,
    Scalar.INTERVAL,
    Scalar.JSON,
    Scalar.JSONB,
    Scalar.UUID,
)
_LOSSLESS = {
    (Scalar.SMALLINT, Scalar.INTEGER),
    (Scalar.SMALLINT, Scalar.BIGINT),
    (Scalar.INTEGER, Scalar.BIGINT),
    (Scalar.SMALLINT, Scalar.REAL),
    (Scalar.SMALLINT, Scalar.DOUBLE),
    (Scalar.INTEGER, Scalar.DOUBLE),
    (Scalar.REAL, Scalar.DOUBLE),
    (Scalar.JSONB, Scalar.JSON),
    (Scalar.TIME, Scalar.INTERVAL),
}
_CHECKED = {
    (Scalar.INTEGER, Scalar.SMALLINT),
    (Scalar.BIGINT, Scalar.SMALLINT),
    (Scalar.BIGINT, Scalar.INTEGER),
    (Scalar.DATE, Scalar.TIMESTAMP),
    (Scalar.JSON, Scalar.JSONB),
}
# What the server reads element by element, and refuses by itself.
_CHECKED_IN_LISTS = (Scalar.JSON, Scalar.JSONB, Scalar.UUID)
_REMEDIES: dict[tuple[object, object], str] = {
    (Scalar.TIMESTAMPTZ, Scalar.TIMESTAMP): "x at time zone 'UTC'",
    (Scalar.TIMESTAMP, Scalar.TIMESTAMPTZ): "x at time zone 'UTC'",
    (Scalar.DATE, Scalar.TIMESTAMPTZ): "x::timestamp at time zone 'UTC'",
    (Scalar.TIMESTAMP, Scalar.DATE): "x::date",
    (Scalar.TIMESTAMPTZ, Scalar.DATE): "(x at time zone 'UTC')::date",
}


def classify(source: DataType, declared: DataType) -> Verdict:
    """How a value of `source` may become one of `declared`."""
    if source == declared:
        return Cast.NONE
    match source, declared:
        case Foreign(name="null"), _:
            return Cast.LOSSLESS
        case ListOf(element=inner), ListOf(element=wanted):
            verdict = classify(inner, wanted)
            is_checked = verdict is Cast.CHECKED and (
                wanted in _CHECKED_IN_LISTS or isinstance(wanted, Varchar)
            )
            if verdict is Cast.LOSSLESS or is_checked:
                return verdict
            return Refused(f"x::{postgres_name(declared)}")
        case _, Scalar.TEXT:
            return Cast.LOSSLESS
        case ((Scalar.TEXT | Foreign()), Varchar()):
            return Cast.CHECKED
        case Varchar(length=length), Varchar(length=limit):
            return Cast.LOSSLESS if length <= limit else Cast.CHECKED
        case _, Decimal():
            return _to_decimal(source, declared)
        case ((Scalar.TEXT | Varchar()), Scalar()) if declared in _PARSED_FROM_TEXT:
            return Cast.CHECKED
    if (source, declared) in _LOSSLESS:
        return Cast.LOSSLESS
    if (source, declared) in _CHECKED:
        return Cast.CHECKED
    return Refused(_remedy(source, declared))


def misfit(job: str, column: str, declared: DataType, what: str) -> RunError:
    """What to tell of a value that does not fit its declared type."""
    return RunError(
        job=job,
        reason=f"column '{column}': a value does not fit {declared}: {what}; mend the row, declare a wider "
        "type, or cast it in the query",
    )


def _to_decimal(source: DataType, declared: Decimal) -> Verdict:
    match source:
        case Scalar.SMALLINT | Scalar.INTEGER | Scalar.BIGINT:
            fits = declared.precision is None or _whole_digits(declared) >= _INTEGER_DIGITS[source]
            return Cast.LOSSLESS if fits else Cast.CHECKED
        case Decimal():
            if declared.precision is None:
                return Cast.LOSSLESS
            if source.precision is None:
                return Cast.SCALE
            keeps_scale = (declared.scale or 0) >= (source.scale or 0)
            if keeps_scale and _whole_digits(declared) >= _whole_digits(source):
                return Cast.LOSSLESS
            return Cast.CHECKED if keeps_scale else Cast.SCALE
        case Scalar.TEXT | Varchar():
            return Cast.CHECKED if declared.precision is None else Cast.SCALE
        case _:
            return Refused(_remedy(source, declared))


def _whole_digits(decimal: Decimal) -> int:
    return (decimal.precision or 0) - (decimal.scale or 0)


def _remedy(source: DataType, declared: DataType) -> str:
    if known := _REMEDIES.get((source, declared)):
        return known
    fractional = source in (Scalar.REAL, Scalar.DOUBLE) or isinstance(source, Decimal)
    if fractional and declared in _INTEGERS:
        return f"round(x)::{postgres_name(declared)}"
    if isinstance(declared, Varchar):
        return "x::text"
    if isinstance(declared, Decimal) and declared.scale is not None:
        return f"round(x::numeric, {declared.scale})"
    return f"x::{postgres_name(declared)}"
