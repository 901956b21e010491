"""How the statements of a load are counted."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg import sql

from ematix_flow.backends.postgres.statements import Count, InsertAccount, added, insert_account, told
from ematix_flow.results import LoadCounts


def account(*children: dict[str, Any], **facts: Any) -> list[dict[str, Any]]:
    """As `explain (analyze, format json)` answers."""
    return [{"Plan": {"Node Type": "ModifyTable", "Plans": list(children), **facts}}]


def child(relationship: str, rows: float, loops: int = 1) -> dict[str, Any]:
    return {"Parent Relationship": relationship, "Actual Rows": rows, "Actual Loops": loops}


def conflicts(resolution: str, tuples: float, filtered: float | None = None) -> dict[str, Any]:
    facts = {"Conflict Resolution": resolution, "Conflicting Tuples": tuples}
    return facts if filtered is None else {**facts, "Rows Removed by Conflict Filter": filtered}


@pytest.mark.parametrize(
    ("explanation", "read", "inserted", "updated"),
    [
        (account(child("Outer", 100)), 100, 100, 0),
        (account(child("Outer", 0)), 0, 0, 0),
        (account(child("Outer", 100.0), **conflicts("NOTHING", 40.0)), 100, 60, 0),
        (account(child("Outer", 100), **conflicts("UPDATE", 40)), 100, 60, 40),
        (account(child("Outer", 100), **conflicts("UPDATE", 40, filtered=30)), 100, 60, 10),
        (account(child("InitPlan", 1), child("Outer", 3)), 3, 3, 0),
        (account(child("InitPlan", 7), child("Outer", 4), child("InitPlan", 1)), 4, 4, 0),
        (account(child("Outer", 2, loops=3)), 6, 6, 0),
    ],
    ids=[
        "only inserts",
        "no row",
        "some are left alone",
        "some are updated",
        "some of those do not differ",
        "an init plan before the rows",
        "init plans around the rows",
        "several loops",
    ],
)
def test_only_the_rows_that_an_insert_was_given_are_counted(
    explanation: list[dict[str, Any]], read: int, inserted: int, updated: int
) -> None:
    assert insert_account(explanation) == InsertAccount(read=read, inserted=inserted, updated=updated)


@pytest.mark.parametrize(
    ("count", "counts"),
    [
        (Count.NOTHING, LoadCounts(read=9)),
        (Count.BY_ACCOUNT, LoadCounts(read=9)),
        (Count.INSERTED, LoadCounts(read=9, inserted=3)),
        (Count.UPDATED, LoadCounts(read=9, updated=3)),
        (Count.DELETED, LoadCounts(read=9, deleted=3)),
        (Count.CLOSED, LoadCounts(read=9, closed=3)),
    ],
)
def test_a_statement_counts_as_what_it_is(count: Count, counts: LoadCounts) -> None:
    assert added(count, LoadCounts(read=9), 3) == counts


def test_two_statements_add_up() -> None:
    assert added(Count.CLOSED, LoadCounts(closed=2), 3) == LoadCounts(closed=5)


def test_a_statement_tells_its_counts_without_timing_each_row(events: Any) -> None:
    statement = told(sql.Composed([sql.SQL("insert …")]))
    assert events.text(statement) == "explain (analyze, timing off, summary off, format json) insert …"
