"""Which statements load a target: straight from the select, or from the staged rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from psycopg import sql

from ematix_flow.backends.postgres import load
from ematix_flow.backends.postgres.statements import Count
from ematix_flow.plan import (
    AddMissing,
    AddNewKeys,
    AddRows,
    AddVersions,
    MergeRows,
    Proven,
    ReplaceRows,
)
from ematix_flow.spec import Deletes
from ematix_flow.types import Scalar

KEY = ("event_id",)
PROVEN = Proven(why="")
REPLACE = ReplaceRows(keys=KEY, uniqueness=PROVEN)
MERGE = MergeRows(keys=KEY, update=("name",), deletes=None, allow_empty_source=False, uniqueness=PROVEN)
VERSIONS = AddVersions(
    keys=KEY,
    compare=("name",),
    valid_from=None,
    deletes=None,
    allow_empty_source=False,
    uniqueness=PROVEN,
)
DO_UPDATE = (
    ' on conflict ("event_id") do update set "name" = "excluded"."name" '
    'where "events"."name" is distinct from "excluded"."name"'
)


@pytest.mark.parametrize(
    ("action", "ending"),
    [
        (AddRows(), ""),
        (AddNewKeys(keys=KEY, uniqueness=PROVEN), ' on conflict ("event_id") do nothing'),
        (MERGE, DO_UPDATE),
    ],
)
def test_one_statement_loads_what_a_select_returns_and_tells_what_it_did(
    events: Any, action: Any, ending: str
) -> None:
    (loaded,) = load.direct_load(replace(events.plan, action=action), sql.SQL("select 1, 'a'"))
    assert events.text(loaded.statement) == (
        f'insert into "analytics"."events" ("event_id", "name") select 1, \'a\'{ending}'
    )
    assert loaded.count is Count.BY_ACCOUNT


def test_a_target_that_is_replaced_is_emptied_first(events: Any) -> None:
    plan = replace(events.plan, action=REPLACE)
    assert [each.count for each in load.direct_load(plan, sql.SQL("select 1, 'a'"))] == [
        Count.DELETED,
        Count.BY_ACCOUNT,
    ]


@pytest.mark.parametrize(
    ("action", "counts"),
    [
        (AddRows(), [Count.INSERTED]),
        (AddNewKeys(keys=KEY, uniqueness=PROVEN), [Count.INSERTED]),
        (REPLACE, [Count.DELETED, Count.INSERTED]),
        (MERGE, [Count.BY_ACCOUNT]),
        (replace(MERGE, deletes=Deletes.HARD), [Count.BY_ACCOUNT, Count.DELETED]),
        (VERSIONS, [Count.NOTHING, Count.CLOSED, Count.INSERTED]),
        (
            replace(VERSIONS, valid_from="name", deletes=Deletes.SOFT),
            [Count.NOTHING, Count.UPDATED, Count.CLOSED, Count.NOTHING, Count.INSERTED, Count.CLOSED],
        ),
    ],
)
def test_staged_rows_are_loaded_as_the_action_says(events: Any, action: Any, counts: list[Count]) -> None:
    assert [each.count for each in load.staged_load(replace(events.plan, action=action))] == counts


def test_a_slice_is_loaded_as_a_difference(events: Any) -> None:
    action = AddMissing(window=events.window("event_id", Scalar.BIGINT, "5", "9"))
    (loaded,) = load.staged_load(replace(events.plan, action=action))
    assert " except all " in events.text(loaded.statement)
