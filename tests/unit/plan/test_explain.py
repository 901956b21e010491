"""A plan in words, as a person reads it before a deployment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

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
    InsertSelect,
    JobPlan,
    MergeRows,
    Proven,
    ReplaceRows,
    SinceTransaction,
    StagedSelect,
    Unproven,
    explain,
)
from ematix_flow.plan.explain import describe_action, describe_path, describe_window
from ematix_flow.spec import Deletes, EveryRow, Incremental
from ematix_flow.types import Scalar

SLICE = ColumnRange(
    column="day", type=Scalar.DATE, lower="2026-01-01", lookback=timedelta(0), bound="2026-01-02"
)
VERSIONS = AddVersions(
    keys=("a",),
    compare=("b", "c"),
    valid_from="at",
    deletes=None,
    allow_empty_source=False,
    uniqueness=Unproven(why="it joins tables"),
)


def test_a_plan_is_told_target_by_target(shop: Any, plan: Callable[..., JobPlan]) -> None:
    one, other = shop.target(), shop.target(connection=shop.lake)
    made = plan(
        shop.job(one, other),
        shop.seen(one, live=None, schema_exists=False, empty=True),
        shop.seen(other, watermark=shop.watermark(other, "900")),
    )
    first, second = made.targets
    told = replace(made, targets=(replace(first, sql=("create table …", "insert into …")), second))
    assert explain(told) == (
        "job load\n"
        "  target warehouse:analytics.events\n"
        "    load      add rows with a new key (event_id); keys need no check, because raw.events has a unique index "
        "on (event_id)\n"
        "    window    every row, because the target does not exist yet\n"
        "    path      insert … select inside the server, because source and target are one database, and raw.events "
        "has a unique index on (event_id)\n"
        "    watermark 1000\n"
        "    step      create schema analytics\n"
        "    step      create table analytics.events\n"
        "    sql       create table …\n"
        "    sql       insert into …\n"
        "  target lake:analytics.events\n"
        "    load      add rows with a new key (event_id); keys need no check, because raw.events has a unique index "
        "on (event_id)\n"
        "    window    rows written since transaction 900\n"
        "    path      Arrow record batches, because rows travel from warehouse to lake\n"
        "    watermark 1000"
    )


def test_what_is_not_seen_by_a_window_is_noted(shop: Any, plan: Callable[..., JobPlan]) -> None:
    def note(lookback: timedelta) -> tuple[str, ...]:
        increment = Incremental(column="received_at", lookback=lookback)
        (target,) = plan(shop.job(increment=increment)).targets
        return target.notes

    assert note(timedelta(0)) == (
        "a row whose received_at lies below the watermark when it commits is not seen",
    )
    assert note(timedelta(hours=1)) == (
        "a row whose received_at lies more than 1:00:00 below the watermark when it commits is not seen",
    )


def test_nothing_kept_is_said(shop: Any, plan: Callable[..., JobPlan]) -> None:
    assert "    watermark none is kept" in explain(plan(shop.job(increment=EveryRow()))).splitlines()


@pytest.mark.parametrize(
    ("window", "words"),
    [
        (Everything(why="the target is empty"), "every row, because the target is empty"),
        (SLICE, "day from 2026-01-01 to 2026-01-02"),
        (replace(SLICE, lookback=timedelta(days=1)), "day from 2026-01-01 less 1 day, 0:00:00 to 2026-01-02"),
        (replace(SLICE, lower=None), "day up to 2026-01-02, because no watermark is used"),
        (replace(SLICE, bound=None), "nothing, because the source holds no value of day"),
        (replace(SLICE, lower=None, bound=None), "nothing, because the source holds no value of day"),
        (SinceTransaction(xid=900, start=0, end=1, name=None), "rows written since transaction 900"),
    ],
)
def test_a_window_is_a_phrase(window: Any, words: str) -> None:
    assert describe_window(window) == words


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (AddRows(), "add every row that is read"),
        (
            AddNewKeys(keys=("a", "b"), uniqueness=Unproven(why="it joins tables")),
            "add rows with a new key (a, b); keys are checked first, because it joins tables",
        ),
        (AddMissing(window=SLICE), "add the rows of the slice by day that the target lacks"),
        (
            ReplaceRows(keys=(), uniqueness=Proven(why="there is no key to check")),
            "replace the whole table; keys need no check, because there is no key to check",
        ),
        (
            MergeRows(
                keys=("a",),
                update=("b",),
                deletes=None,
                allow_empty_source=False,
                uniqueness=Proven(why="t has a unique index"),
            ),
            "merge by key (a); keys need no check, because t has a unique index",
        ),
        (
            MergeRows(
                keys=("a", "b"),
                update=("c",),
                deletes=Deletes.SOFT,
                allow_empty_source=False,
                uniqueness=Unproven(why="it joins tables"),
            ),
            "merge by key (a, b); rows that are gone are deleted (soft); keys are checked first, because it joins tables",
        ),
        (
            replace(VERSIONS, valid_from=None),
            "keep versions of (a) that differ in (b, c), since this run",
        ),
        (
            replace(VERSIONS, deletes=Deletes.SOFT),
            "keep versions of (a) that differ in (b, c), since at; versions of rows that are gone are closed",
        ),
    ],
)
def test_an_action_is_a_phrase(action: Any, words: str) -> None:
    assert describe_action(action) == words


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (InsertSelect(why="x"), "insert … select inside the server, because x"),
        (StagedSelect(why="x"), "staged inside the server, because x"),
        (CopyInto(why="x"), "COPY from server to server, because x"),
        (CopyStaged(why="x"), "COPY from server to server and staged there, because x"),
        (ArrowStream(why="x"), "Arrow record batches, because x"),
    ],
)
def test_a_path_is_a_phrase(path: Any, words: str) -> None:
    assert describe_path(path) == words
