"""Keep adding rows to the seeded shop: `python -m example_project.generate --every 10s`, until interrupted.

Only tables that `seed` made are added to; the server is the one of $WAREHOUSE_DSN unless `--dsn` names another.
"""

from __future__ import annotations

import argparse
import os
import time
from datetime import UTC, datetime, timedelta

import psycopg
from psycopg import sql

from example_project import raw, rows
from example_project.rows import Slice
from example_project.seed import SEED

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def grow(
    connection: psycopg.Connection, *, number: int, events: int, since: datetime, until: datetime
) -> int:
    """Add `events` events, a fifth as many orders with their lines, and a customer, spread over [since, until).

    Gives the number of rows added; the caller commits. Raises LookupError, naming it, if a table is not of our making.
    """
    raw.lock(connection)
    known = raw.marks(connection)
    if foreign := [table for table in raw.TABLES if known.get(table) != raw.MARK]:
        raise LookupError(f"raw.{foreign[0]} was not made by example_project.seed: no rows are added to it")

    def part(table: str, key: str, count: int) -> Slice:
        return Slice(ids=_next_ids(connection, table, key, count), start=since, end=until)

    people = part("customers", "customer_id", 1)
    everybody = range(1, people.ids.stop)
    orders = part("orders", "order_id", events // 5)
    clicks = part("events", "event_id", events)
    return sum(
        raw.copy(connection, table, content)
        for table, content in {
            "customers": rows.customers(number, people),
            "orders": rows.orders(number, orders, buyers=everybody),
            "order_lines": rows.order_lines(number, orders),
            "events": rows.events(number, clicks, visitors=everybody),
        }.items()
    )


def _next_ids(connection: psycopg.Connection, table: str, key: str, count: int) -> range:
    query = sql.SQL("select coalesce(max({}), 0) + 1 from {}")
    found = connection.execute(query.format(sql.Identifier(key), sql.Identifier("raw", table))).fetchone()
    first = int(found[0]) if found else 1
    return range(first, first + count)


def main() -> None:
    """Grow the shop at the interval that the command line names, telling of each time."""
    options = _options()
    parent = os.getppid()
    last = datetime.now(UTC)
    # Started by `scripts/demo`, it must not outlive it, however that one ends.
    while os.getppid() == parent:
        time.sleep(options.every.total_seconds())
        now = datetime.now(UTC)
        with psycopg.connect(options.dsn) as connection:
            added = grow(connection, number=options.seed, events=options.rows, since=last, until=now)
        print(f"{now:%H:%M:%S} {added} rows added to raw.*", flush=True)  # noqa: T201 -- its output
        last = now


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dsn", default=os.environ.get("WAREHOUSE_DSN", ""), help="default: $WAREHOUSE_DSN")
    parser.add_argument("--every", type=_interval, default="10s", help="such as 10s or 5m (default: 10s)")
    parser.add_argument("--rows", type=int, default=50, help="events to add each time (default: 50)")
    parser.add_argument("--seed", type=int, default=SEED, help=f"which rows are invented (default: {SEED})")
    return parser.parse_args()


def _interval(text: str) -> timedelta:
    """Read `10s`, `5m` or `1h`; argparse tells of the ValueError that anything else raises."""
    try:
        return timedelta(seconds=float(text[:-1]) * _UNITS[text[-1:]])
    except KeyError:
        raise ValueError(text) from None


if __name__ == "__main__":
    main()
