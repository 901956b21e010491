"""The staging table, and the questions that are asked of it before any row is loaded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from psycopg import sql

from ematix_flow.backends.postgres import checks, stage
from ematix_flow.plan import AddNewKeys, AddRows, AddVersions, MergeRows, Proven, ReplaceRows, Unproven
from ematix_flow.spec import Column
from ematix_flow.types import ListOf, Scalar

KEY = ("event_id",)
PROVEN, UNPROVEN = Proven(why=""), Unproven(why="")
MERGE = MergeRows(keys=KEY, update=("name",), deletes=None, allow_empty_source=False, uniqueness=UNPROVEN)
VERSIONS = AddVersions(
    keys=KEY,
    compare=("name",),
    valid_from=None,
    deletes=None,
    allow_empty_source=False,
    uniqueness=UNPROVEN,
)


def test_the_stage_has_the_streams_columns_and_goes_with_the_transaction(events: Any) -> None:
    assert events.text(stage.create_stage(events.plan)) == (
        'create temporary table "ematix_stage" ("event_id" bigint, "name" text) on commit drop'
    )


def test_the_stage_is_filled_where_no_other_table_can_be_meant(events: Any) -> None:
    assert events.text(stage.fill_stage(events.plan, sql.SQL("select 1, 'a'"))) == (
        'insert into "pg_temp"."ematix_stage" ("event_id", "name") select 1, \'a\''
    )


def test_copy_names_its_columns(events: Any) -> None:
    assert events.text(stage.copy_into(stage.STAGE, ("b", 'a"'))) == (
        'copy "pg_temp"."ematix_stage" ("b", "a""") from stdin (format csv)'
    )
    assert events.text(stage.copy_records(stage.STAGE, ("b", 'a"'))) == (
        'copy "pg_temp"."ematix_stage" ("b", "a""") from stdin (format binary)'
    )


CHECKED = [
    (AddRows(), ()),
    (AddNewKeys(keys=KEY, uniqueness=PROVEN), ()),
    (AddNewKeys(keys=KEY, uniqueness=UNPROVEN), KEY),
    (ReplaceRows(keys=KEY, uniqueness=PROVEN), ()),
    (ReplaceRows(keys=KEY, uniqueness=UNPROVEN), KEY),
    (replace(MERGE, uniqueness=PROVEN), ()),
    (MERGE, KEY),
    (replace(VERSIONS, uniqueness=PROVEN), ()),
    (VERSIONS, KEY),
    (replace(VERSIONS, uniqueness=PROVEN, valid_from="at"), ("event_id", "at")),
    (replace(VERSIONS, valid_from="at"), ("event_id", "at")),
]


@pytest.mark.parametrize(("action", "key"), CHECKED)
def test_keys_are_checked_where_they_are_not_proven(events: Any, action: Any, key: tuple[str, ...]) -> None:
    assert stage.checked_key(replace(events.plan, action=action)) == key


@pytest.mark.parametrize(
    ("uniqueness", "select"), [(PROVEN, "select"), (UNPROVEN, 'select distinct on ("event_id")')]
)
def test_rows_that_are_alike_count_once(events: Any, uniqueness: Any, select: str) -> None:
    plan = replace(events.plan, action=AddNewKeys(keys=KEY, uniqueness=uniqueness))
    assert (
        events.text(stage.staged_rows(plan)) == f'{select} "event_id", "name" from "pg_temp"."ematix_stage"'
    )


def test_the_stage_may_hold_columns_of_other_targets(events: Any) -> None:
    narrow = replace(events.table, columns=events.table.columns[:1])
    plan = replace(events.plan, table=narrow, action=AddRows())
    assert events.text(stage.staged_rows(plan)) == 'select "event_id" from "pg_temp"."ematix_stage"'


# --- questions ----------------------------------------------------------------------------------------


def test_null_keys_are_counted_and_five_are_shown(events: Any) -> None:
    assert events.text(checks.null_keys(("a", "b"))) == (
        "select count(*), (array_agg(s::text) filter (where n <= 5)) from (select s, row_number() over () as n "
        'from "pg_temp"."ematix_stage" as s where "a" is null or "b" is null) as x'
    )


def test_keys_that_repeat_are_counted(events: Any) -> None:
    assert events.text(checks.repeated_keys(("a", "b"))) == (
        'select count(*) from (select from "pg_temp"."ematix_stage" group by "a", "b" having count(*) > 1) as x'
    )


def test_keys_of_different_rows_are_counted_and_five_are_shown(events: Any) -> None:
    assert events.text(checks.conflicting_keys(("a",))) == (
        "select count(*), (array_agg(rows) filter (where n <= 5)) from (select rows, row_number() over () as n from "
        '(select string_agg(distinct s::text, \' / \') as rows from "pg_temp"."ematix_stage" as s '
        'group by "a" having count(distinct s::text) > 1) as y) as x'
    )


# --- comparing ----------------------------------------------------------------------------------------


def test_a_key_is_compared_column_by_column(events: Any) -> None:
    assert events.text(stage.same_key(("a", "b"), "t", "s")) == '"t"."a" = "s"."a" and "t"."b" = "s"."b"'


@pytest.mark.parametrize(
    ("type_", "cast"), [(Scalar.TEXT, ""), (Scalar.JSON, "::jsonb"), (ListOf(Scalar.JSON), "::jsonb[]")]
)
def test_values_differ_as_what_has_equality(events: Any, type_: Any, cast: str) -> None:
    columns = (Column(name="a", type=type_), Column(name="b", type=Scalar.BIGINT))
    assert events.text(stage.differs(columns, "t", "s")) == (
        f'"t"."a"{cast} is distinct from "s"."a"{cast} or "t"."b" is distinct from "s"."b"'
    )


def test_rows_without_a_column_to_compare_never_differ(events: Any) -> None:
    assert events.text(stage.differs((), "t", "s")) == "false"
