"""From what was declared, asked and seen to what will be done: action, path, steps and watermark of each target."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ematix_flow.casts import Cast
from ematix_flow.errors import PlanError, SchemaDriftError, UnsafeCastError
from ematix_flow.migration import AddColumn, CreateSchema, CreateTable
from ematix_flow.plan import (
    AddMissing,
    AddNewKeys,
    AddRows,
    AddVersions,
    ArrowStream,
    ColumnRange,
    CopyInto,
    CopyStaged,
    Everything,
    Form,
    InsertSelect,
    JobPlan,
    MergeRows,
    Proven,
    ReplaceRows,
    SinceTransaction,
    StagedSelect,
    TargetPlan,
    Unproven,
)
from ematix_flow.spec import (
    Append,
    Column,
    Deletes,
    EveryRow,
    Incremental,
    JobTarget,
    LoadMode,
    Merge,
    OnDrift,
    Scd2,
    Truncate,
    UniqueKey,
)
from ematix_flow.state import Relation, RelationColumn, RelationKind, RunRequest, SourceColumn, SourceState
from ematix_flow.types import ListOf, Scalar

Plan = Callable[..., JobPlan]
BY_TIME = Incremental(column="received_at")
PROVEN = Proven(why="raw.events has a unique index on (event_id)")


def only(plan: JobPlan) -> TargetPlan:
    (target,) = plan.targets
    return target


# --- what happens to the rows -------------------------------------------------------------------------


def test_a_keyed_append_adds_new_keys(shop: Any, plan: Plan) -> None:
    assert only(plan(shop.job())).action == AddNewKeys(keys=("event_id",), uniqueness=PROVEN)


def test_a_keyless_append_adds_every_row(shop: Any, plan: Plan) -> None:
    target = shop.target(shop.keyless)
    assert only(plan(shop.job(target, increment=EveryRow()))).action == AddRows()


@pytest.mark.parametrize("facts", [{"live": None, "empty": True}, {"empty": True}])
def test_a_keyless_append_by_a_window_adds_every_row_to_an_empty_target(
    shop: Any, plan: Plan, facts: dict[str, Any]
) -> None:
    target = shop.target(shop.keyless)
    planned = only(plan(shop.job(target, increment=BY_TIME), shop.seen(target, **facts)))
    assert planned.action == AddRows()


def test_a_keyless_append_by_a_window_adds_what_a_filled_target_lacks(shop: Any, plan: Plan) -> None:
    target = shop.target(shop.keyless)
    source = replace(shop.source, bound="2026-01-02")
    planned = only(plan(shop.job(target, increment=BY_TIME), source=source))
    expected = ColumnRange(
        column="received_at",
        type=Scalar.TIMESTAMPTZ,
        lower=None,
        lookback=timedelta(0),
        bound="2026-01-02",
    )
    assert planned.action == AddMissing(window=expected)
    assert planned.read.window == expected


def test_a_full_refresh_of_a_keyless_append_replaces_the_rows(shop: Any, plan: Plan) -> None:
    target = shop.target(shop.keyless)
    request = replace(shop.request, full_refresh=True)
    planned = only(plan(shop.job(target, increment=BY_TIME), request=request))
    assert planned.action == ReplaceRows(keys=(), uniqueness=Proven(why="there is no key to check"))


def test_a_full_refresh_of_a_keyed_append_is_absorbed_by_its_keys(shop: Any, plan: Plan) -> None:
    planned = only(plan(shop.job(), request=replace(shop.request, full_refresh=True)))
    assert planned.action == AddNewKeys(keys=("event_id",), uniqueness=PROVEN)


def test_truncate_replaces_the_rows_and_keeps_no_watermark(shop: Any, plan: Plan) -> None:
    planned = only(plan(shop.job(shop.target(mode=Truncate(keys=("event_id",))))))
    assert planned.action == ReplaceRows(keys=("event_id",), uniqueness=PROVEN)
    assert planned.watermark is None
    assert planned.read.window == Everything(why="truncate replaces the whole table")


KEY = ("event_id",)


@pytest.mark.parametrize(
    ("mode", "action"),
    [
        (
            Merge(keys=KEY),
            MergeRows(
                keys=KEY,
                update=("name", "received_at"),
                deletes=None,
                allow_empty_source=False,
                uniqueness=PROVEN,
                indexed=True,
            ),
        ),
        (
            Merge(keys=KEY, update=("name",), deletes=Deletes.SOFT, allow_empty_source=True),
            MergeRows(
                keys=KEY,
                update=("name",),
                deletes=Deletes.SOFT,
                allow_empty_source=True,
                uniqueness=PROVEN,
                indexed=True,
            ),
        ),
        (
            Scd2(keys=KEY),
            AddVersions(
                keys=KEY,
                compare=("name", "received_at"),
                valid_from=None,
                deletes=None,
                allow_empty_source=False,
                uniqueness=PROVEN,
            ),
        ),
        (
            Scd2(keys=KEY, valid_from="received_at"),
            AddVersions(
                keys=KEY,
                compare=("name",),
                valid_from="received_at",
                deletes=None,
                allow_empty_source=False,
                uniqueness=PROVEN,
            ),
        ),
        (
            Scd2(keys=KEY, compare=("received_at",), deletes=Deletes.SOFT, allow_empty_source=True),
            AddVersions(
                keys=KEY,
                compare=("received_at",),
                valid_from=None,
                deletes=Deletes.SOFT,
                allow_empty_source=True,
                uniqueness=PROVEN,
            ),
        ),
    ],
    ids=["merge", "merge of one column", "scd2", "scd2 by event time", "scd2 of one column"],
)
def test_merge_and_scd2_say_what_they_compare(shop: Any, plan: Plan, mode: Any, action: Any) -> None:
    assert only(plan(shop.job(shop.target(mode=mode)))).action == action


@pytest.mark.parametrize("mode", [Append(keys=KEY), Merge(keys=KEY)])
@pytest.mark.parametrize(("live", "indexed"), [("keyless", False), ("table", True), (None, True)])
def test_a_key_without_a_unique_index_is_looked_up(
    shop: Any, plan: Plan, mode: Any, live: str | None, indexed: bool
) -> None:
    target = shop.target(mode=mode)
    state = shop.seen(target, live=live and getattr(shop, live), empty=live is None)
    planned = only(plan(shop.job(target), state))
    assert isinstance(planned.action, AddNewKeys | MergeRows)
    assert planned.action.indexed is indexed
    assert isinstance(planned.path, InsertSelect if indexed else StagedSelect)


@pytest.mark.parametrize(
    "mode", [Merge(keys=KEY, deletes=Deletes.HARD), Scd2(keys=KEY, deletes=Deletes.SOFT)]
)
def test_what_is_gone_is_found_in_a_full_read_that_keeps_no_watermark(
    shop: Any, plan: Plan, mode: Any
) -> None:
    planned = only(plan(shop.job(shop.target(mode=mode))))
    assert planned.read.window == Everything(why="rows that are gone are found by reading all that are there")
    assert planned.watermark is None


@pytest.mark.parametrize("mode", [Merge(keys=KEY), Scd2(keys=KEY)])
def test_without_deletes_a_source_is_tracked(shop: Any, plan: Plan, mode: Any) -> None:
    target = shop.target(mode=mode)
    job = shop.job(target)
    stored = shop.watermark(target, "900", job)
    planned = only(plan(job, shop.seen(target, watermark=stored)))
    assert planned.read.window == SinceTransaction(xid=900, start=40, end=50, name="events")


def test_the_clock_is_the_targets_own(shop: Any, plan: Plan) -> None:
    at = datetime(2026, 5, 1, tzinfo=UTC)
    assert only(plan(shop.job(), shop.seen(shop.target(), clock=at))).clock == at


def test_the_watermark_of_a_tracked_source_is_written_with_the_rows(shop: Any, plan: Plan) -> None:
    assert only(plan(shop.job())).watermark == shop.watermark(shop.target(), "1000")


def test_the_window_starts_at_the_stored_watermark(shop: Any, plan: Plan) -> None:
    target = shop.target()
    planned = only(plan(shop.job(), shop.seen(target, watermark=shop.watermark(target, "900"))))
    assert planned.read.window == SinceTransaction(xid=900, start=40, end=50, name="events")
    assert shop.query[40:50] == "raw.events"


# --- whether keys need a check ------------------------------------------------------------------------


def reason(planned: TargetPlan) -> str:
    assert isinstance(planned.action, AddNewKeys | ReplaceRows)
    assert isinstance(planned.action.uniqueness, Unproven)
    return planned.action.uniqueness.why


def columns(*names: str) -> tuple[SourceColumn, ...]:
    types = {"event_id": Scalar.BIGINT, "name": Scalar.TEXT, "received_at": Scalar.TIMESTAMPTZ}
    return tuple(SourceColumn(name=name, type=types[name]) for name in names)


@pytest.mark.parametrize(
    "query",
    [
        "select * from raw.events",
        "select e.* from raw.events as e where name <> 'x'",
        "select event_id, upper(name) as name, received_at from raw.events limit 5",
        "select distinct event_id, name, received_at from raw.events",
        'select "event_id" as event_id, name, received_at from raw.events',
    ],
)
def test_a_unique_key_that_passes_through_one_table_is_proven(shop: Any, plan: Plan, query: str) -> None:
    assert only(plan(shop.job(), query=query)).action == AddNewKeys(keys=("event_id",), uniqueness=PROVEN)


def test_a_unique_index_on_a_part_of_the_key_proves_all_of_it(shop: Any, plan: Plan) -> None:
    target = shop.target(mode=Append(keys=("event_id", "received_at")))
    state = shop.seen(target, live=None, empty=True)
    planned = only(plan(shop.job(target), state))
    assert planned.action == AddNewKeys(keys=("event_id", "received_at"), uniqueness=PROVEN)


def test_a_renamed_unique_column_proves_the_key(shop: Any, plan: Plan) -> None:
    source = replace(
        shop.source,
        relations=(
            replace(
                shop.relation,
                unique_keys=(("id",),),
                columns=(
                    RelationColumn(name="id", type="bigint", built_in=True),
                    *shop.relation.columns[1:],
                ),
            ),
        ),
    )
    planned = only(
        plan(shop.job(), query="select id as event_id, name, received_at from raw.events", source=source)
    )
    assert planned.action == AddNewKeys(
        keys=("event_id",), uniqueness=Proven(why="raw.events has a unique index on (id)")
    )


@pytest.mark.parametrize(
    ("query", "why"),
    [
        (
            "select event_id % 7 as event_id, name, received_at from raw.events",
            "no unique index of raw.events lies within the key",
        ),
        (
            "select length(name) as event_id, name, received_at from raw.events",
            "no unique index of raw.events lies within the key",
        ),
        (
            "select event_id, max(name) as name, max(received_at) as received_at from raw.events group by event_id",
            "the query is more than a plain select from one table",
        ),
        (
            "with e as (select * from raw.events) select * from e",
            "the query is more than a plain select from one table",
        ),
        (
            "select e.event_id, e.shout as name, e.received_at from raw.events as e",
            "an output is no column of its table, and may be a function of the row",
        ),
    ],
)
def test_a_key_that_could_repeat_is_not_proven(shop: Any, plan: Plan, query: str, why: str) -> None:
    assert reason(only(plan(shop.job(), query=query))) == why


def test_a_table_without_a_unique_index_proves_nothing(shop: Any, plan: Plan) -> None:
    source = replace(shop.source, relations=(replace(shop.relation, unique_keys=()),))
    assert (
        reason(only(plan(shop.job(), source=source))) == "no unique index of raw.events lies within the key"
    )


@pytest.mark.parametrize("kind", [RelationKind.INHERITED, RelationKind.VIEW, RelationKind.FOREIGN])
def test_children_views_and_foreign_tables_may_repeat_a_key(
    shop: Any, plan: Plan, kind: RelationKind
) -> None:
    source = replace(shop.source, relations=(replace(shop.relation, kind=kind),))
    assert (
        reason(only(plan(shop.job(), source=source)))
        == "the query is more than a plain select from one table"
    )


def test_a_checked_cast_could_make_two_keys_equal(shop: Any, plan: Plan) -> None:
    source = replace(
        shop.source,
        columns=(SourceColumn(name="event_id", type=Scalar.TEXT), *shop.source.columns[1:]),
    )
    assert reason(only(plan(shop.job(), source=source))) == "the cast of event_id could make two keys equal"


def test_batches_prove_nothing(shop: Any, plan: Plan) -> None:
    planned = only(plan(shop.job(), query=None, source=SourceState(columns=shop.source.columns)))
    assert reason(planned) == "the query is more than a plain select from one table"


# --- the path -----------------------------------------------------------------------------------------


def test_one_database_is_loaded_by_one_statement(shop: Any, plan: Plan) -> None:
    planned = only(plan(shop.job()))
    assert planned.path == InsertSelect(why=f"source and target are one database, and {PROVEN.why}")
    assert planned.read.form is Form.SERVER_SELECT


def test_the_mark_decides_and_not_the_connections_name(shop: Any, plan: Plan) -> None:
    target = shop.target(connection=shop.other)
    planned = only(plan(shop.job(target), shop.seen(target, mark=shop.mark)))
    assert isinstance(planned.path, InsertSelect)


def test_a_mark_that_the_source_does_not_see_is_another_database(shop: Any, plan: Plan) -> None:
    planned = only(plan(shop.job(), source=replace(shop.source, marks_held=frozenset())))
    assert planned.path == CopyStaged(
        why="the rows do not come from a query in the target's own database, or go to several targets, and their "
        "keys are looked for in the table"
    )
    assert planned.read.form is Form.COPY


# --- the way between two servers ----------------------------------------------------------------------

TRAVELLING = "rows travel from warehouse to other"


def travels(shop: Any, plan: Plan, target: JobTarget, request: RunRequest | None = None, **facts: Any) -> Any:
    """The path of rows from the warehouse, of which nothing tells that their key is unique, to the other server."""
    job = replace(shop.job(target), job=replace(shop.job(target).job, on_drift=OnDrift.IGNORE))
    source = replace(shop.source, relations=(replace(shop.relation, unique_keys=()),))
    state = shop.seen(target, **facts)
    planned = only(plan(job, state, source=source, request=request or shop.request))
    assert planned.read.form is Form.COPY
    return planned.path


@pytest.mark.parametrize(
    ("mode", "facts"),
    [
        (Append(), {}),
        (Append(keys=KEY), {"live": None, "empty": True}),
        (Append(keys=KEY), {"empty": True}),
        (Merge(keys=KEY), {"empty": True}),
        (Merge(keys=KEY, deletes=Deletes.HARD), {"empty": True}),
        (Truncate(), {}),
        (Truncate(keys=KEY), {}),
        (Truncate(keys=KEY), {"live": None, "empty": True}),
    ],
    ids=str,
)
def test_rows_go_straight_in_where_the_table_itself_refuses_a_bad_key(
    shop: Any, plan: Plan, mode: Any, facts: dict[str, Any]
) -> None:
    target = shop.target(connection=shop.other, mode=mode)
    assert travels(shop, plan, target, **facts) == CopyInto(why=TRAVELLING)


@pytest.mark.parametrize(
    ("mode", "why"),
    [
        (Append(keys=KEY), "their keys are looked for in the table"),
        (Merge(keys=KEY), "their keys are looked for in the table"),
        (Scd2(keys=KEY), "versions are compared with those that are held"),
    ],
    ids=str,
)
def test_rows_are_staged_where_they_are_compared_with_what_is_held(
    shop: Any, plan: Plan, mode: Any, why: str
) -> None:
    target = shop.target(connection=shop.other, mode=mode)
    assert travels(shop, plan, target) == CopyStaged(why=f"{TRAVELLING}, and {why}")


@pytest.mark.parametrize("mode", [Append(keys=KEY), Merge(keys=KEY), Truncate(keys=KEY)], ids=str)
@pytest.mark.parametrize("nullable", [False, True])
def test_rows_are_staged_where_no_index_or_no_not_null_of_the_table_would_refuse_a_bad_key(
    shop: Any, plan: Plan, mode: Any, nullable: bool
) -> None:
    """A table that was not made by us lacks one of the two."""
    live = shop.keyless
    if nullable:
        key = replace(live.columns[0], nullable=True)
        unique = (UniqueKey(name="own", columns=KEY),)
        live = replace(live, columns=(key, *live.columns[1:]), unique_keys=unique)
    target = shop.target(connection=shop.other, mode=mode)
    assert travels(shop, plan, target, live=live, empty=True) == CopyStaged(
        why=f"{TRAVELLING}, and no index of the table refuses a repeated key"
    )


@pytest.mark.parametrize("mode", [Append(keys=KEY), Merge(keys=KEY), Truncate(keys=KEY)], ids=str)
def test_a_key_that_is_proven_needs_no_index(shop: Any, plan: Plan, mode: Any) -> None:
    target = shop.target(shop.keyless, connection=shop.other, mode=mode)
    assert only(plan(shop.job(target), shop.seen(target, empty=True))).path == CopyInto(why=TRAVELLING)


def test_a_new_table_to_truncate_has_no_index_on_a_key_that_is_not_its_primary_one(
    shop: Any, plan: Plan
) -> None:
    target = shop.target(shop.keyless, connection=shop.other, mode=Truncate(keys=KEY))
    path = travels(shop, plan, target, live=None, empty=True)
    assert path == CopyStaged(why=f"{TRAVELLING}, and no index of the table refuses a repeated key")


def test_a_new_table_to_append_to_gets_an_index_on_its_key(shop: Any, plan: Plan) -> None:
    target = shop.target(shop.keyless, connection=shop.other, mode=Append(keys=KEY))
    path = travels(shop, plan, target, live=None, empty=True)
    assert path == CopyInto(why=TRAVELLING)


def test_rows_are_staged_once_the_index_has_refused_a_key(shop: Any, plan: Plan) -> None:
    request = replace(shop.request, staged=frozenset({"other:analytics.events"}))
    path = travels(shop, plan, shop.target(connection=shop.other), request, live=None, empty=True)
    assert path == CopyStaged(why=f"{TRAVELLING}, and a key repeats or is missing")


def test_another_targets_refusal_is_no_reason_to_stage(shop: Any, plan: Plan) -> None:
    request = replace(shop.request, staged=frozenset({"other:analytics.others"}))
    path = travels(shop, plan, shop.target(connection=shop.other), request, live=None, empty=True)
    assert path == CopyInto(why=TRAVELLING)


def test_rows_are_staged_where_the_live_table_has_another_type(shop: Any, plan: Plan) -> None:
    narrow = replace(shop.table.columns[0], type=Scalar.INTEGER)
    live = replace(shop.table, columns=(narrow, *shop.table.columns[1:]))
    path = travels(shop, plan, shop.target(connection=shop.other), live=live, empty=True)
    assert path == CopyStaged(
        why=f"{TRAVELLING}, and event_id is Integer in the table and BigInt in the stream"
    )


def test_a_live_array_of_texts_may_be_one_of_varchar_and_is_staged(shop: Any, plan: Plan) -> None:
    """COPY's records name the type of an array's elements, and the two are not the same to it."""
    tags = replace(shop.table.columns[1], type=ListOf(Scalar.TEXT))
    table = replace(shop.table, columns=(shop.table.columns[0], tags, shop.table.columns[2]))
    source = replace(
        shop.source, columns=tuple(SourceColumn(name=c.name, type=c.type) for c in table.columns)
    )
    target = shop.target(table, connection=shop.other)
    held = only(plan(shop.job(target), shop.seen(target, empty=True), source=source))
    made = only(plan(shop.job(target), shop.seen(target, live=None, empty=True), source=source))
    assert held.path == CopyStaged(
        why=f"{TRAVELLING}, and name is an array of texts in the table, perhaps of varchar"
    )
    assert made.path == CopyInto(why=TRAVELLING)


@pytest.mark.parametrize("mode", [Append(), Append(keys=KEY), Merge(keys=KEY), Truncate()], ids=str)
def test_rows_are_staged_where_the_table_takes_inserts_only(shop: Any, plan: Plan, mode: Any) -> None:
    path = travels(shop, plan, shop.target(connection=shop.other, mode=mode), empty=True, takes_copy=False)
    assert path == CopyStaged(
        why=f"{TRAVELLING}, and COPY loads neither a view nor a table under row security"
    )


def test_columns_of_other_targets_are_no_reason_to_leave_the_stream(shop: Any, plan: Plan) -> None:
    narrow = replace(shop.table, name="ids", columns=shop.table.columns[:1])
    one = shop.target(connection=shop.other, mode=Truncate(keys=KEY))
    other = shop.target(narrow, connection=shop.other, mode=Truncate(keys=KEY))
    planned = plan(shop.job(one, other))
    assert [target.path for target in planned.targets] == [
        CopyInto(why=TRAVELLING),
        CopyStaged(why=f"{TRAVELLING}, and the stream carries columns of other targets"),
    ]
    assert len(planned.reads()) == 1


def test_rows_for_a_lake_are_the_servers_own_until_it_makes_batches_of_them(shop: Any, plan: Plan) -> None:
    planned = only(plan(shop.job(shop.target(connection=shop.lake))))
    assert planned.path == ArrowStream(why="rows travel from warehouse to lake")
    assert planned.read.form is Form.COPY


def test_rows_of_a_lake_are_batches(shop: Any, plan: Plan) -> None:
    source = replace(shop.source, marks_held=frozenset())
    planned = only(plan(shop.job(source=shop.lake), source=source))
    assert planned.path == ArrowStream(why="rows travel from lake to warehouse")
    assert planned.read.form is Form.ARROW


# --- the path inside a server -------------------------------------------------------------------------


def test_batches_travel(shop: Any, plan: Plan) -> None:
    planned = only(plan(shop.job(source=None), query=None, source=SourceState(columns=shop.source.columns)))
    assert planned.path == ArrowStream(why="the body yields record batches")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            {"query": "select raw.f(event_id) as event_id, name, received_at from raw.events"},
            "it calls raw.f()",
        ),
        (
            {"query": "with e as (select * from raw.events) select * from e"},
            "the query is more than a plain select",
        ),
        (
            {"query": "select e.event_id, e.shout as name, e.received_at from raw.events e"},
            "shout is no column",
        ),
        ({"relation": {"row_security": True}}, "row security is active on raw.events"),
        ({"relation": {"kind": RelationKind.VIEW}}, "raw.events is a view"),
        ({"relation": {"kind": RelationKind.FOREIGN}}, "raw.events is a foreign table"),
        ({"relation": {"schema": "analytics"}}, "the query reads the target itself"),
    ],
    ids=str,
)
def test_inside_the_server_a_query_is_staged_where_it_might_do_more_than_read(
    shop: Any, plan: Plan, change: dict[str, Any], why: str
) -> None:
    relation = replace(shop.relation, **change.get("relation", {}))
    source = replace(shop.source, relations=(relation,))
    planned = only(plan(shop.job(), source=source, query=change.get("query", shop.query)))
    assert isinstance(planned.path, StagedSelect)
    assert planned.path.why.startswith(f"source and target are one database, but {why}")
    assert planned.read.form is Form.SERVER_SELECT


def test_a_type_that_is_not_built_in_is_staged(shop: Any, plan: Plan) -> None:
    mood = RelationColumn(name="mood", type="raw.mood", built_in=False)
    relation = replace(shop.relation, columns=(*shop.relation.columns, mood))
    planned = only(plan(shop.job(), source=replace(shop.source, relations=(relation,))))
    assert planned.path == StagedSelect(
        why="source and target are one database, but the type raw.mood of raw.events is not built in"
    )


def test_a_slice_is_staged_to_be_compared(shop: Any, plan: Plan) -> None:
    planned = only(plan(shop.job(shop.target(shop.keyless), increment=BY_TIME)))
    assert planned.path == StagedSelect(
        why="source and target are one database, but the slice is compared with the target's"
    )


@pytest.mark.parametrize(
    ("mode", "why"),
    [
        (Merge(keys=KEY, deletes=Deletes.HARD), ", and rows that are gone are looked for"),
        (Merge(keys=KEY, deletes=Deletes.SOFT), ", and rows that are gone are looked for"),
        (Scd2(keys=KEY), ", and versions are compared with those that are held"),
    ],
)
def test_what_is_compared_both_ways_is_staged(shop: Any, plan: Plan, mode: Any, why: str) -> None:
    planned = only(plan(shop.job(shop.target(mode=mode))))
    assert planned.path == StagedSelect(why=f"source and target are one database{why}")


def test_a_merge_by_a_proven_key_is_one_statement(shop: Any, plan: Plan) -> None:
    planned = only(plan(shop.job(shop.target(mode=Merge(keys=KEY)))))
    assert planned.path == InsertSelect(why=f"source and target are one database, and {PROVEN.why}")


def test_a_merge_by_a_key_that_could_repeat_is_staged(shop: Any, plan: Plan) -> None:
    source = replace(shop.source, relations=(replace(shop.relation, unique_keys=()),))
    planned = only(plan(shop.job(shop.target(mode=Merge(keys=KEY))), source=source))
    assert planned.path == StagedSelect(
        why="source and target are one database, but no unique index of raw.events lies within the key"
    )


def test_a_keyless_append_inside_the_server_needs_no_stage(shop: Any, plan: Plan) -> None:
    query = "select event_id % 7 as event_id, name, received_at from raw.events"
    planned = only(plan(shop.job(shop.target(shop.keyless), increment=EveryRow()), query=query))
    assert planned.path == InsertSelect(why="source and target are one database")


# --- fan-out ------------------------------------------------------------------------------------------


def test_targets_with_equal_windows_share_one_read(shop: Any, plan: Plan) -> None:
    job = shop.job(shop.target(), shop.target(connection=shop.lake))
    planned = plan(job)
    assert list(planned.reads().values()) == [planned.targets]
    assert [type(target.path) for target in planned.targets] == [CopyStaged, ArrowStream]


def test_the_reason_for_reading_everything_is_no_difference_between_reads(shop: Any, plan: Plan) -> None:
    one, other = shop.target(), shop.target(connection=shop.lake)
    planned = plan(shop.job(one, other), shop.seen(one, empty=True), shop.seen(other, live=None, empty=True))
    assert [target.read.window.why for target in planned.targets] == [
        "the target is empty",
        "the target does not exist yet",
    ]
    assert len(planned.reads()) == 1


def test_targets_with_different_windows_are_read_apart(shop: Any, plan: Plan) -> None:
    one, other = shop.target(), shop.target(connection=shop.lake)
    planned = plan(
        shop.job(one, other), shop.seen(one), shop.seen(other, watermark=shop.watermark(other, "900"))
    )
    assert len(planned.reads()) == 2
    assert [type(target.path) for target in planned.targets] == [InsertSelect, ArrowStream]


def test_a_target_that_is_read_alone_inside_the_server_reads_its_own_columns_only(
    shop: Any, plan: Plan
) -> None:
    narrow = replace(shop.table, name="ids", columns=shop.table.columns[:1])
    one, other = shop.target(), shop.target(narrow)
    planned = plan(
        shop.job(one, other), shop.seen(one, watermark=shop.watermark(one, "900")), shop.seen(other)
    )
    assert [[column.name for column in target.read.columns] for target in planned.targets] == [
        ["event_id", "name", "received_at"],
        ["event_id"],
    ]
    assert [type(target.path) for target in planned.targets] == [InsertSelect, InsertSelect]


def test_the_plan_says_where_a_target_gets_a_narrower_type_than_its_own(shop: Any, plan: Plan) -> None:
    small = Column(name="event_id", type=Scalar.INTEGER, nullable=False, primary_key=True)
    narrow = replace(shop.table, name="small", columns=(small, *shop.table.columns[1:]))
    planned = plan(shop.job(shop.target(), shop.target(narrow)))
    assert [target.notes for target in planned.targets] == [
        ("event_id is read as Integer, the narrowest type among the job's targets",),
        (),
    ]


# --- the schema ---------------------------------------------------------------------------------------


def test_a_missing_table_is_created_on_the_way(shop: Any, plan: Plan) -> None:
    target = shop.target()
    state = shop.seen(target, live=None, schema_exists=False, empty=True)
    assert only(plan(shop.job(), state)).steps == (
        CreateSchema(schema="analytics"),
        CreateTable(table=shop.table),
    )


def test_a_missing_nullable_column_is_added_on_the_way(shop: Any, plan: Plan) -> None:
    live = replace(shop.table, columns=(shop.table.columns[0], shop.table.columns[2]))
    steps = only(plan(shop.job(), shop.seen(shop.target(), live=live))).steps
    assert steps == (AddColumn(table=shop.table, column=shop.table.columns[1]),)


def test_drift_is_an_error_that_lists_the_differences(shop: Any, plan: Plan) -> None:
    number = replace(shop.table.columns[1], type=Scalar.BIGINT)
    live = replace(shop.table, columns=(shop.table.columns[0], number, shop.table.columns[2]))
    with pytest.raises(SchemaDriftError) as raised:
        plan(shop.job(), shop.seen(shop.target(), live=live))
    assert raised.value.table == "analytics.events"
    assert raised.value.drifts == ("column name is BigInt, declared Text",)


def test_a_table_that_is_made_gets_a_unique_index_where_the_mode_leans_on_one(shop: Any, plan: Plan) -> None:
    def made(mode: LoadMode) -> Any:
        target = shop.target(shop.keyless, mode=mode)
        (step,) = only(plan(shop.job(target), shop.seen(target, live=None, empty=True))).steps
        return step.table.primary_key, step.table.unique_keys

    key = UniqueKey(name="keys", columns=KEY)
    assert made(Append(keys=KEY)) == ((), (key,))
    assert made(Merge(keys=KEY)) == ((), (key,))
    assert made(Truncate(keys=KEY)) == ((), ())
    current = UniqueKey(name="current", columns=KEY, only_current=True)
    assert made(Scd2(keys=KEY)) == (("event_id", "valid_from"), (current,))


@pytest.mark.parametrize("mode", [Append(keys=KEY), Truncate(keys=KEY), Merge(keys=KEY)])
def test_a_live_table_without_a_unique_index_is_no_drift(shop: Any, plan: Plan, mode: Any) -> None:
    target = shop.target(mode=mode)
    assert only(plan(shop.job(target), shop.seen(target, live=shop.keyless))).steps == ()


def test_a_live_table_without_the_mark_of_deleted_rows_gets_it(shop: Any, plan: Plan) -> None:
    target = shop.target(mode=Merge(keys=KEY, deletes=Deletes.SOFT))
    (step,) = only(plan(shop.job(target), shop.seen(target, live=shop.table))).steps
    assert isinstance(step, AddColumn)
    assert (step.column.name, step.column.type, step.column.nullable) == (
        "deleted_at",
        Scalar.TIMESTAMPTZ,
        True,
    )


def test_a_live_table_without_validity_is_no_history(shop: Any, plan: Plan) -> None:
    target = shop.target(mode=Scd2(keys=KEY))
    with pytest.raises(SchemaDriftError) as raised:
        plan(shop.job(target), shop.seen(target, live=shop.table))
    assert raised.value.drifts == (
        "column valid_from is missing and declared NOT NULL without a default",
        "column is_current is missing and declared NOT NULL without a default",
    )


# --- what cannot be planned ---------------------------------------------------------------------------


def refused(plan: Plan, *args: Any, **kwargs: Any) -> str:
    with pytest.raises(PlanError) as raised:
        plan(*args, **kwargs)
    return str(raised.value)


def test_a_window_needs_sql(shop: Any, plan: Plan) -> None:
    job = shop.job(shop.target(shop.keyless), increment=BY_TIME)
    assert refused(plan, job, query=None, source=SourceState(columns=shop.source.columns)) == (
        "job 'load': incremental= bounds a query, and the body yields record batches; return SQL, or drop incremental="
    )


def test_a_window_needs_its_column(shop: Any, plan: Plan) -> None:
    assert refused(plan, shop.job(increment=Incremental(column="changed_at"))) == (
        "job 'load': the query does not return the column changed_at, which incremental= names; add it to the query, "
        "or name another column"
    )


def test_a_window_needs_a_type_that_the_target_can_keep(shop: Any, plan: Plan) -> None:
    job = shop.job(shop.target(connection=shop.lake), increment=Incremental(column="name"))
    assert refused(plan, job).startswith(
        "job 'load': table analytics.events: the window column 'name' is Text, and a Delta table keeps its watermark"
    )


def test_a_lookback_needs_a_time(shop: Any, plan: Plan) -> None:
    job = shop.job(increment=Incremental(column="event_id", lookback=timedelta(hours=1)))
    assert "the window column 'event_id' is BigInt, and a lookback is a span of time" in refused(plan, job)


def test_an_unsafe_cast_stops_the_plan(shop: Any, plan: Plan) -> None:
    source = replace(
        shop.source,
        columns=(SourceColumn(name="event_id", type=Scalar.DOUBLE), *shop.source.columns[1:]),
    )
    with pytest.raises(UnsafeCastError, match="column 'event_id'"):
        plan(shop.job(), source=source)


# --- the plan as a value ------------------------------------------------------------------------------


def test_a_plan_pickles(shop: Any, plan: Plan) -> None:
    job = shop.job(shop.target(), shop.target(connection=shop.lake))
    made = plan(job, *(shop.seen(target, live=None, empty=True) for target in job.targets))
    assert pickle.loads(pickle.dumps(made)) == made  # noqa: S301  # our own bytes


def test_the_same_facts_give_the_same_plan(shop: Any, plan: Plan) -> None:
    assert plan(shop.job()) == plan(shop.job())


def test_a_plan_says_which_columns_are_cast(shop: Any, plan: Plan) -> None:
    assert [column.cast for column in only(plan(shop.job())).read.columns] == [Cast.NONE] * 3


def test_a_join_of_tables_inside_the_server_is_one_statement_for_a_keyless_target(
    shop: Any, plan: Plan
) -> None:
    names = Relation(
        schema="raw",
        name="names",
        kind=RelationKind.HEAP,
        columns=(
            RelationColumn(name="event_id", type="bigint", built_in=True),
            RelationColumn(name="label", type="text", built_in=True),
        ),
        row_security=False,
        unique_keys=(),
        identity="16401",
    )
    planned = only(
        plan(
            shop.job(shop.target(shop.keyless), increment=EveryRow()),
            query="select e.event_id, n.label as name, e.received_at from raw.events e join raw.names n using (event_id)",
            source=replace(shop.source, relations=(shop.relation, names)),
        )
    )
    assert planned.path == InsertSelect(why="source and target are one database")
