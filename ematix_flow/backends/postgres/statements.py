"""The statements of a load, and how what they do is counted. Pure."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import Any, assert_never

from psycopg import sql

from ematix_flow.results import LoadCounts


class Count(enum.Enum):
    """What the rows that a statement touches count as."""

    NOTHING = "nothing"
    INSERTED = "inserted"
    UPDATED = "updated"
    DELETED = "deleted"
    CLOSED = "closed"
    BY_ACCOUNT = (
        "by its own account"  # an insert that may meet rows already there tells what it did with each
    )


@dataclass(frozen=True, slots=True)
class LoadStatement:
    """One statement of a load and what it counts."""

    statement: sql.Composed
    count: Count


@dataclass(frozen=True, slots=True)
class InsertAccount:
    """What an insert did with the rows that it was given."""

    read: int
    inserted: int
    updated: int


def added(count: Count, counts: LoadCounts, rows: int) -> LoadCounts:
    """The counts after a statement that touched so many rows."""
    match count:
        case Count.NOTHING | Count.BY_ACCOUNT:
            return counts
        case Count.INSERTED:
            return replace(counts, inserted=counts.inserted + rows)
        case Count.UPDATED:
            return replace(counts, updated=counts.updated + rows)
        case Count.DELETED:
            return replace(counts, deleted=counts.deleted + rows)
        case Count.CLOSED:
            return replace(counts, closed=counts.closed + rows)
        case _:
            assert_never(count)


def told(statement: sql.Composed) -> sql.Composed:
    """Run a statement and have it tell how many rows passed through each of its nodes, at no measurable cost."""
    return sql.SQL("explain (analyze, timing off, summary off, format json) {}").format(statement)


def insert_account(account: list[dict[str, Any]]) -> InsertAccount:
    """An insert's own account of itself, read from its explanation.

    Its rows come from its outer child; scalar sub-selects and WITH queries hang beside that one as init plans.
    """
    insert = account[0]["Plan"]
    given = [child for child in insert["Plans"] if child["Parent Relationship"] == "Outer"]
    read = sum(round(child["Actual Rows"] * child["Actual Loops"]) for child in given)
    conflicting = round(insert.get("Conflicting Tuples", 0))
    changes = insert.get("Conflict Resolution") == "UPDATE"
    filtered = round(insert.get("Rows Removed by Conflict Filter", 0))
    return InsertAccount(
        read=read, inserted=read - conflicting, updated=conflicting - filtered if changes else 0
    )
