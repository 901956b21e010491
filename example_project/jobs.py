"""What is loaded, from where, how, and when."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pyarrow as pa

from ematix_flow import Target, ematix
from example_project import exchange
from example_project.connections import lake, warehouse
from example_project.tables import Customers, DailyRevenue, EventLog, ExchangeRates, OrderLines, Orders

# --- single jobs -----------------------------------------------------------------------------------------


@ematix.job(target=Customers, target_connection=warehouse, mode="truncate")
def load_customers() -> str:
    """A small table that changes in place: each run makes it exactly the source."""
    return "SELECT customer_id, name, email, country, created_at FROM raw.customers"


@ematix.job(target=Orders, target_connection=warehouse)
def load_orders() -> str:
    """New orders only. Nothing says how to find them: the engine tracks the source by transaction."""
    return "SELECT order_id, customer_id, currency, ordered_at FROM raw.orders"


@ematix.job(target=OrderLines, target_connection=warehouse)
def load_order_lines() -> str:
    """The lines of new orders."""
    return "SELECT order_id, line_no, sku, quantity, unit_price FROM raw.order_lines"


@ematix.job(target=EventLog, target_connection=lake, incremental="received_at", schedule="*/5 * * * *")
def archive_events() -> str:
    """Out of the database and into the lake, from where the last run stopped."""
    return "SELECT event_id, name, customer_id, properties, received_at FROM raw.events"


@ematix.job(target=ExchangeRates, target_connection=warehouse)
def load_exchange_rates() -> Iterator[pa.RecordBatch]:
    """Rows that Python makes, one batch per currency; days that are already there are left alone."""
    yield from exchange.rates(until=datetime.now(UTC).date())


@ematix.job(
    targets=[Target(DailyRevenue, connection=warehouse), Target(DailyRevenue, connection=lake)],
    mode="truncate",
    depends_on=[load_customers, load_orders, load_order_lines, load_exchange_rates],
)
def publish_daily_revenue() -> str:
    """One read of the warehouse's own tables, written to the warehouse and to the lake."""
    return """
        SELECT (orders.ordered_at AT TIME ZONE 'UTC')::date                      AS revenue_date,
               customers.country                                                 AS country,
               count(DISTINCT orders.order_id)                                   AS orders,
               round(sum(lines.quantity * lines.unit_price / rates.per_euro), 2) AS revenue
          FROM analytics.orders
          JOIN analytics.customers USING (customer_id)
          JOIN analytics.order_lines AS lines USING (order_id)
          JOIN analytics.exchange_rates AS rates
            ON rates.currency = orders.currency
           AND rates.rate_date = (orders.ordered_at AT TIME ZONE 'UTC')::date
         GROUP BY 1, 2
    """


# --- together --------------------------------------------------------------------------------------------

# The shop commits an order with its lines, so orders are read after lines, and customers after orders: no line in
# the warehouse lacks its order, and no order its customer.
ematix.workflow(
    "shop",
    jobs=[load_customers, load_orders, load_order_lines, load_exchange_rates, publish_daily_revenue],
    schedule="*/10 * * * *",
    depends_on={load_orders: load_order_lines, load_customers: load_orders},
)
