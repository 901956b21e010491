"""Fill the shop's raw tables: `python -m example_project.seed --dsn postgresql://… --rows 100000`.

A table that already exists is left exactly as it is, whoever made it; nothing is ever dropped or emptied.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg

from example_project import raw, rows
from example_project.rows import Row, Slice

HISTORY = timedelta(days=90)
SEED = 1
ROWS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeded:
    """A raw table, and how many rows were put into it; None if it was there before."""

    table: str
    rows: int | None


def seed(connection: psycopg.Connection, *, number: int, events: int, until: datetime) -> Iterator[Seeded]:
    """Create and fill those raw tables that do not exist, in one transaction that the caller commits.

    `number` decides what the rows are; `events` how many there are, with half as many order lines, a fifth as many
    orders and a fiftieth as many customers. All of it happened in the 90 days before `until`.
    """
    raw.lock(connection)
    connection.execute("create schema if not exists raw")
    known = raw.marks(connection)
    for table, content in _content(number, events, until).items():
        if table in known:
            yield Seeded(table=table, rows=None)
        else:
            raw.create(connection, table)
            yield Seeded(table=table, rows=raw.copy(connection, table, content))


def _content(number: int, events: int, until: datetime) -> dict[str, Iterator[Row]]:
    def part(count: int) -> Slice:
        return Slice(ids=range(1, count + 1), start=until - HISTORY, end=until)

    people, orders = part(max(events // 50, 1)), part(events // 5)
    return {
        "customers": rows.customers(number, people),
        "orders": rows.orders(number, orders, buyers=people.ids),
        "order_lines": rows.order_lines(number, orders),
        "events": rows.events(number, part(events), visitors=people.ids),
    }


def main() -> None:
    """Seed the database that the command line names, telling of each table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dsn", default=os.environ.get("WAREHOUSE_DSN", ""), help="default: $WAREHOUSE_DSN")
    parser.add_argument("--rows", type=int, default=ROWS, help=f"number of events (default: {ROWS})")
    parser.add_argument("--seed", type=int, default=SEED, help=f"which rows are invented (default: {SEED})")
    options = parser.parse_args()
    until = datetime.now(UTC)
    with psycopg.connect(options.dsn) as connection:
        for seeded in seed(connection, number=options.seed, events=options.rows, until=until):
            print(describe(seeded), flush=True)  # noqa: T201 -- its output


def describe(seeded: Seeded) -> str:
    """Say in a line what happened to a raw table."""
    done = "was there, left as it is" if seeded.rows is None else f"{seeded.rows:,} rows"
    return f"raw.{seeded.table}: {done}"


if __name__ == "__main__":
    main()
