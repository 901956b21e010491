"""The statements that load a target, and what an insert says of itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from psycopg import sql

from ematix_flow.backends.postgres import load
from ematix_flow.plan import AddMissing, AddNewKeys, AddRows, Proven, ReplaceRows, Unproven
from ematix_flow.spec import Column
from ematix_flow.types import ListOf, Scalar

SELECT = sql.SQL("select 1, 'a'")
UNPROVEN = Unproven(why="")


# --- the stage ----------------------------------------------------------------------------------------


def test_the_stage_has_the_streams_columns_and_goes_with_the_transaction(events: Any) -> None:
    assert events.text(load.create_stage(events.plan)) == (
        'create temporary table "ematix_stage" ("event_id" bigint, "name" text) on commit drop'
    )


def test_the_stage_is_filled_where_no_other_table_can_be_meant(events: Any) -> None:
    assert events.text(load.fill_stage(events.plan, SELECT)) == (
        'insert into "pg_temp"."ematix_stage" ("event_id", "name") select 1, \'a\''
    )


def test_copy_names_its_columns(events: Any) -> None:
    assert events.text(load.copy_into(load.STAGE, ("b", 'a"'))) == (
        'copy "pg_temp"."ematix_stage" ("b", "a""") from stdin (format csv)'
    )


@pytest.mark.parametrize(
    ("action", "keys"),
    [
        (AddRows(), ()),
        (AddNewKeys(keys=("event_id",), uniqueness=Proven(why="")), ()),
        (AddNewKeys(keys=("event_id",), uniqueness=UNPROVEN), ("event_id",)),
        (ReplaceRows(keys=("event_id",), uniqueness=Proven(why="")), ()),
        (ReplaceRows(keys=("event_id",), uniqueness=UNPROVEN), ("event_id",)),
    ],
)
def test_keys_are_checked_where_they_are_not_proven(events: Any, action: Any, keys: tuple[str, ...]) -> None:
    assert load.keys_to_check(replace(events.plan, action=action)) == keys


def test_null_keys_are_counted_and_five_are_shown(events: Any) -> None:
    assert events.text(load.null_keys(("a", "b"))) == (
        "select count(*), (array_agg(s::text) filter (where n <= 5)) from (select s, row_number() over () as n "
        'from "pg_temp"."ematix_stage" as s where "a" is null or "b" is null) as x'
    )


# --- the insert ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "ending"),
    [
        (AddRows(), ""),
        (AddNewKeys(keys=("event_id",), uniqueness=Proven(why="")), ' on conflict ("event_id") do nothing'),
        (ReplaceRows(keys=("event_id",), uniqueness=Proven(why="")), ""),
    ],
)
def test_one_statement_inserts_what_a_select_returns(events: Any, action: Any, ending: str) -> None:
    statement = load.insert_select(replace(events.plan, action=action), SELECT)
    assert events.text(statement) == (
        f'insert into "analytics"."events" ("event_id", "name") select 1, \'a\'{ending}'
    )


@pytest.mark.parametrize(
    ("action", "select"),
    [
        (AddRows(), 'select "event_id", "name" from "pg_temp"."ematix_stage"'),
        (
            AddNewKeys(keys=("event_id",), uniqueness=Proven(why="")),
            'select "event_id", "name" from "pg_temp"."ematix_stage" on conflict ("event_id") do nothing',
        ),
        (
            AddNewKeys(keys=("event_id",), uniqueness=UNPROVEN),
            (
                'select distinct on ("event_id") "event_id", "name" from "pg_temp"."ematix_stage" '
                'on conflict ("event_id") do nothing'
            ),
        ),
        (
            ReplaceRows(keys=("event_id",), uniqueness=UNPROVEN),
            'select distinct on ("event_id") "event_id", "name" from "pg_temp"."ematix_stage"',
        ),
    ],
)
def test_the_staged_rows_are_inserted_once_a_key(events: Any, action: Any, select: str) -> None:
    statement = events.text(load.insert_stage(replace(events.plan, action=action)))
    assert statement.split(" select ", 1) == [
        'insert into "analytics"."events" ("event_id", "name")',
        select.removeprefix("select "),
    ]


