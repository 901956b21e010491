"""The select that reads a source: the user's text untouched inside it, cast, bounded and guarded."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from psycopg import sql

from ematix_flow.backends.postgres.select import (
    as_it_is,
    bound_select,
    guard_reason,
    lower_bound,
    source_select,
)
from ematix_flow.casts import Cast
from ematix_flow.plan import Form, ReadColumn, SinceTransaction
from ematix_flow.state import SourceColumn
from ematix_flow.types import DataType, Decimal, Foreign, ListOf, Scalar, Varchar


def select(events: Any, **changes: Any) -> str:
    return str(events.text(source_select(replace(events.read, **changes))))


def column(events: Any, declared: DataType, source: DataType | None, cast: Cast) -> str:
    """The expression of one column called v."""
    read = ReadColumn(name="v", source=source, declared=declared, cast=cast)
    text = select(events, query="select 1 as v", columns=(read,))
    expression, found, rest = text.partition(' as "v" from (\nselect 1 as v\n) as q')
    assert found
    assert rest == ""
    # psycopg sets a blank before a negative number, so that no comment starts at its sign
    return expression.removeprefix("select ").replace("  ", " ")


# --- the user's text ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "select event_id, name from raw.events",
        "select 1 as event_id, '%s {} %%' as name -- it's a comment",
        "select 1 as event_id, $$a;b$$ as name /* (( */",
    ],
)
def test_the_text_is_kept_to_the_letter(events: Any, text: str) -> None:
    assert select(events, query=text).split("\n" + text + "\n") == [
        'select q."event_id" as "event_id", q."name" as "name" from (',
        ") as q",
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "events",
            "select event_id, name from (select * from raw.events where age(xmin) <= age('5'::xid)) as \"events\"",
        ),
        (None, "select event_id, name from (select * from raw.events where age(xmin) <= age('5'::xid))"),
    ],
)
def test_a_transaction_window_takes_the_place_of_the_tables_name(
    events: Any, name: str | None, expected: str
) -> None:
    window = SinceTransaction(xid=2**32 + 5, start=27, end=37, name=name)
    assert f"(\n{expected}\n) as q" in select(events, window=window)


def test_a_tables_name_that_is_odd_stays_quoted(events: Any) -> None:
    query = 'select * from raw."Odd ""%s"""'
    window = SinceTransaction(xid=5, start=14, end=len(query), name='Odd "%s"')
    assert 'where age(xmin) <= age(\'5\'::xid)) as "Odd ""%s"""\n) as q' in select(
        events, query=query, window=window
    )


# --- casts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("declared", "source", "cast", "expression"),
    [
        (Scalar.TEXT, Scalar.TEXT, Cast.NONE, 'q."v"'),
        (ListOf(Scalar.BIGINT), ListOf(Scalar.BIGINT), Cast.NONE, 'q."v"'),
        # varchar[] is read as an array of texts, and names another type of element in COPY's records
        (ListOf(Scalar.TEXT), ListOf(Scalar.TEXT), Cast.NONE, 'q."v"::text[]'),
        (Scalar.BIGINT, Scalar.INTEGER, Cast.LOSSLESS, 'q."v"::bigint'),
        (ListOf(Scalar.TEXT), ListOf(Foreign("mood")), Cast.LOSSLESS, 'q."v"::text[]'),
        (Scalar.UUID, Scalar.TEXT, Cast.CHECKED, 'q."v"::uuid'),
        (Decimal(12, 2), None, Cast.ABSENT, "null::numeric(12, 2)"),
    ],
)
def test_a_column_is_cast_to_its_declared_type(
    events: Any, declared: DataType, source: DataType | None, cast: Cast, expression: str
) -> None:
    assert column(events, declared, source, cast) == expression


RAISES = "then ('ematix-flow: column ''v'': a value does not fit {}\x1f' || coalesce(left(q.\"v\"::text, 80), 'NULL'))::integer"


@pytest.mark.parametrize(
    ("declared", "source", "cast", "unfit", "type_"),
    [
        (
            Scalar.INTEGER,
            Scalar.BIGINT,
            Cast.CHECKED,
            'q."v" not between -2147483648 and 2147483647',
            "integer",
        ),
        (Scalar.SMALLINT, Scalar.INTEGER, Cast.CHECKED, 'q."v" not between -32768 and 32767', "smallint"),
        (Varchar(3), Scalar.TEXT, Cast.CHECKED, 'char_length(q."v"::text) > 3', "character varying(3)"),
        (
            Decimal(4, 2),
            Decimal(),
            Cast.SCALE,
            'min_scale(q."v"::numeric) > 2 or abs(nullif(q."v"::numeric, \'NaN\')) >= 100',
            "numeric(4, 2)",
        ),
        (Scalar.DATE, Scalar.TEXT, Cast.CHECKED, 'q."v"::timestamp <> q."v"::date', "date"),
        (
            ListOf(Varchar(3)),
            ListOf(Scalar.TEXT),
            Cast.CHECKED,
            'exists (select from unnest(q."v") as u (e) where char_length(u.e::text) > 3)',
            "character varying(3)[]",
        ),
    ],
)
def test_a_cast_that_could_lose_something_raises_instead(
    events: Any, declared: DataType, source: DataType, cast: Cast, unfit: str, type_: str
) -> None:
    assert column(events, declared, source, cast) == (
        f'case when {unfit} {RAISES.format(declared)}::text::{type_} else q."v"::{type_} end'
    )


