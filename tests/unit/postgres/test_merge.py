"""The statements of merge."""
# ruff: noqa: S608 - texts that are expected and never run

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ematix_flow.backends.postgres.merge import do_update, merge_statements
from ematix_flow.backends.postgres.statements import Count
from ematix_flow.plan import MergeRows, Proven, Unproven
from ematix_flow.spec import Deletes

MERGE = MergeRows(
    keys=("event_id",),
    update=("name",),
    deletes=None,
    allow_empty_source=False,
    uniqueness=Proven(why=""),
)
INSERT = 'insert into "analytics"."events" ("event_id", "name")'
STAGED = 'select "event_id", "name" from "pg_temp"."ematix_stage"'
GONE = 'not exists (select from "pg_temp"."ematix_stage" as s where "t"."event_id" = "s"."event_id")'


def merged(events: Any, **facts: Any) -> list[tuple[str, Count]]:
    action = replace(MERGE, **facts)
    statements = merge_statements(replace(events.plan, action=action), action)
    return [(events.text(each.statement), each.count) for each in statements]


def updated(events: Any, **facts: Any) -> str:
    action = replace(MERGE, **facts)
    return events.text(do_update(replace(events.plan, action=action), action))


def test_a_merge_is_one_insert_that_updates_what_differs(events: Any) -> None:
    assert merged(events) == [
        (
            (
                f'{INSERT} {STAGED} on conflict ("event_id") do update set "name" = "excluded"."name" '
                'where "events"."name" is distinct from "excluded"."name"'
            ),
            Count.BY_ACCOUNT,
        )
    ]


def test_keys_that_nothing_proves_are_merged_once(events: Any) -> None:
    ((statement, _),) = merged(events, uniqueness=Unproven(why=""))
    assert f'{INSERT} select distinct on ("event_id") "event_id", "name" from' in statement


def test_a_table_of_keys_only_has_nothing_to_update(events: Any) -> None:
    assert updated(events, update=()) == ' on conflict ("event_id") do nothing'


def test_a_row_that_is_found_again_loses_its_mark(events: Any) -> None:
    assert updated(events, deletes=Deletes.SOFT) == (
        ' on conflict ("event_id") do update set "name" = "excluded"."name", "deleted_at" = null '
        'where "events"."name" is distinct from "excluded"."name" or "events"."deleted_at" is not null'
    )


def test_a_key_alone_loses_its_mark_too(events: Any) -> None:
    assert updated(events, update=(), deletes=Deletes.SOFT) == (
        ' on conflict ("event_id") do update set "deleted_at" = null '
        'where false or "events"."deleted_at" is not null'
    )


@pytest.mark.parametrize(
    ("deletes", "statement"),
    [
        (Deletes.HARD, f'delete from "analytics"."events" as t where {GONE}'),
        (
            Deletes.SOFT,
            (
                'update "analytics"."events" as t set "deleted_at" = '
                f"'2026-01-01 00:00:00+00:00'::timestamptz where \"deleted_at\" is null and {GONE}"
            ),
        ),
    ],
)
def test_what_was_not_read_goes(events: Any, deletes: Deletes, statement: str) -> None:
    assert merged(events, deletes=deletes)[1:] == [(statement, Count.DELETED)]


def test_without_a_unique_index_held_rows_are_updated_and_absent_ones_added(events: Any) -> None:
    assert merged(events, indexed=False) == [
        (
            (
                f'update "analytics"."events" as t set "name" = "s"."name" from ({STAGED}) as s '
                'where "t"."event_id" = "s"."event_id" and ("t"."name" is distinct from "s"."name")'
            ),
            Count.UPDATED,
        ),
        (
            (
                f"{INSERT} select * from ({STAGED}) as s where not exists "
                '(select from "analytics"."events" as t where "t"."event_id" = "s"."event_id")'
            ),
            Count.INSERTED,
        ),
    ]
