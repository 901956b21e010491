"""Watermarks as Delta keeps them: 64-bit transaction ids in the table's own log. Pure.

Delta protocol, "Transaction Identifiers": an application id and a version that survive checkpoints and clean-up.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from ematix_flow.types import DataType, Scalar

_EPOCH = datetime(1970, 1, 1)
_EPOCH_INSTANT = _EPOCH.replace(tzinfo=UTC)
_EPOCH_DAY = date(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)
_INT64 = range(-(2**63), 2**63)
_INTEGERS = (Scalar.SMALLINT, Scalar.INTEGER, Scalar.BIGINT)


def app_id(job: str, cursor: str) -> str:
    """The application id under which a job's cursor is kept."""
    return f"ematix-flow/{job}/{cursor}"


def job_of(app_id: str) -> str:
    """The job of an application id; no job's name holds a slash."""
    return app_id.split("/")[1]


def to_version(text: str, type_: DataType) -> int:
    """The 64-bit integer for a value as PostgreSQL prints it: microseconds or days since 1970, or the number.

    Raises:
        ValueError: the value has none: infinity, a year before 1 or after 9999, or another type.
    """
    match type_:
        case Scalar.TIMESTAMPTZ:
            return (datetime.fromisoformat(text) - _EPOCH_INSTANT) // _MICROSECOND
        case Scalar.TIMESTAMP:
            return (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND
        case Scalar.DATE:
            return (date.fromisoformat(text) - _EPOCH_DAY).days
        case _ if type_ in _INTEGERS and int(text) in _INT64:
            return int(text)
        case _:
            raise ValueError(f"{text} ({type_}) is not a 64-bit integer")


def to_text(version: int, type_: DataType) -> str:
    """The value as PostgreSQL prints it (ISO dates, UTC).

    Raises:
        ValueError: the integer lies outside the years 1 to 9999, or the type is another one.
    """
    try:
        match type_:
            case Scalar.TIMESTAMPTZ:
                return f"{_timestamp_text(version)}+00"
            case Scalar.TIMESTAMP:
                return _timestamp_text(version)
            case Scalar.DATE:
                return (_EPOCH_DAY + timedelta(days=version)).isoformat()
            case _ if type_ in _INTEGERS:
                return str(version)
            case _:
                raise ValueError(f"no watermark of type {type_} is kept as a 64-bit integer")
    except OverflowError as error:
        raise ValueError(f"{version} lies outside the years 1 to 9999") from error


def _timestamp_text(microseconds: int) -> str:
    value = _EPOCH + timedelta(microseconds=microseconds)
    text = value.isoformat(sep=" ")
    return text.rstrip("0") if value.microsecond else text


def lower_bound(text: str, lookback: timedelta, type_: DataType) -> str:
    """`text` less the look-back, at or below the exact value: days for a date, unchanged for an integer.

    Raises:
        ValueError: as `to_version` and `to_text`.
    """
    version = to_version(text, type_)
    match type_:
        case Scalar.TIMESTAMPTZ | Scalar.TIMESTAMP:
            return to_text(version - lookback // _MICROSECOND, type_)
        case Scalar.DATE:
            return to_text(version + (-lookback // timedelta(days=1)), type_)
        case _:
            return text
