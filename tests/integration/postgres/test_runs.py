"""Jobs on a real Postgres: what each mode and path leaves in the target, and what the counts say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import psycopg
import pyarrow as pa
import pytest
from psycopg import sql

from ematix_flow import Job, Project, pk
from ematix_flow.errors import DuplicateKeyError, NullKeyError, RunError, SchemaDriftError, SourceQueryError
from ematix_flow.plan import CopyInto, InsertSelect, StagedSelect
from ematix_flow.run import plan_job, run_job
from ematix_flow.types import BigInt, Text, TimestampTZ

Rows = list[tuple[Any, ...]]


def rows(db: psycopg.Connection, query: str) -> Rows:
    return db.execute(query).fetchall()  # type: ignore[arg-type]  # a test's own literal SQL


@pytest.fixture
def events(db: psycopg.Connection) -> psycopg.Connection:
    db.execute("create schema raw")
    db.execute(
        "create table raw.events (event_id bigint primary key, name text, received_at timestamptz not null)"
    )
    db.execute(
        "insert into raw.events select n, 'e' || n, '2026-01-01 00:00Z'::timestamptz + n * interval '1 min' "
        "from generate_series(1, 100) as n"
    )
    return db


def keyed_job(project: Project, dsn: str, source: str | None = None, **options: Any) -> Job:
    project.connection(type("warehouse", (), {"kind": "postgres", "url": dsn}))
    if source:
        project.connection(type("origin", (), {"kind": "postgres", "url": source}))
        options["source_connection"] = "origin"

    @project.table(schema="analytics")
    class Events:
        event_id: Annotated[BigInt, pk()]
        name: Text | None
        received_at: TimestampTZ

    options.setdefault("query", "select event_id, name, received_at from raw.events")
    query = options.pop("query")

    @project.job(name="load", target=Events, target_connection="warehouse", **options)
    def load() -> str:
        return query

    return load


def keyless_job(project: Project, dsn: str, **options: Any) -> Job:
    project.connection(type("warehouse", (), {"kind": "postgres", "url": dsn}))

    @project.table(schema="analytics")
    class Events:
        name: Text | None
        received_at: TimestampTZ

    @project.job(name="load", target=Events, target_connection="warehouse", **options)
    def load() -> str:
        return "select name, received_at from raw.events"

    return load


pytestmark = pytest.mark.filterwarnings("ignore::ematix_flow.LiteralPasswordWarning")


def test_a_keyed_append_adds_new_rows_once(events: psycopg.Connection, dsn: str, project: Project) -> None:
    job = keyed_job(project, dsn)
    first = run_job(job, project=project).targets[0].counts
    events.execute("insert into raw.events values (101, null, '2025-01-01 00:00Z')")
    second = run_job(job, project=project).targets[0].counts
    assert (first.read, first.inserted, first.unchanged) == (100, 100, 0)
    assert (second.read, second.inserted, second.unchanged) == (1, 1, 0)
    assert rows(events, "select * from analytics.events except select * from raw.events") == []
    assert rows(events, "select count(*) from analytics.events") == [(101,)]


def test_an_updated_row_comes_again_and_is_left_alone(
    events: psycopg.Connection, dsn: str, project: Project
) -> None:
    job = keyed_job(project, dsn)
    run_job(job, project=project)
    events.execute("update raw.events set name = 'changed' where event_id = 7")
    counts = run_job(job, project=project).targets[0].counts
    assert (counts.read, counts.inserted, counts.unchanged) == (1, 0, 1)
    assert rows(events, "select name from analytics.events where event_id = 7") == [("e7",)]


def test_the_same_database_is_loaded_without_a_row_leaving_the_server(
    events: psycopg.Connection, dsn: str, project: Project
) -> None:
    plan = plan_job(keyed_job(project, dsn), project=project)
    assert isinstance(plan.targets[0].path, InsertSelect)


def test_two_names_of_one_database_are_recognized(
    events: psycopg.Connection, dsn: str, project: Project
) -> None:
    job = keyed_job(project, dsn, source=dsn.replace("127.0.0.1", "localhost"))
    assert isinstance(plan_job(job, project=project).targets[0].path, InsertSelect)


def test_two_databases_of_one_server_are_told_apart(
    events: psycopg.Connection, new_database: Callable[[], str], dsn: str, project: Project
) -> None:
    target = new_database()
    job = keyed_job(project, target, source=dsn)
    assert isinstance(plan_job(job, project=project).targets[0].path, CopyInto)
    counts = run_job(job, project=project).targets[0].counts
    assert (counts.read, counts.inserted) == (100, 100)
    with psycopg.connect(target) as other:
        copied = other.execute("select * from analytics.events order by 1").fetchall()
    assert copied == rows(events, "select * from raw.events order by 1")


def test_planning_changes_nothing(events: psycopg.Connection, dsn: str, project: Project) -> None:
    plan_job(keyed_job(project, dsn), project=project)
    assert rows(events, "select to_regnamespace('analytics'), to_regnamespace('ematix_flow')") == [
        (None, None)
    ]


def test_a_query_that_is_more_than_a_plain_select_is_staged_and_its_keys_checked(
    events: psycopg.Connection, dsn: str, project: Project
) -> None:
    query = "select event_id, max(name) as name, max(received_at) as received_at from raw.events group by event_id"
    job = keyed_job(project, dsn, query=query)
    assert isinstance(plan_job(job, project=project).targets[0].path, StagedSelect)
    counts = run_job(job, project=project).targets[0].counts
    assert (counts.read, counts.inserted) == (100, 100)


def test_a_volatile_function_can_write_nothing(
    events: psycopg.Connection, dsn: str, project: Project
) -> None:
    events.execute(
        "create function raw.wipe() returns text language plpgsql volatile as "
        "$$ begin delete from raw.events; return 'gone'; end $$"
    )
    job = keyed_job(project, dsn, query="select event_id, raw.wipe() as name, received_at from raw.events")
    with pytest.raises(RunError, match="cannot execute DELETE in a read-only transaction"):
        run_job(job, project=project)
    assert rows(events, "select count(*) from raw.events") == [(100,)]
    assert rows(events, "select to_regclass('analytics.events')") == [(None,)]


def test_a_function_disguised_as_a_column_can_write_nothing(
    events: psycopg.Connection, dsn: str, project: Project
) -> None:
    events.execute(
        "create function raw.wipe(e raw.events) returns text language plpgsql volatile as "
        "$$ begin delete from raw.events; return 'gone'; end $$"
    )
    events.execute(
        sql.SQL("alter database {} set search_path = raw").format(sql.Identifier(events.info.dbname))
    )
    job = keyed_job(project, dsn, query="select e.event_id, e.wipe as name, e.received_at from raw.events e")
    with pytest.raises(RunError, match="cannot execute DELETE in a read-only transaction"):
        run_job(job, project=project)


OVERLOADS = [
    "create function public.lower(v varchar) returns text language plpgsql volatile as {body}",
    """create function public.same(a varchar, b varchar) returns boolean language plpgsql volatile as {body};
    create operator public.= (leftarg = varchar, rightarg = varchar, function = public.same)""",
    """create function public.told(n bigint) returns text language plpgsql volatile as {body};
    create cast (bigint as text) with function public.told(bigint)""",
]
WIPES = "$$ begin delete from raw.events; return null; end $$"


@pytest.mark.parametrize("overload", OVERLOADS)
def test_an_overload_of_what_is_built_in_can_write_nothing(
    events: psycopg.Connection, dsn: str, project: Project, overload: str
) -> None:
    events.execute("alter table raw.events alter name type varchar")
    events.execute(overload.replace("{body}", WIPES))  # type: ignore[call-overload]  # the test's own text
    query = (
        "select event_id, lower(name) || event_id::text as name, received_at from raw.events "
        "where name = 'e1'::varchar or name is null"
    )
    # A cast may be met by the look at the query already.
    with pytest.raises(
        (RunError, SourceQueryError), match="cannot execute DELETE in a read-only transaction"
    ):
        run_job(keyed_job(project, dsn, query=query), project=project)
    assert rows(events, "select count(*) from raw.events") == [(100,)]


def test_identical_duplicates_collapse_to_one(events: psycopg.Connection, dsn: str, project: Project) -> None:
    query = "select event_id, name, received_at from raw.events union all select * from raw.events"
    counts = run_job(keyed_job(project, dsn, query=query), project=project).targets[0].counts
    assert (counts.read, counts.inserted, counts.unchanged) == (200, 100, 100)


def test_different_rows_with_one_key_are_an_error_that_shows_them(
    events: psycopg.Connection, dsn: str, project: Project
) -> None:
    query = "select event_id % 99 as event_id, name, received_at from raw.events"
    with pytest.raises(RunError) as raised:
        run_job(keyed_job(project, dsn, query=query), project=project)
    error = raised.value.__cause__
    assert isinstance(error, DuplicateKeyError)
    assert (error.columns, error.count) == (("event_id",), 1)
    assert "(1,e1," in error.samples[0]
    assert "(1,e100," in error.samples[0]
    assert rows(events, "select to_regclass('analytics.events')") == [(None,)]


def test_a_null_key_is_an_error_that_shows_the_row(
    events: psycopg.Connection, dsn: str, project: Project
) -> None:
    query = "select nullif(event_id, 5) as event_id, name, received_at from raw.events"
    with pytest.raises(RunError) as raised:
        run_job(keyed_job(project, dsn, query=query), project=project)
    error = raised.value.__cause__
    assert isinstance(error, NullKeyError)
    assert (error.count, error.samples) == (1, ('(,e5,"2026-01-01 00:05:00+00")',))


def test_truncate_makes_the_target_the_source(events: psycopg.Connection, dsn: str, project: Project) -> None:
    job = keyed_job(project, dsn, mode="truncate")
    run_job(job, project=project)
    events.execute("delete from raw.events where event_id > 10")
    counts = run_job(job, project=project).targets[0].counts
    assert (counts.read, counts.inserted, counts.deleted) == (10, 10, 100)
    assert rows(events, "select count(*) from analytics.events") == [(10,)]


def test_truncate_with_an_empty_source_empties_the_target(
    events: psycopg.Connection, dsn: str, project: Project
) -> None:
    job = keyed_job(project, dsn, mode="truncate")
    run_job(job, project=project)
    events.execute("delete from raw.events")
    counts = run_job(job, project=project).targets[0].counts
    assert (counts.read, counts.inserted, counts.deleted) == (0, 0, 100)


def test_a_keyless_append_without_a_window_adds_every_row_each_time(
    events: psycopg.Connection, dsn: str, project: Project
) -> None:
    job = keyless_job(project, dsn, incremental=False)
    run_job(job, project=project)
    counts = run_job(job, project=project).targets[0].counts
    assert (counts.read, counts.inserted) == (100, 100)
    assert rows(events, "select count(*) from analytics.events") == [(200,)]


def test_a_keyless_window_keeps_ties_and_twins_and_adds_nothing_twice(
    events: psycopg.Connection, dsn: str, project: Project
) -> None:
    job = keyless_job(project, dsn, incremental="received_at")
    run_job(job, project=project)
    events.execute(
        "insert into raw.events select 200 + n, 'e100', max(received_at) from raw.events, generate_series(1, 2) as n "
        "group by n"
    )
    counts = run_job(job, project=project).targets[0].counts
    assert (counts.read, counts.inserted, counts.unchanged) == (3, 2, 1)
    assert rows(events, "select count(*) from analytics.events where name = 'e100'") == [(3,)]
    again = run_job(job, project=project).targets[0].counts
    assert (again.read, again.inserted) == (3, 0)


def test_a_full_refresh_of_a_keyless_target_replaces_it(
    events: psycopg.Connection, dsn: str, project: Project
) -> None:
    job = keyless_job(project, dsn, incremental="received_at")
    run_job(job, project=project)
    events.execute("delete from raw.events where event_id <= 50")
    counts = run_job(job, project=project, full_refresh=True).targets[0].counts
    assert (counts.read, counts.inserted, counts.deleted) == (50, 50, 100)


@pytest.mark.parametrize("value", ["infinity", "-infinity"])
def test_an_infinite_value_in_the_window_column_is_an_error(
    events: psycopg.Connection, dsn: str, project: Project, value: str
) -> None:
    job = keyless_job(project, dsn, incremental="received_at")
    run_job(job, project=project)
    events.execute("insert into raw.events values (999, 'never', %s)", [value])
    with pytest.raises(
        RunError, match=f"window column 'received_at': no watermark can pass the value: {value}"
    ):
        run_job(job, project=project)
    assert rows(events, "select count(*) from analytics.events") == [(100,)]


def test_a_nullable_new_column_is_added_to_a_live_table(
    events: psycopg.Connection, dsn: str, project: Project
) -> None:
    events.execute("create schema analytics")
    events.execute(
        "create table analytics.events (event_id bigint primary key, received_at timestamptz not null)"
    )
    run_job(keyed_job(project, dsn), project=project)
    assert rows(events, "select count(name) from analytics.events") == [(100,)]


def test_a_live_column_of_another_type_is_drift(
    events: psycopg.Connection, dsn: str, project: Project
) -> None:
    events.execute("create schema analytics")
    events.execute(
        "create table analytics.events (event_id bigint primary key, name text, received_at timestamp not null)"
    )
    with pytest.raises(SchemaDriftError, match="column received_at is Timestamp, declared TimestampTZ"):
        plan_job(keyed_job(project, dsn), project=project)


def test_a_body_that_yields_batches_loads_them(db: psycopg.Connection, dsn: str, project: Project) -> None:
    project.connection(type("warehouse", (), {"kind": "postgres", "url": dsn}))

    @project.table(schema="analytics")
    class Rates:
        currency: Annotated[Text, pk()]
        rate: BigInt

    @project.job(name="rates", target=Rates, target_connection="warehouse")
    def rates() -> Any:
        yield pa.record_batch({"rate": [1, 2], "currency": ["EUR", "USD"]})
        yield pa.record_batch({"rate": [3], "currency": ['with "quotes", and a comma']})

    counts = run_job(rates, project=project).targets[0].counts
    assert (counts.read, counts.inserted) == (3, 3)
    assert run_job(rates, project=project).targets[0].counts.unchanged == 3
    assert rows(db, "select currency, rate from analytics.rates order by rate") == [
        ("EUR", 1),
        ("USD", 2),
        ('with "quotes", and a comma', 3),
    ]


def test_a_body_that_fails_half_way_leaves_the_target_untouched(
    db: psycopg.Connection, dsn: str, project: Project
) -> None:
    project.connection(type("warehouse", (), {"kind": "postgres", "url": dsn}))

    @project.table(schema="analytics")
    class Numbers:
        n: Annotated[BigInt, pk()]

    @project.job(name="numbers", target=Numbers, target_connection="warehouse", mode="truncate")
    def numbers() -> Any:
        yield pa.record_batch({"n": [1, 2]})
        raise ValueError("the upstream API is down")

    with pytest.raises(RunError, match="ValueError: the upstream API is down"):
        run_job(numbers, project=project)
    assert rows(db, "select to_regclass('analytics.numbers')") == [(None,)]