def test_the_stage_may_hold_columns_of_other_targets(events: Any) -> None:
    narrow = replace(events.table, columns=events.table.columns[:1])
    statement = load.insert_stage(replace(events.plan, stored=narrow, action=AddRows()))
    assert events.text(statement) == (
        'insert into "analytics"."events" ("event_id") select "event_id" from "pg_temp"."ematix_stage"'
    )


def test_rows_that_the_target_lacks_are_a_difference_of_multisets(events: Any) -> None:
    window = events.window("event_id", Scalar.BIGINT, "5", "9")
    statement = load.insert_stage(replace(events.plan, action=AddMissing(window=window)))
    assert events.text(statement) == (
        'insert into "analytics"."events" ("event_id", "name") select "event_id"::bigint, "name"::text from '
        '(select "event_id", "name" from "pg_temp"."ematix_stage" except all '
        'select "event_id", "name" from "analytics"."events" where "event_id" >= \'5\'::bigint) as missing'
    )


@pytest.mark.parametrize(
    ("column", "type_", "lower"),
    [("elsewhere", Scalar.BIGINT, "5"), ("event_id", Scalar.INTEGER, "5"), ("event_id", Scalar.BIGINT, None)],
)
def test_all_of_the_target_is_compared_where_its_slice_is_not_known(
    events: Any, column: str, type_: Scalar, lower: str | None
) -> None:
    window = events.window(column, type_, lower, "9")
    statement = load.insert_stage(replace(events.plan, action=AddMissing(window=window)))
    assert events.text(statement).endswith('from "analytics"."events") as missing')


@pytest.mark.parametrize(("type_", "as_text"), [(Scalar.JSON, "text"), (ListOf(Scalar.JSON), "text[]")])
def test_json_is_compared_by_its_text(events: Any, type_: Any, as_text: str) -> None:
    table = replace(events.table, columns=(Column(name="j", type=type_),))
    action = AddMissing(window=events.window("c", Scalar.BIGINT, "5", "9"))
    statement = events.text(load.insert_stage(replace(events.plan, stored=table, action=action)))
    assert statement.count(f'"j"::{as_text} as "j"') == 2
    assert f'select "j"::{type_.value if type_ is Scalar.JSON else "json[]"} from' in statement


def test_emptying_a_target_hides_nothing_from_its_readers(events: Any) -> None:
    assert events.text(load.delete_all(events.plan)) == 'delete from "analytics"."events"'


# --- what an insert says of itself --------------------------------------------------------------------


def account(*children: dict[str, Any], **facts: Any) -> list[dict[str, Any]]:
    """As `explain (analyze, format json)` answers."""
    return [{"Plan": {"Node Type": "ModifyTable", "Plans": list(children), **facts}}]


def child(relationship: str, rows: float, loops: int = 1) -> dict[str, Any]:
    return {"Parent Relationship": relationship, "Actual Rows": rows, "Actual Loops": loops}


@pytest.mark.parametrize(
    ("told", "counts"),
    [
        (account(child("Outer", 100)), (100, 0)),
        (account(child("Outer", 100.0), **{"Conflicting Tuples": 40.0}), (100, 40)),
        (account(child("Outer", 0)), (0, 0)),
        (account(child("InitPlan", 1), child("Outer", 3)), (3, 0)),
        (account(child("InitPlan", 7), child("Outer", 4), child("InitPlan", 1)), (4, 0)),
    ],
)
def test_only_the_rows_that_an_insert_was_given_are_counted(
    told: list[dict[str, Any]], counts: tuple[int, int]
) -> None:
    assert load.read_and_conflicting(told) == counts


def test_a_statement_tells_its_counts_without_timing_each_row(events: Any) -> None:
    statement = load.told(sql.Composed([sql.SQL("insert …")]))
    assert events.text(statement) == "explain (analyze, timing off, summary off, format json) insert …"
