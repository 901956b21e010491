"""What the shop's targets look like."""

from __future__ import annotations

from typing import Annotated

from ematix_flow import comment, ematix, pk
from ematix_flow.types import JSONB, BigInt, Date, Integer, Numeric, SmallInt, String, Text, TimestampTZ


@ematix.table(schema="analytics")
class Customers:
    """One row per customer, as the shop knows them now."""

    customer_id: Annotated[BigInt, pk()]
    name: Text
    email: Text | None
    country: Annotated[String[2], comment("ISO 3166 code")]
    created_at: TimestampTZ


@ematix.table(schema="analytics")
class Orders:
    """One row per order."""

    order_id: Annotated[BigInt, pk()]
    customer_id: BigInt
    currency: Annotated[String[3], comment("ISO 4217 code")]
    ordered_at: TimestampTZ


@ematix.table(schema="analytics")
class OrderLines:
    """What was ordered, and at which price in the order's currency."""

    order_id: Annotated[BigInt, pk()]
    line_no: Annotated[SmallInt, pk()]
    sku: Text
    quantity: Integer
    unit_price: Numeric[10, 2]


@ematix.table(schema="analytics")
class ExchangeRates:
    """What one euro bought on a day."""

    currency: Annotated[String[3], pk()]
    rate_date: Annotated[Date, pk()]
    per_euro: Numeric[12, 6]


@ematix.table(schema="analytics")
class DailyRevenue:
    """Revenue per day and country, in euros."""

    revenue_date: Annotated[Date, pk()]
    country: Annotated[String[2], pk()]
    orders: BigInt
    revenue: Numeric[14, 2]


@ematix.table(schema="bronze", name="events")
class EventLog:
    """Every event of the shop's web page, as it was received."""

    event_id: Annotated[BigInt, pk()]
    name: Text | None
    customer_id: BigInt
    properties: JSONB | None
    received_at: TimestampTZ
