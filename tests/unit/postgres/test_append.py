"""The statements of append and truncate."""
# ruff: noqa: S608 - texts that are expected and never run

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ematix_flow.backends.postgres import append
from ematix_flow.backends.postgres.statements import Count
from ematix_flow.plan import AddMissing, AddNewKeys, AddRows, Proven, ReplaceRows, Unproven
from ematix_flow.spec import Column
from ematix_flow.types import ListOf, Scalar

KEY = ("event_id",)
INSERT = 'insert into "analytics"."events" ("event_id", "name")'
STAGED = '"event_id", "name" from "pg_temp"."ematix_stage"'


def test_staged_rows_are_added(events: Any) -> None:
    added = append.insert_stage(replace(events.plan, action=AddRows()))
    assert (events.text(added.statement), added.count) == (f"{INSERT} select {STAGED}", Count.INSERTED)


@pytest.mark.parametrize(
    ("uniqueness", "select"),
    [(Proven(why=""), "select"), (Unproven(why=""), 'select distinct on ("event_id")')],
)
def test_a_row_whose_key_is_there_is_left_alone(events: Any, uniqueness: Any, select: str) -> None:
    action = AddNewKeys(keys=KEY, uniqueness=uniqueness)
    added = append.insert_new_keys(replace(events.plan, action=action), action)
    assert events.text(added.statement) == f'{INSERT} {select} {STAGED} on conflict ("event_id") do nothing'
    assert added.count is Count.INSERTED


def test_without_a_unique_index_the_key_is_looked_up(events: Any) -> None:
    action = AddNewKeys(keys=KEY, uniqueness=Proven(why=""), indexed=False)
    added = append.insert_new_keys(replace(events.plan, action=action), action)
    assert events.text(added.statement) == (
        f"{INSERT} select * from (select {STAGED}) as s where not exists "
        '(select from "analytics"."events" as t where "t"."event_id" = "s"."event_id")'
    )
    assert added.count is Count.INSERTED


def test_a_target_is_emptied_only_where_it_is_replaced_and_hides_nothing_from_its_readers(
    events: Any,
) -> None:
    action = ReplaceRows(keys=KEY, uniqueness=Proven(why=""))
    (emptied,) = append.emptied(replace(events.plan, action=action))
    assert (events.text(emptied.statement), emptied.count) == (
        'delete from "analytics"."events"',
        Count.DELETED,
    )
    assert append.emptied(replace(events.plan, action=AddRows())) == ()


# --- a slice without a key ----------------------------------------------------------------------------


def missing(events: Any, action: AddMissing, **facts: Any) -> str:
    return events.text(append.insert_missing(replace(events.plan, action=action, **facts), action).statement)


def test_rows_that_the_target_lacks_are_a_difference_of_multisets(events: Any) -> None:
    action = AddMissing(window=events.window("event_id", Scalar.BIGINT, "5", "9"))
    assert missing(events, action) == (
        f'{INSERT} select "event_id"::bigint, "name"::text from (select {STAGED} except all '
        'select "event_id", "name" from "analytics"."events" where "event_id" >= \'5\'::bigint) as missing'
    )


@pytest.mark.parametrize(
    ("column", "type_", "lower"),
    [("elsewhere", Scalar.BIGINT, "5"), ("event_id", Scalar.INTEGER, "5"), ("event_id", Scalar.BIGINT, None)],
)
def test_all_of_the_target_is_compared_where_its_slice_is_not_known(
    events: Any, column: str, type_: Scalar, lower: str | None
) -> None:
    action = AddMissing(window=events.window(column, type_, lower, "9"))
    assert missing(events, action).endswith('from "analytics"."events") as missing')


@pytest.mark.parametrize(("type_", "as_text"), [(Scalar.JSON, "text"), (ListOf(Scalar.JSON), "text[]")])
def test_json_is_compared_by_its_text(events: Any, type_: Any, as_text: str) -> None:
    table = replace(events.table, columns=(Column(name="j", type=type_),))
    action = AddMissing(window=events.window("c", Scalar.BIGINT, "5", "9"))
    statement = missing(events, action, table=table, stored=table)
    assert statement.count(f'"j"::{as_text} as "j"') == 2
    assert f'select "j"::{type_.value if type_ is Scalar.JSON else "json[]"} from' in statement
