"""The rows of the shop's raw tables: computed from a seed, so that the same call always gives the same rows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from random import Random
from typing import Any, TypeAlias

Row: TypeAlias = tuple[Any, ...]

_FIRST_NAMES = ("Ada", "Ben", "Chloé", "Dilan", "Emre", "Fatou", "Grace", "Håkon", "Inés", "Jun", "Kofi")
_LAST_NAMES = ("Alvarez", "Brandt", "Costa", "Diallo", "Eriksen", "Fischer", "García", "Hansen", "Ito")
_COUNTRIES = ("CH", "DE", "ES", "FR", "GB", "NL", "US")
_CURRENCIES = {"CH": "CHF", "GB": "GBP", "US": "USD"}
_PRICES = {
    f"{letter}-{number}": Decimal(number * 7 + ord(letter)) + Decimal("0.99")
    for letter in "ABCDEFGH"
    for number in range(1, 13)
}
_EVENTS = ("page_view", "page_view", "page_view", "search", "add_to_cart", "checkout", "payment", None)
_DEVICES = ("phone", "phone", "laptop", "tablet")


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Which rows: their ids, and the time over which they are spread evenly, in the order of the ids."""

    ids: range
    start: datetime
    end: datetime

    def moments(self) -> Iterator[tuple[int, datetime]]:
        """Give each id with its moment in [start, end)."""
        step = (self.end - self.start) / max(len(self.ids), 1)
        return ((number, self.start + index * step) for index, number in enumerate(self.ids))


def customers(seed: int, part: Slice) -> Iterator[Row]:
    """Give (customer_id, name, email, country, created_at)."""
    random = _random(seed, "customers", part)
    for customer_id, created_at in part.moments():
        first, last = random.choice(_FIRST_NAMES), random.choice(_LAST_NAMES)
        email = f"customer{customer_id}@shop.example" if random.random() < 0.9 else None
        yield customer_id, f"{first} {last}", email, _country(customer_id), created_at


def orders(seed: int, part: Slice, *, buyers: range) -> Iterator[Row]:
    """Give (order_id, customer_id, currency, ordered_at); customers are drawn from the ids in `buyers`."""
    random = _random(seed, "orders", part)
    for order_id, ordered_at in part.moments():
        customer_id = random.choice(buyers)
        yield order_id, customer_id, _CURRENCIES.get(_country(customer_id), "EUR"), ordered_at


def order_lines(seed: int, part: Slice) -> Iterator[Row]:
    """Give (order_id, line_no, sku, quantity, unit_price): one to four lines for each order of the slice."""
    random = _random(seed, "order_lines", part)
    skus = tuple(_PRICES)
    for order_id in part.ids:
        for line_no in range(1, random.randint(1, 4) + 1):
            sku = random.choice(skus)
            yield order_id, line_no, sku, random.randint(1, 5), _PRICES[sku]


def events(seed: int, part: Slice, *, visitors: range) -> Iterator[Row]:
    """Give (event_id, name, customer_id, properties as JSON text, received_at); customers from `visitors`."""
    random = _random(seed, "events", part)
    for event_id, received_at in part.moments():
        properties = json.dumps({"device": random.choice(_DEVICES), "milliseconds": random.randint(5, 900)})
        yield event_id, random.choice(_EVENTS), random.choice(visitors), properties, received_at


def _country(customer_id: int) -> str:
    return _COUNTRIES[customer_id % len(_COUNTRIES)]


def _random(seed: int, table: str, part: Slice) -> Random:
    return Random(f"{seed} {table} {part.ids.start}")  # noqa: S311 -- invented rows, no secrets
