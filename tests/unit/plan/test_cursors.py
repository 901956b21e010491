"""What a watermark counts, which slice follows from it, and why a run reads everything where it does."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ematix_flow.plan import ColumnRange, Everything, NoCursor, SinceTransaction, cursor_for
from ematix_flow.plan.cursors import (
    ColumnCursor,
    Cursor,
    TransactionCursor,
    unfit,
    watermark_after,
    window_for,
)
from ematix_flow.query import parse_select
from ematix_flow.spec import (
    Append,
    Automatic,
    Deletes,
    EveryRow,
    Increment,
    Incremental,
    Merge,
    Scd2,
    Truncate,
)
from ematix_flow.state import RelationColumn, RelationKind, RunRequest, Watermark
from ematix_flow.types import DataType, Decimal, Foreign, ListOf, Scalar, Varchar

BY_TIME = Incremental(column="received_at")


def cursor(shop: Any, increment: Increment = Automatic(), query: str | None = None, **facts: Any) -> Cursor:  # noqa: B008  # a frozen value
    """The cursor of the shop's target, with facts of the source changed."""
    select = parse_select(query or shop.query)
    return cursor_for(shop.job(increment=increment).job, shop.target(), select, replace(shop.source, **facts))


def transaction(shop: Any) -> TransactionCursor:
    found = cursor(shop)
    assert isinstance(found, TransactionCursor)
    return found


def by_column(type_: DataType, lookback: timedelta = timedelta(0)) -> ColumnCursor:
    return ColumnCursor(column="c", type=type_, lookback=lookback)


# --- what is counted ----------------------------------------------------------------------------------


def test_every_row_is_read_where_that_was_declared(shop: Any) -> None:
    assert cursor(shop, EveryRow()) == NoCursor(why="incremental=False")


def test_a_declared_column_is_counted_in_the_sources_own_type(shop: Any) -> None:
    found = cursor(shop, Incremental(column="received_at", lookback=timedelta(hours=1)))
    assert found == ColumnCursor(column="received_at", type=Scalar.TIMESTAMPTZ, lookback=timedelta(hours=1))
    assert found.name == "column received_at TimestampTZ"


def test_a_declared_column_that_the_query_lacks_cannot_be_counted(shop: Any) -> None:
    assert cursor(shop, Incremental(column="changed_at")) == NoCursor(
        why="the query does not return the column changed_at"
    )


def test_a_plain_select_into_a_keyed_target_is_tracked_by_transaction(shop: Any) -> None:
    found = transaction(shop)
    assert found.name == f"transaction {found.fingerprint}"
    assert found.type is Scalar.BIGINT
    assert shop.query[found.trackable.start : found.trackable.end] == "raw.events"


@pytest.mark.parametrize("kind", [RelationKind.HEAP, RelationKind.PARTITIONED])
def test_ordinary_and_partitioned_tables_are_tracked(shop: Any, kind: RelationKind) -> None:
    found = cursor(shop, relations=(replace(shop.relation, kind=kind),))
    assert isinstance(found, TransactionCursor)


@pytest.mark.parametrize(
    "kind", [kind for kind in RelationKind if kind not in (RelationKind.HEAP, RelationKind.PARTITIONED)]
)
def test_nothing_else_is_tracked(shop: Any, kind: RelationKind) -> None:
    found = cursor(shop, relations=(replace(shop.relation, kind=kind),))
    assert found == NoCursor(why=f"raw.events is {kind.value}")


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"server": None}, "the source has no transaction ids to track, or is a standby"),
        ({"snapshot_xmin": None}, "the source has no transaction ids to track, or is a standby"),
        ({"relations": ()}, "the source's catalog does not know raw.events"),
    ],
)
def test_a_source_that_cannot_be_tracked_says_why(shop: Any, facts: dict[str, Any], why: str) -> None:
    assert cursor(shop, **facts) == NoCursor(why=why)


def test_a_table_with_row_security_is_not_tracked(shop: Any) -> None:
    found = cursor(shop, relations=(replace(shop.relation, row_security=True),))
    assert found == NoCursor(why="row security is active on raw.events")


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("select event_id, count(*) as name from raw.events group by event_id", "it groups rows (GROUP BY)"),
        ("select e.event_id, e.shout as name from raw.events as e", "shout is not a column of raw.events"),
    ],
)
def test_a_query_that_cannot_be_tracked_says_why(shop: Any, query: str, why: str) -> None:
    assert cursor(shop, query=query) == NoCursor(why=why)


