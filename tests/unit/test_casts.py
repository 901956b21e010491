"""Which source types fit a declared type: what is lossless, what is checked, what is refused and with which remedy."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ematix_flow.casts import Cast, Refused, Verdict, classify
from ematix_flow.types import DataType, Decimal, Foreign, ListOf, Scalar, Varchar

SCALARS = tuple(Scalar)


@pytest.mark.parametrize(
    "type_", [*SCALARS, Varchar(3), Decimal(), Decimal(12, 2), ListOf(Scalar.UUID), Foreign("mood")], ids=str
)
def test_a_type_becomes_itself_without_a_cast(type_: DataType) -> None:
    assert classify(type_, type_) is Cast.NONE


@pytest.mark.parametrize(
    "source", [*SCALARS, Varchar(3), Decimal(), Decimal(12, 2), ListOf(Scalar.UUID), Foreign("mood")], ids=str
)
def test_everything_can_become_text(source: DataType) -> None:
    assert classify(source, Scalar.TEXT) is (Cast.NONE if source is Scalar.TEXT else Cast.LOSSLESS)


@pytest.mark.parametrize("declared", [*SCALARS, Varchar(3), Decimal(12, 2), ListOf(Scalar.UUID)], ids=str)
def test_a_column_of_nulls_becomes_anything(declared: DataType) -> None:
    assert classify(Foreign("null"), declared) is Cast.LOSSLESS


LOSSLESS: list[tuple[DataType, DataType]] = [
    (Scalar.SMALLINT, Scalar.INTEGER),
    (Scalar.SMALLINT, Scalar.BIGINT),
    (Scalar.INTEGER, Scalar.BIGINT),
    (Scalar.SMALLINT, Scalar.REAL),
    (Scalar.SMALLINT, Scalar.DOUBLE),
    (Scalar.INTEGER, Scalar.DOUBLE),
    (Scalar.REAL, Scalar.DOUBLE),
    (Scalar.JSONB, Scalar.JSON),
    (Varchar(3), Varchar(4)),
    (Scalar.SMALLINT, Decimal(5, 0)),
    (Scalar.INTEGER, Decimal(12, 2)),
    (Scalar.BIGINT, Decimal(19, 0)),
    (Scalar.BIGINT, Decimal()),
    (Decimal(12, 2), Decimal()),
    (Decimal(12, 2), Decimal(13, 2)),
    (Decimal(12, 2), Decimal(14, 4)),
    (ListOf(Scalar.INTEGER), ListOf(Scalar.BIGINT)),
    (ListOf(Varchar(3)), ListOf(Scalar.TEXT)),
    (ListOf(Foreign("mood")), ListOf(Scalar.TEXT)),
    (ListOf(Decimal(3, 2)), ListOf(Decimal(12, 2))),
]
CHECKED: list[tuple[DataType, DataType]] = [
    (Scalar.INTEGER, Scalar.SMALLINT),
    (Scalar.BIGINT, Scalar.SMALLINT),
    (Scalar.BIGINT, Scalar.INTEGER),
    (Scalar.DATE, Scalar.TIMESTAMP),
    (Scalar.JSON, Scalar.JSONB),
    (Scalar.TEXT, Varchar(3)),
    (Varchar(4), Varchar(3)),
    (Foreign("mood"), Varchar(3)),
    (Scalar.TEXT, Scalar.INTEGER),
    (Varchar(20), Scalar.DATE),
    (Scalar.TEXT, Scalar.TIMESTAMPTZ),
    (Scalar.TEXT, Scalar.UUID),
    (Scalar.TEXT, Scalar.JSONB),
    (Scalar.TEXT, Decimal()),
    (Scalar.SMALLINT, Decimal(4, 0)),
    (Scalar.BIGINT, Decimal(19, 2)),
    (Decimal(12, 2), Decimal(11, 2)),
    (Decimal(12, 2), Decimal(12, 4)),
    (ListOf(Scalar.TEXT), ListOf(Varchar(2))),
    (ListOf(Scalar.TEXT), ListOf(Scalar.UUID)),
    (ListOf(Scalar.JSON), ListOf(Scalar.JSONB)),
]
SCALE: list[tuple[DataType, DataType]] = [
    (Decimal(), Decimal(12, 2)),
    (Decimal(12, 4), Decimal(12, 2)),
    (Decimal(12, 4), Decimal(38, 3)),
    (Scalar.TEXT, Decimal(12, 2)),
    (Varchar(20), Decimal(12, 2)),
]


@pytest.mark.parametrize(
    ("source", "declared", "verdict"),
    [
        *((source, declared, Cast.LOSSLESS) for source, declared in LOSSLESS),
        *((source, declared, Cast.CHECKED) for source, declared in CHECKED),
        *((source, declared, Cast.SCALE) for source, declared in SCALE),
    ],
    ids=str,
)
def test_what_fits_is_cast_at_its_price(source: DataType, declared: DataType, verdict: Verdict) -> None:
    assert classify(source, declared) is verdict


@pytest.mark.parametrize(
    ("source", "declared", "remedy"),
    [
        (Scalar.TIMESTAMPTZ, Scalar.TIMESTAMP, "x at time zone 'UTC'"),
        (Scalar.TIMESTAMP, Scalar.TIMESTAMPTZ, "x at time zone 'UTC'"),
        (Scalar.DATE, Scalar.TIMESTAMPTZ, "x::timestamp at time zone 'UTC'"),
        (Scalar.TIMESTAMP, Scalar.DATE, "x::date"),
        (Scalar.TIMESTAMPTZ, Scalar.DATE, "(x at time zone 'UTC')::date"),
        (Scalar.TEXT, Scalar.TIMESTAMP, "x::timestamp without time zone"),
        (Scalar.TEXT, Scalar.TIME, "x::time without time zone"),
        (Scalar.DOUBLE, Scalar.BIGINT, "round(x)::bigint"),
        (Scalar.REAL, Scalar.SMALLINT, "round(x)::smallint"),
        (Decimal(12, 2), Scalar.INTEGER, "round(x)::integer"),
        (Scalar.DOUBLE, Decimal(12, 2), "round(x::numeric, 2)"),
        (Scalar.DOUBLE, Decimal(), "x::numeric"),
        (Scalar.DOUBLE, Scalar.REAL, "x::real"),
        (Scalar.BIGINT, Scalar.DOUBLE, "x::double precision"),
        (Scalar.INTEGER, Scalar.REAL, "x::real"),
        (Scalar.BOOLEAN, Scalar.INTEGER, "x::integer"),
        (Scalar.UUID, Varchar(36), "x::text"),
        (Scalar.INTEGER, Varchar(3), "x::text"),
        (Scalar.TEXT, Scalar.BYTES, "x::bytea"),
        (Foreign("oid"), Scalar.BIGINT, "x::bigint"),
        (Foreign("numeric(3,-2)"), Decimal(12, 2), "round(x::numeric, 2)"),
        (ListOf(Scalar.BIGINT), ListOf(Scalar.INTEGER), "x::integer[]"),
        (ListOf(Scalar.TEXT), ListOf(Scalar.DATE), "x::date[]"),
        (ListOf(Decimal()), ListOf(Decimal(12, 2)), "x::numeric(12,2)[]"),
        (Scalar.TEXT, ListOf(Scalar.TEXT), "x::text[]"),
    ],
    ids=str,
)
def test_what_could_lose_something_is_refused_with_the_sql_that_says_so(
    source: DataType, declared: DataType, remedy: str
) -> None:
    assert classify(source, declared) == Refused(remedy)


# --- laws of numbers ----------------------------------------------------------------------------------


@st.composite
def decimals(draw: st.DrawFn) -> Decimal:
    precision = draw(st.integers(1, 60))
    return Decimal(precision, draw(st.integers(0, precision)))


def parts(decimal: Decimal) -> tuple[int, int]:
    assert decimal.precision is not None
    assert decimal.scale is not None
    return decimal.precision, decimal.scale


def largest(decimal: Decimal) -> Fraction:
    precision, scale = parts(decimal)
    return Fraction(10**precision - 1, 10**scale)


def holds(decimal: Decimal, number: Fraction) -> bool:
    """Whether numeric(p, s) holds a number exactly."""
    precision, scale = parts(decimal)
    return (number * 10**scale).denominator == 1 and number < 10 ** (precision - scale)


@given(source=decimals(), declared=decimals())
def test_a_decimal_is_lossless_exactly_where_its_widest_value_fits(
    source: Decimal, declared: Decimal
) -> None:
    fits = holds(declared, largest(source))
    assert (classify(source, declared) in (Cast.NONE, Cast.LOSSLESS)) == fits


@given(source=decimals(), declared=decimals())
def test_fewer_digits_behind_the_point_are_never_taken_for_a_mere_overflow(
    source: Decimal, declared: Decimal
) -> None:
    assert (classify(source, declared) is Cast.SCALE) == (parts(declared)[1] < parts(source)[1])


@given(declared=decimals(), source=st.sampled_from([Scalar.SMALLINT, Scalar.INTEGER, Scalar.BIGINT]))
def test_an_integer_is_lossless_exactly_where_all_its_digits_fit(declared: Decimal, source: Scalar) -> None:
    bits = {Scalar.SMALLINT: 15, Scalar.INTEGER: 31, Scalar.BIGINT: 63}[source]
    fits = holds(declared, Fraction(2**bits))
    assert classify(source, declared) is (Cast.LOSSLESS if fits else Cast.CHECKED)
