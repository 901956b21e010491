"""Watermarks as 64-bit integers, and back to the text that PostgreSQL prints."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ematix_flow.backends.delta.watermarks import app_id, lower_bound, to_text, to_version
from ematix_flow.types import DataType, Scalar

EXACT = [
    ("1970-01-01 00:00:00+00", Scalar.TIMESTAMPTZ, 0),
    ("2024-01-01 00:00:00.123456+00", Scalar.TIMESTAMPTZ, 1_704_067_200_123_456),
    ("1969-12-31 23:59:59.5+00", Scalar.TIMESTAMPTZ, -500_000),
    ("9999-12-31 23:59:59.999999+00", Scalar.TIMESTAMPTZ, 253_402_300_799_999_999),
    ("2024-01-01 00:00:00.1", Scalar.TIMESTAMP, 1_704_067_200_100_000),
    ("0001-01-01 00:00:00", Scalar.TIMESTAMP, -62_135_596_800_000_000),
    ("1970-01-02", Scalar.DATE, 1),
    ("0001-01-01", Scalar.DATE, -719_162),
    ("-32768", Scalar.SMALLINT, -32_768),
    ("42", Scalar.INTEGER, 42),
    ("9223372036854775807", Scalar.BIGINT, 2**63 - 1),
]


@pytest.mark.parametrize(("text", "type_", "version"), EXACT)
def test_a_value_has_one_integer(text: str, type_: DataType, version: int) -> None:
    assert to_version(text, type_) == version


@pytest.mark.parametrize(("text", "type_", "version"), EXACT)
def test_an_integer_has_the_text_that_postgres_prints(text: str, type_: DataType, version: int) -> None:
    assert to_text(version, type_) == text


def test_another_zone_is_the_same_instant() -> None:
    assert to_version("2024-01-01 05:30:00+05:30", Scalar.TIMESTAMPTZ) == 1_704_067_200_000_000


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        ("infinity", Scalar.TIMESTAMPTZ),
        ("-infinity", Scalar.DATE),
        ("10000-01-01", Scalar.DATE),
        ("10000-01-01 00:00:00", Scalar.TIMESTAMP),
        ("0044-03-15 00:00:00+00 BC", Scalar.TIMESTAMPTZ),
        ("9223372036854775808", Scalar.BIGINT),
        ("a", Scalar.TEXT),
    ],
)
def test_a_value_without_an_integer_is_an_error(text: str, type_: DataType) -> None:
    with pytest.raises(ValueError, match=r"isoformat|64-bit"):
        to_version(text, type_)


@pytest.mark.parametrize(
    ("version", "type_"), [(2**62, Scalar.TIMESTAMPTZ), (-(2**62), Scalar.TIMESTAMP), (2**40, Scalar.DATE)]
)
def test_an_integer_outside_of_the_calendar_is_an_error(version: int, type_: DataType) -> None:
    with pytest.raises(ValueError, match="years 1 to 9999"):
        to_text(version, type_)


def test_a_type_that_is_no_integer_has_no_text() -> None:
    with pytest.raises(ValueError, match="no watermark of type Text"):
        to_text(1, Scalar.TEXT)


@given(value=st.datetimes())
def test_a_timestamp_survives_the_round_trip(value: datetime) -> None:
    version = to_version(str(value), Scalar.TIMESTAMP)
    assert datetime.fromisoformat(to_text(version, Scalar.TIMESTAMP)) == value


@given(value=st.datetimes(timezones=st.just(UTC)))
def test_an_instant_survives_the_round_trip(value: datetime) -> None:
    version = to_version(str(value), Scalar.TIMESTAMPTZ)
    assert datetime.fromisoformat(to_text(version, Scalar.TIMESTAMPTZ)) == value


@given(value=st.dates())
def test_a_date_survives_the_round_trip(value: date) -> None:
    assert to_text(to_version(str(value), Scalar.DATE), Scalar.DATE) == str(value)


@given(value=st.integers(-(2**63), 2**63 - 1))
def test_an_integer_survives_the_round_trip(value: int) -> None:
    assert to_text(to_version(str(value), Scalar.BIGINT), Scalar.BIGINT) == str(value)


@given(one=st.datetimes(), other=st.datetimes())
def test_the_integers_stand_in_the_order_of_the_values(one: datetime, other: datetime) -> None:
    versions = [to_version(str(value), Scalar.TIMESTAMP) for value in (one, other)]
    assert (versions[0] < versions[1]) == (one < other)


@pytest.mark.parametrize(
    ("text", "lookback", "type_", "wanted"),
    [
        ("2024-01-02 00:00:00+00", timedelta(hours=1), Scalar.TIMESTAMPTZ, "2024-01-01 23:00:00+00"),
        ("2024-01-02 00:00:00", timedelta(microseconds=1), Scalar.TIMESTAMP, "2024-01-01 23:59:59.999999"),
        ("2024-01-02", timedelta(days=1), Scalar.DATE, "2024-01-01"),
        ("2024-01-02", timedelta(hours=1), Scalar.DATE, "2024-01-01"),
        ("2024-01-02", timedelta(0), Scalar.DATE, "2024-01-02"),
        ("7", timedelta(0), Scalar.BIGINT, "7"),
    ],
)
def test_a_look_back_lowers_the_bound(text: str, lookback: timedelta, type_: DataType, wanted: str) -> None:
    assert lower_bound(text, lookback, type_) == wanted


def test_the_application_id_names_job_and_cursor() -> None:
    assert app_id("load_orders", "column at TimestampTZ") == "ematix-flow/load_orders/column at TimestampTZ"