@pytest.mark.parametrize("form", Form)
def test_what_is_read_does_not_depend_on_who_takes_it(events: Any, form: Form) -> None:
    assert select(events, form=form) == select(events)


# --- what a body reads --------------------------------------------------------------------------------


# --- the window ---------------------------------------------------------------------------------------


def where(events: Any, *args: Any, **kwargs: Any) -> str:
    text = select(events, window=events.window(*args, **kwargs))
    return text.partition("\n) as q where ")[2]


GUARD = (
    " and case when {unfit} then ('ematix-flow: window column ''c'': no watermark can pass the value\x1f' || "
    "coalesce(left(q.\"c\"::text, 80), 'NULL'))::integer is null else true end"
)


def test_a_window_includes_both_ends_and_what_no_watermark_can_pass(events: Any) -> None:
    unfit = 'q."c" is null'
    assert where(events, "c", Scalar.BIGINT, "5", "9") == (
        f"(q.\"c\" >= '5'::bigint and q.\"c\" <= '9'::bigint or {unfit}){GUARD.format(unfit=unfit)}"
    )


def test_a_first_window_has_no_lower_end(events: Any) -> None:
    unfit = 'q."c" is null'
    assert where(events, "c", Scalar.TEXT, None, "it's") == (
        f"(q.\"c\" <= 'it''s'::text or {unfit}){GUARD.format(unfit=unfit)}"
    )


def test_a_source_without_values_is_read_for_what_no_watermark_can_pass_only(events: Any) -> None:
    unfit = 'q."c" is null'
    assert where(events, "c", Scalar.UUID, "5", None) == f"({unfit}){GUARD.format(unfit=unfit)}"


@pytest.mark.parametrize(
    ("type_", "named", "words"),
    [
        (Scalar.DATE, "date", ["infinity", "-infinity"]),
        (Scalar.TIMESTAMPTZ, "timestamp with time zone", ["infinity", "-infinity"]),
        (Scalar.DOUBLE, "double precision", ["NaN", "Infinity", "-Infinity"]),
        (Decimal(), "numeric", ["NaN", "Infinity", "-Infinity"]),
        (Decimal(12, 2), "numeric", ["NaN", "Infinity", "-Infinity"]),
    ],
    ids=str,
)
def test_values_without_an_end_are_met_and_raise(
    events: Any, type_: DataType, named: str, words: list[str]
) -> None:
    unfit = " or ".join(['q."c" is null', *(f"q.\"c\" = '{word}'::{named}" for word in words)])
    assert where(events, "c", type_, None, None) == f"({unfit}){GUARD.format(unfit=unfit)}"


def test_a_lookback_is_taken_from_the_watermark(events: Any) -> None:
    window = events.window("c", Scalar.DATE, "2026-01-02", "2026-01-03", timedelta(hours=36))
    found = lower_bound(window, sql.Identifier("c"))
    assert found is not None
    back = events.text(sql.Literal(timedelta(hours=36)))
    assert events.text(found) == f"\"c\" >= '2026-01-02'::date - {back}"


def test_without_a_watermark_there_is_no_lower_bound(events: Any) -> None:
    assert lower_bound(events.window("c", Scalar.DATE, None, "2026-01-03"), sql.Identifier("c")) is None


def test_the_bound_is_the_largest_value_that_has_an_end(events: Any) -> None:
    assert events.text(bound_select("select c from t -- all", "c", Scalar.DATE)) == (
        'select q."c"::text from (\nselect c from t -- all\n) as q where q."c" is not null and '
        'q."c" <> \'infinity\'::date and q."c" <> \'-infinity\'::date order by q."c" desc limit 1'
    )


# --- what a guard said --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (
            "invalid input syntax for type integer: \"ematix-flow: column 'v': too long\x1fabc\"",
            "column 'v': too long: abc",
        ),
        ('invalid input syntax for type integer: "ematix-flow: x\x1f""\n', 'x: "'),
        ('ungültige Eingabesyntax für Typ integer: "ematix-flow: x\x1f1"', "x: 1"),
        ('invalid input syntax for type integer: "abc"', None),
        ("", None),
    ],
)
def test_a_guards_reason_is_found_in_the_servers_message(message: str, reason: str | None) -> None:
    assert guard_reason(message) == reason


@pytest.mark.parametrize(
    ("type_", "declared", "cast"),
    [
        (Decimal(12, 2), Decimal(12, 2), Cast.NONE),
        (Foreign("mood"), Scalar.TEXT, Cast.LOSSLESS),
        (ListOf(Foreign("mood")), ListOf(Scalar.TEXT), Cast.LOSSLESS),
    ],
    ids=str,
)
def test_a_body_reads_a_column_in_its_own_type_or_as_text(
    type_: DataType, declared: DataType, cast: Cast
) -> None:
    read = ReadColumn(name="v", source=type_, declared=declared, cast=cast)
    assert as_it_is(SourceColumn(name="v", type=type_)) == read
