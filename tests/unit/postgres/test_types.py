"""PostgreSQL's names for column types, both ways."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ematix_flow.backends.postgres.types import parse_source_type, parse_type, type_sql
from ematix_flow.types import DataType, Decimal, Foreign, ListOf, Scalar, Varchar, postgres_name

scalars = st.one_of(
    st.sampled_from(Scalar),
    st.integers(1, 10_485_760).map(Varchar),
    st.just(Decimal()),
    st.integers(1, 1000).flatmap(lambda p: st.builds(Decimal, st.just(p), st.integers(0, p))),
)


@given(type_=st.one_of(scalars, scalars.map(ListOf)))
def test_a_type_that_can_be_declared_is_read_back_from_its_name(type_: DataType) -> None:
    assert parse_type(postgres_name(type_)) == type_


@pytest.mark.parametrize(
    ("name", "type_"),
    [
        ("character varying", Scalar.TEXT),
        ("character varying(256)", Varchar(256)),
        ("numeric(12,2)", Decimal(12, 2)),
        ("numeric", Decimal()),
        ("timestamp with time zone", Scalar.TIMESTAMPTZ),
        ("text[]", ListOf(Scalar.TEXT)),
        ("numeric(12,2)[]", ListOf(Decimal(12, 2))),
        ("character(3)", Foreign("character(3)")),
        ("numeric(3,-2)", Foreign("numeric(3,-2)")),
        ("raw.mood", Foreign("raw.mood")),
        ("raw.mood[]", ListOf(Foreign("raw.mood"))),
        ('"Odd type"', Foreign('"Odd type"')),
        ("timestamp(3) without time zone", Foreign("timestamp(3) without time zone")),
    ],
)
def test_a_live_columns_type_is_read_to_the_letter(name: str, type_: DataType) -> None:
    assert parse_type(name) == type_


@pytest.mark.parametrize(
    ("name", "type_"),
    [
        ("timestamp(3) without time zone", Scalar.TIMESTAMP),
        ("timestamp(0) with time zone", Scalar.TIMESTAMPTZ),
        ("time(6) without time zone", Scalar.TIME),
        ("interval(2)", Scalar.INTERVAL),
        ("timestamp(3) without time zone[]", ListOf(Scalar.TIMESTAMP)),
        ("time with time zone", Foreign("time with time zone")),
        ("interval day to second", Foreign("interval day to second")),
        ("numeric(12,2)", Decimal(12, 2)),
        ("character varying(3)", Varchar(3)),
    ],
)
def test_a_source_value_rounded_to_fewer_digits_is_of_the_same_type(name: str, type_: DataType) -> None:
    assert parse_source_type(name) == type_


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        (Scalar.TIMESTAMPTZ, "timestamp with time zone"),
        (Varchar(256), "character varying(256)"),
        (Decimal(), "numeric"),
        (Decimal(12, 2), "numeric(12, 2)"),
        (ListOf(Decimal(12, 2)), "numeric(12, 2)[]"),
    ],
    ids=str,
)
def test_a_type_is_written_as_the_server_reads_it(type_: DataType, text: str) -> None:
    assert type_sql(type_).as_string(None) == text


def test_a_type_that_cannot_be_declared_is_never_written() -> None:
    with pytest.raises(ValueError, match=r"the type raw\.mood cannot be declared"):
        type_sql(Foreign("raw.mood"))
