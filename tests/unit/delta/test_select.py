"""The text that reads a lake."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ematix_flow.backends.delta.select import bound_select, every_row, schema_select, source_select
from ematix_flow.casts import Cast
from ematix_flow.plan import ColumnRange, Everything, Form, ReadColumn, ReadPlan, ReadWindow
from ematix_flow.types import DataType, Scalar

TEXT = "select id, at from shop.orders -- all of them"
WRAPPED = f"from (\n{TEXT}\n) as q"


def column(name: str, source: DataType | None, declared: DataType, cast: Cast) -> ReadColumn:
    return ReadColumn(name=name, source=source, declared=declared, cast=cast)


ID = column("id", Scalar.BIGINT, Scalar.BIGINT, Cast.NONE)


def read(*columns: ReadColumn, window: ReadWindow | None = None) -> ReadPlan:
    return ReadPlan(
        job="load_orders",
        query=TEXT,
        columns=columns,
        window=window or Everything(why="a test"),
        form=Form.ARROW,
    )


def between(lower: str | None, bound: str | None, lookback: timedelta = timedelta(0)) -> ColumnRange:
    return ColumnRange(column="at", type=Scalar.TIMESTAMPTZ, lower=lower, lookback=lookback, bound=bound)


def test_the_text_is_kept_and_wrapped() -> None:
    assert source_select(read(ID)) == f'select q."id" as "id" {WRAPPED}'
    assert every_row(TEXT) == f"select * {WRAPPED}"
    assert schema_select(TEXT) == f"select * {WRAPPED} limit 0"
    assert bound_select(TEXT, "at") == f'select max(q."at") {WRAPPED}'


def test_braces_and_percent_signs_in_the_text_are_kept() -> None:
    assert every_row("select '{}' like '%s'") == "select * from (\nselect '{}' like '%s'\n) as q"


def test_an_absent_column_is_not_asked_for() -> None:
    absent = column("note", None, Scalar.TEXT, Cast.ABSENT)
    assert source_select(read(ID, absent)) == f'select q."id" as "id" {WRAPPED}'


@pytest.mark.parametrize(
    ("declared", "arrow"),
    [
        (Scalar.DATE, "Date32"),
        (Scalar.TIME, "Time64(Microsecond)"),
        (Scalar.TIMESTAMPTZ, 'Timestamp(Microsecond, Some("UTC"))'),
    ],
)
def test_text_is_parsed_by_the_engine(declared: DataType, arrow: str) -> None:
    at = column("at", Scalar.TEXT, declared, Cast.CHECKED)
    assert source_select(read(at)) == f'select arrow_cast(q."at", \'{arrow}\') as "at" {WRAPPED}'


WINDOWED = f'select q."id" as "id", q."at" as "ematix-flow window" {WRAPPED} where '


@pytest.mark.parametrize(
    ("window", "condition"),
    [
        (between(None, "2024-01-02 00:00:00+00"), "q.\"at\" <= '2024-01-02 00:00:00+00'"),
        (
            between("2024-01-01 00:00:00+00", "2024-01-02 00:00:00+00", timedelta(hours=1)),
            "q.\"at\" >= '2023-12-31 23:00:00+00' and q.\"at\" <= '2024-01-02 00:00:00+00'",
        ),
        (between("2024-01-01 00:00:00+00", None), "false"),
    ],
    ids=["first run", "with a look-back", "an empty source"],
)
def test_a_window_bounds_the_rows_and_lets_null_through_to_be_refused(
    window: ColumnRange, condition: str
) -> None:
    found = " ".join(source_select(read(ID, window=window)).split())
    assert found == " ".join(f'{WINDOWED}{condition} or q."at" is null'.split())


def test_a_window_of_numbers_has_numbers_for_bounds() -> None:
    window = ColumnRange(column="id", type=Scalar.BIGINT, lower="-7", lookback=timedelta(0), bound="9")
    found = " ".join(source_select(read(ID, window=window)).split())
    assert found.endswith('where q."id" >= -7 and q."id" <= 9 or q."id" is null')