def test_a_column_of_a_users_own_type_is_not_tracked(shop: Any) -> None:
    columns = (*shop.relation.columns[:1], RelationColumn(name="name", type="raw.mood", built_in=False))
    found = cursor(
        shop,
        query="select event_id, name from raw.events",
        relations=(replace(shop.relation, columns=columns),),
    )
    assert found == NoCursor(why="the column name is of type raw.mood, which is not built in")


@pytest.mark.parametrize(
    "type_", ["text", "character varying(10)", "json", "time with time zone", "name", "money"]
)
def test_what_may_name_the_clock_is_not_tracked_where_it_is_read_as_a_time(shop: Any, type_: str) -> None:
    columns = (*shop.relation.columns[:1], RelationColumn(name="name", type=type_, built_in=True))
    found = cursor(
        shop,
        query="select event_id, name::timestamptz as received_at from raw.events",
        relations=(replace(shop.relation, columns=columns),),
    )
    assert found == NoCursor(why=f"the column name is a {type_} that is read as a date or time")


def test_truncate_deletes_keyless_targets_and_batches_are_not_tracked(shop: Any) -> None:
    job, select = shop.job().job, parse_select(shop.query)
    truncating = shop.target(mode=Truncate(keys=("event_id",)))
    assert cursor_for(job, truncating, select, shop.source) == NoCursor(
        why="truncate replaces the whole table"
    )
    gone = NoCursor(why="rows that are gone are found by reading all that are there")
    for deletes in Deletes:
        merging = shop.target(mode=Merge(keys=("event_id",), deletes=deletes))
        assert cursor_for(job, merging, select, shop.source) == gone
    closing = shop.target(mode=Scd2(keys=("event_id",), deletes=Deletes.SOFT))
    assert cursor_for(job, closing, select, shop.source) == gone
    assert cursor_for(job, shop.target(mode=Append()), select, shop.source) == NoCursor(
        why="the target has no key that would absorb a row read twice"
    )
    assert cursor_for(job, shop.target(), None, shop.source) == NoCursor(why="the body yields record batches")


# --- the cursor's name: whatever could change what a row is begins anew -------------------------------


def test_the_name_is_the_same_for_the_same_facts(shop: Any) -> None:
    assert cursor(shop).name == cursor(shop).name


@pytest.mark.parametrize(
    "facts",
    [
        {"server": '["7401", "00000001"]'},
        {"query": "select event_id, name, received_at from raw.events where true"},
    ],
)
def test_another_server_or_query_gives_another_name(shop: Any, facts: dict[str, Any]) -> None:
    assert cursor(shop, **facts).name != cursor(shop).name


def test_another_table_in_the_source_gives_another_name(shop: Any) -> None:
    assert cursor(shop, relations=(replace(shop.relation, identity="16999"),)).name != cursor(shop).name


def test_another_declaration_or_target_or_mode_gives_another_name(shop: Any) -> None:
    def name(target: Any) -> str:
        found = cursor_for(shop.job().job, target, parse_select(shop.query), shop.source)
        return found.name

    columns = (*shop.table.columns[:2], replace(shop.table.columns[2], type=Scalar.TEXT))
    names = {
        name(shop.target()),
        name(shop.target(replace(shop.table, columns=columns))),
        name(shop.target(replace(shop.table, name="events2"))),
        name(shop.target(connection=shop.other)),
        name(shop.target(mode=Append(keys=("event_id", "name")))),
    }
    assert len(names) == 5


def test_a_column_cursor_changes_its_name_with_the_columns_type() -> None:
    assert by_column(Scalar.DATE).name != by_column(Scalar.TIMESTAMP).name


# --- the window ---------------------------------------------------------------------------------------


def window(shop: Any, counted: Cursor, request: RunRequest | None = None, **facts: Any) -> Any:
    source = replace(shop.source, bound="2026-01-02 00:00:00+00")
    state = shop.seen(shop.target(), **facts)
    return window_for(shop.job().job, request or shop.request, counted, source, state)


def stored(counted: Cursor, value: str) -> Watermark:
    assert not isinstance(counted, NoCursor)
    return Watermark(cursor=counted.name, value=value, type=counted.type)


