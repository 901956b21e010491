"""Explicit windows: `[start, end)` is read, replaced in append and truncate, merged in merge, and moves no watermark."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import psycopg
import pytest

from ematix_flow import Job, Merge, PlanError, Project, RunError, Scd2, Window, pk, plan_job, run_job
from ematix_flow.plan import Slice
from ematix_flow.types import BigInt, Text, TimestampTZ

pytestmark = pytest.mark.filterwarnings("ignore::ematix_flow.LiteralPasswordWarning")
SECOND = Window(start="2026-01-02", end="2026-01-03")


@pytest.fixture
def days(db: psycopg.Connection) -> psycopg.Connection:
    """Three days of ten rows each; the last day starts exactly where the second ends."""
    db.execute("create schema raw")
    db.execute("create table raw.events (event_id bigint primary key, name text, at timestamptz not null)")
    db.execute(
        "insert into raw.events select n, 'e' || n, '2026-01-01Z'::timestamptz + (n - 1) * interval '2.4 h' "
        "from generate_series(1, 30) as n"
    )
    return db


def declare(project: Project, dsn: str, **options: Any) -> Job:
    project.connection(type("warehouse", (), {"kind": "postgres", "url": dsn}))

    @project.table(schema="analytics")
    class Events:
        event_id: Annotated[BigInt, pk()]
        name: Text | None
        at: TimestampTZ

    options.setdefault("incremental", "at")
    options.setdefault("target_connection", "warehouse")

    @project.job(name="load", target=Events, **options)
    def load() -> str:
        return "select event_id, name, at from raw.events"

    return load


def held(db: psycopg.Connection) -> list[Any]:
    return [row[0] for row in db.execute("select event_id from analytics.events order by 1").fetchall()]


def test_a_slice_holds_its_start_and_not_its_end(
    days: psycopg.Connection, dsn: str, project: Project
) -> None:
    job = declare(project, dsn)
    counts = run_job(job, project=project, window=SECOND).targets[0].counts
    assert (counts.read, counts.inserted) == (10, 10)
    assert held(days) == list(range(11, 21))


def test_a_slice_that_is_run_again_is_replaced(days: psycopg.Connection, dsn: str, project: Project) -> None:
    job = declare(project, dsn)
    run_job(job, project=project)
    days.execute("delete from raw.events where event_id = 12")
    days.execute("update raw.events set name = 'changed' where event_id in (13, 25)")
    counts = run_job(job, project=project, window=SECOND).targets[0].counts
    assert (counts.read, counts.inserted, counts.deleted) == (9, 9, 10)
    assert held(days) == [n for n in range(1, 31) if n != 12]
    names = days.execute("select event_id from analytics.events where name = 'changed'").fetchall()
    assert names == [(13,)]


def test_a_slice_moves_no_watermark(days: psycopg.Connection, dsn: str, project: Project) -> None:
    job = declare(project, dsn)
    run_job(job, project=project)
    before = days.execute("select * from ematix_flow.watermarks").fetchall()
    result = run_job(job, project=project, window=SECOND).targets[0]
    assert result.watermark is None
    assert days.execute("select * from ematix_flow.watermarks").fetchall() == before


def test_a_slice_without_rows_empties_the_target_slice(
    days: psycopg.Connection, dsn: str, project: Project
) -> None:
    job = declare(project, dsn)
    run_job(job, project=project)
    days.execute("delete from raw.events where event_id between 11 and 20")
    counts = run_job(job, project=project, window=SECOND).targets[0].counts
    assert (counts.read, counts.deleted) == (0, 10)
    assert held(days) == [*range(1, 11), *range(21, 31)]


def test_merge_merges_a_slice(days: psycopg.Connection, dsn: str, project: Project) -> None:
    job = declare(project, dsn, mode="merge")
    run_job(job, project=project)
    days.execute("update raw.events set name = 'changed' where event_id in (13, 25)")
    counts = run_job(job, project=project, window=SECOND).targets[0].counts
    assert (counts.read, counts.updated, counts.unchanged) == (10, 1, 9)


@pytest.mark.parametrize(
    ("mode", "why"),
    [
        (Scd2(), "scd2 keeps versions, and a slice of them cannot be replaced"),
        (Merge(deletes="hard"), "a window hides rows, and deletes= would take them for gone"),  # type: ignore[arg-type]  # as users write it
    ],
)
def test_a_mode_that_a_slice_would_mislead_refuses_it(
    days: psycopg.Connection, dsn: str, project: Project, mode: Any, why: str
) -> None:
    job = declare(project, dsn, mode=mode, incremental=None)
    window = Window(start="2026-01-02", end="2026-01-03", column="at")
    with pytest.raises(PlanError, match=why):
        plan_job(job, project=project, window=window)


def test_a_slice_needs_a_column(days: psycopg.Connection, dsn: str, project: Project) -> None:
    job = declare(project, dsn, incremental=None)
    with pytest.raises(
        PlanError, match="a window needs a column; name it in the window, or declare incremental="
    ):
        plan_job(job, project=project, window=SECOND)


def test_the_plan_says_which_slice(days: psycopg.Connection, dsn: str, project: Project) -> None:
    plan = plan_job(declare(project, dsn), project=project, window=SECOND)
    window = plan.targets[0].read.window
    assert isinstance(window, Slice)
    assert (window.column, window.start, window.end) == ("at", "2026-01-02", "2026-01-03")


MOVED = "update raw.events set at = '2026-01-02 12:00Z' where event_id = 3"
OUTSIDE = r"table analytics.events: the table holds .*keys \(event_id\) of this slice outside of it, and would hold them twice"


@pytest.mark.parametrize("mode", ["append", "truncate"])
@pytest.mark.parametrize("where", ["warehouse", "lake"])
def test_a_row_that_moved_into_the_slice_does_not_stand_there_twice(
    days: psycopg.Connection, dsn: str, project: Project, tmp_path: Path, where: str, mode: str
) -> None:
    project.connection(type("lake", (), {"kind": "delta_local", "path": str(tmp_path)}))
    job = declare(
        project, dsn, target_connection=where, source_connection="warehouse", mode=mode, incremental=None
    )
    run_job(job, project=project)
    days.execute(MOVED)
    with pytest.raises(RunError, match=f"job 'load', {OUTSIDE}"):
        run_job(job, project=project, window=replace(SECOND, column="at"))
    both = Window(start="2026-01-01", end="2026-01-03", column="at")
    counts = run_job(job, project=project, window=both).targets[0].counts
    assert (counts.deleted, counts.inserted) == (20, 20)


def test_the_rows_that_stand_elsewhere_are_shown(
    days: psycopg.Connection, dsn: str, project: Project
) -> None:
    job = declare(project, dsn)
    run_job(job, project=project)
    days.execute(MOVED)
    days.execute("alter table analytics.events drop constraint events_pkey")  # nor would an index tell
    with pytest.raises(RunError) as raised:
        run_job(job, project=project, window=SECOND)
    assert str(raised.value.__cause__) == (
        "job 'load', table analytics.events: the table holds 1 keys (event_id) of this slice outside of it, and would "
        "hold them twice: (3); run the job without a window, or with one that covers both places"
    )
    assert held(days) == list(range(1, 31))
