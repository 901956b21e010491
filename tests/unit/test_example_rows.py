"""The example shop's rows: computed, and the same every time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pytest

from example_project import exchange, rows
from example_project.rows import Slice

START = datetime(2026, 1, 1, tzinfo=UTC)
PART = Slice(ids=range(11, 15), start=START, end=START + timedelta(hours=4))


def test_a_slice_spreads_its_moments_evenly_up_to_its_end() -> None:
    assert list(PART.moments()) == [(11 + hour, START + timedelta(hours=hour)) for hour in range(4)]


def test_an_empty_slice_has_no_moments() -> None:
    assert list(Slice(ids=range(5, 5), start=START, end=START).moments()) == []


def test_the_same_call_gives_the_same_rows() -> None:
    first, second = (
        (
            list(rows.customers(7, PART)),
            list(rows.orders(7, PART, buyers=range(1, 9))),
            list(rows.order_lines(7, PART)),
            list(rows.events(7, PART, visitors=range(1, 9))),
        )
        for _ in range(2)
    )
    assert first == second


def test_another_seed_gives_other_rows() -> None:
    assert list(rows.events(1, PART, visitors=range(1, 9))) != list(
        rows.events(2, PART, visitors=range(1, 9))
    )


def test_an_order_is_in_the_currency_of_its_customers_country() -> None:
    countries = {row[0]: row[3] for row in rows.customers(1, Slice(ids=range(1, 50), start=START, end=START))}
    orders = rows.orders(1, Slice(ids=range(1, 200), start=START, end=START), buyers=range(1, 50))
    found = {(countries[customer], currency) for _, customer, currency, _ in orders}
    assert found == {
        *((country, "EUR") for country in ("DE", "ES", "FR", "NL")),
        ("CH", "CHF"),
        ("GB", "GBP"),
        ("US", "USD"),
    }


def test_every_order_has_one_to_four_lines_that_are_numbered_from_one() -> None:
    lines: dict[int, list[int]] = {}
    for order_id, line_no, *_ in rows.order_lines(1, Slice(ids=range(1, 100), start=START, end=START)):
        lines.setdefault(order_id, []).append(line_no)
    assert lines.keys() == set(range(1, 100))
    assert {tuple(numbers) for numbers in lines.values()} == {(1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)}


def test_rates_come_as_a_batch_per_currency_for_every_day_up_to_the_last() -> None:
    table = pa.Table.from_batches(exchange.rates(until=date(2026, 3, 1)))
    assert table.num_rows == 4 * exchange.DAYS
    assert set(table["currency"].to_pylist()) == {"EUR", "USD", "GBP", "CHF"}
    assert max(table["rate_date"].to_pylist()) == date(2026, 3, 1)


@pytest.mark.parametrize("until", [date(2026, 3, 1), date(2026, 3, 2)])
def test_the_rate_of_a_day_does_not_depend_on_when_it_is_asked_for(until: date) -> None:
    table = pa.Table.from_batches(exchange.rates(until=until))
    found = {
        currency: rate
        for currency, day, rate in zip(*(column.to_pylist() for column in table.columns), strict=True)
        if day == date(2026, 1, 1)
    }
    assert found == {
        "EUR": Decimal("1.000000"),
        "USD": Decimal("1.118106"),
        "GBP": Decimal("0.882175"),
        "CHF": Decimal("0.984754"),
    }