def test_a_column_window_reaches_from_the_watermark_to_the_bound(shop: Any) -> None:
    counted = cursor(shop, Incremental(column="received_at", lookback=timedelta(hours=1)))
    assert window(shop, counted, watermark=stored(counted, "2026-01-01 00:00:00+00")) == ColumnRange(
        column="received_at",
        type=Scalar.TIMESTAMPTZ,
        lower="2026-01-01 00:00:00+00",
        lookback=timedelta(hours=1),
        bound="2026-01-02 00:00:00+00",
    )


@pytest.mark.parametrize("facts", [{"live": None, "empty": True}, {"empty": True}, {"watermark": None}])
def test_a_column_window_has_no_lower_end_where_nothing_is_known_of_the_target(
    shop: Any, facts: dict[str, Any]
) -> None:
    counted = cursor(shop, BY_TIME)
    found = window(shop, counted, **{"watermark": stored(counted, "2026-01-01")} | facts)
    assert found.lower is None


def test_a_full_refresh_has_no_lower_end(shop: Any) -> None:
    counted = cursor(shop, BY_TIME)
    request = replace(shop.request, full_refresh=True)
    assert window(shop, counted, request, watermark=stored(counted, "2026-01-01")).lower is None


def test_a_transaction_window_reaches_back_to_the_stored_id(shop: Any) -> None:
    counted = transaction(shop)
    assert window(shop, counted, watermark=stored(counted, "900")) == SinceTransaction(
        xid=900, start=counted.trackable.start, end=counted.trackable.end, name="events"
    )


def test_a_table_under_an_alias_keeps_it(shop: Any) -> None:
    counted = cursor(shop, query="select e.event_id, e.name, e.received_at from raw.events as e")
    assert window(shop, counted, watermark=stored(counted, "900")).name is None


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"live": None, "empty": True}, "the target does not exist yet"),
        ({"empty": True}, "the target is empty"),
        ({"watermark": None}, "no watermark is stored for this query and source yet"),
    ],
)
def test_a_transaction_window_starts_anew_where_nothing_is_known_of_the_target(
    shop: Any, facts: dict[str, Any], why: str
) -> None:
    counted = transaction(shop)
    found = window(shop, counted, **{"watermark": stored(counted, "900")} | facts)
    assert isinstance(found, Everything)
    assert found.why == why


def test_a_full_refresh_reads_everything(shop: Any) -> None:
    counted = transaction(shop)
    found = window(shop, counted, replace(shop.request, full_refresh=True), watermark=stored(counted, "900"))
    assert isinstance(found, Everything)
    assert found.why == "full_refresh was asked for"


@pytest.mark.parametrize(
    ("xid", "now", "why"),
    [
        (1001, 1000, "the source's transaction counter went backwards"),
        (1000, 1000 + 2**31 - 2**24 + 1, "the last run lies more than 2^31 transactions back"),
    ],
)
def test_ids_that_do_not_compare_are_not_compared(shop: Any, xid: int, now: int, why: str) -> None:
    counted = transaction(shop)
    state = shop.seen(shop.target(), watermark=stored(counted, str(xid)))
    found = window_for(shop.job().job, shop.request, counted, replace(shop.source, snapshot_xmin=now), state)
    assert isinstance(found, Everything)
    assert found.why == why


@pytest.mark.parametrize(("xid", "now"), [(1000, 1000), (1000, 1000 + 2**31 - 2**24)])
def test_ids_that_compare_are_a_window(shop: Any, xid: int, now: int) -> None:
    counted = transaction(shop)
    state = shop.seen(shop.target(), watermark=stored(counted, str(xid)))
    found = window_for(shop.job().job, shop.request, counted, replace(shop.source, snapshot_xmin=now), state)
    assert isinstance(found, SinceTransaction)


# --- the watermark after ------------------------------------------------------------------------------


EVERYTHING = Everything(why="so")


def test_the_next_watermark_is_the_bound_of_what_was_read(shop: Any) -> None:
    counted, state = cursor(shop, BY_TIME), shop.seen(shop.target())
    source = replace(shop.source, bound="2026-01-02 00:00:00+00")
    expected = stored(counted, "2026-01-02 00:00:00+00")
    assert watermark_after(counted, EVERYTHING, source, state) == expected


def test_a_source_without_values_leaves_the_watermark_that_bounded_the_read(shop: Any) -> None:
    counted = cursor(shop, BY_TIME)
    state = shop.seen(shop.target(), watermark=stored(counted, "2026-01-01"))
    bounded = window_for(shop.job(increment=BY_TIME).job, shop.request, counted, shop.source, state)
    assert watermark_after(counted, bounded, shop.source, state) == state.watermark


def test_a_full_refresh_of_a_source_without_values_keeps_no_watermark(shop: Any) -> None:
    counted = cursor(shop, BY_TIME)
    state = shop.seen(shop.target(), watermark=stored(counted, "2026-01-01"))
    request = replace(shop.request, full_refresh=True)
    everything = window_for(shop.job(increment=BY_TIME).job, request, counted, shop.source, state)
    assert watermark_after(counted, everything, shop.source, state) is None


def test_the_next_transaction_watermark_is_the_snapshots_xmin(shop: Any) -> None:
    counted, state = transaction(shop), shop.seen(shop.target())
    assert watermark_after(counted, EVERYTHING, shop.source, state) == stored(counted, "1000")


def test_nothing_is_kept_where_nothing_is_counted(shop: Any) -> None:
    counted, state = NoCursor(why="so"), shop.seen(shop.target())
    assert watermark_after(counted, EVERYTHING, shop.source, state) is None


# --- which cursors serve which targets ----------------------------------------------------------------

TIMES = [Scalar.DATE, Scalar.TIMESTAMP, Scalar.TIMESTAMPTZ]
INTEGERS = [Scalar.SMALLINT, Scalar.INTEGER, Scalar.BIGINT]
KEPT_AS_TEXT = [Scalar.TEXT, Varchar(9), Scalar.UUID, Decimal(), Decimal(12, 2), Scalar.REAL, Scalar.DOUBLE]
NOT_KEPT = [
    Scalar.BOOLEAN,
    Scalar.TIME,
    Scalar.INTERVAL,
    Scalar.JSON,
    Scalar.JSONB,
    Scalar.BYTES,
    ListOf(Scalar.INTEGER),
    Foreign("mood"),
]


@pytest.mark.parametrize("type_", [*TIMES, *INTEGERS, *KEPT_AS_TEXT], ids=str)
def test_postgres_keeps_a_watermark_of_what_has_an_order(shop: Any, type_: DataType) -> None:
    assert unfit(by_column(type_), shop.target()) is None


@pytest.mark.parametrize("type_", [*TIMES, *INTEGERS], ids=str)
def test_delta_keeps_a_watermark_of_times_and_integers(shop: Any, type_: DataType) -> None:
    assert unfit(by_column(type_), shop.target(connection=shop.lake)) is None


@pytest.mark.parametrize("type_", [*KEPT_AS_TEXT, *NOT_KEPT], ids=str)
def test_delta_keeps_no_other_watermark(shop: Any, type_: DataType) -> None:
    assert unfit(by_column(type_), shop.target(connection=shop.lake)) == (
        f"the window column 'c' is {type_}, and a Delta table keeps its watermark as a 64-bit integer; use a "
        "timestamp, date or integer column, or incremental=False"
    )


@pytest.mark.parametrize("type_", NOT_KEPT, ids=str)
def test_postgres_keeps_no_watermark_of_anything_else(shop: Any, type_: DataType) -> None:
    assert unfit(by_column(type_), shop.target()) == (
        f"the window column 'c' is {type_}, of which no watermark is kept; use a timestamp, date or integer column, "
        "or incremental=False"
    )


@pytest.mark.parametrize("type_", TIMES, ids=str)
def test_a_lookback_is_taken_from_a_time(shop: Any, type_: DataType) -> None:
    assert unfit(by_column(type_, timedelta(hours=1)), shop.target()) is None


@pytest.mark.parametrize("type_", [*INTEGERS, *KEPT_AS_TEXT], ids=str)
def test_a_lookback_cannot_be_taken_from_anything_else(shop: Any, type_: DataType) -> None:
    assert unfit(by_column(type_, timedelta(hours=1)), shop.target()) == (
        f"the window column 'c' is {type_}, and a lookback is a span of time; use a timestamp or date column, or "
        "drop the lookback"
    )


def test_a_transaction_is_kept_by_both_backends(shop: Any) -> None:
    assert unfit(transaction(shop), shop.target()) is None
    assert unfit(transaction(shop), shop.target(connection=shop.lake)) is None
