"""Rows that go straight into the table of another server: its index checks their keys, and bad ones are then named."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import pyarrow as pa
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from ematix_flow import Project, Target, iter_job, pk
from ematix_flow.errors import DuplicateKeyError, EmatixError, LoadError, NullKeyError, UncheckedKeyError
from ematix_flow.plan import CopyInto, CopyStaged, Path
from ematix_flow.results import LoadCounts, Retrying, TargetResult
from ematix_flow.types import Array, BigInt, Integer, SmallInt, Text

LABEL = "other:analytics.t"
ONCE = [(LABEL, UncheckedKeyError, 1)]
# A truncate needs the table's own key; what merges or appends gets an index of its own.
MODES = ["append", "merge", "truncate"]
TWINS = "select n, v from raw.t union all select n, v from raw.t where n <= 2"
CONFLICT = "select n, v from raw.t union all select n, 'other ' || v from raw.t where n = 2"
MISSING = "select nullif(n, 2) as n, v from raw.t"
# Nothing tells that this cannot repeat a key, though it does not.
CLEAN = "select n, v from raw.t group by n, v"


@pytest.fixture
def source(databases: Any) -> Any:
    """Four rows in `raw.t (n, v)`."""
    databases.origin.execute("create table raw.t (n bigint primary key, v text)")
    databases.origin.execute("insert into raw.t select n, 'v' || n from generate_series(1, 4) as n")
    databases.other.execute("create schema analytics")
    return databases


@dataclass(frozen=True)
class Run:
    """What a run told."""

    retries: list[tuple[str, type, int]]
    results: dict[str, TargetResult]

    @property
    def path(self) -> Path:
        (result,) = self.results.values()
        assert result.plan is not None
        return result.plan.path

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """Rows read, inserted, unchanged and deleted."""
        (result,) = self.results.values()
        assert result.error is None
        counts = result.counts
        return counts.read, counts.inserted, counts.unchanged, counts.deleted

    @property
    def error(self) -> EmatixError | None:
        (result,) = self.results.values()
        return result.error


def table(project: Project, name: str = "t", **columns: Any) -> type:
    declared = columns or {"n": Annotated[BigInt, pk()], "v": Text | None}
    return project.table(schema="analytics", name=name)(type(name, (), {"__annotations__": declared}))


def run(
    databases: Any,
    given: str | Callable[[], Any],
    *tables: Any,
    project: Project | None = None,
    **options: Any,
) -> Run:
    """Load a query of the origin, or what a body gives, into tables of the other database; by default `analytics.t (n primary key, v)`."""
    project = project or Project()
    databases.connect(project)
    targets = [Target(each, connection="other") for each in tables or [table(project)]]
    decorate = project.job(name="load", targets=targets, source_connection="origin", **options)
    events = list(iter_job(decorate(given if callable(given) else lambda: given), project=project))
    return Run(
        [(e.label, type(e.error), e.attempt) for e in events if isinstance(e, Retrying)],
        {event.label: event for event in events if isinstance(event, TargetResult)},
    )


def held(databases: Any, name: str = "t") -> list[tuple[Any, ...]]:
    query = sql.SQL("select * from {} order by 1").format(sql.Identifier("analytics", name))
    # not prepared: the tables of one name have other columns from test to test
    return databases.other.execute(query, prepare=False).fetchall()  # type: ignore[no-any-return]


ROWS = [(n, f"v{n}") for n in range(1, 5)]


# --- keys ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_good_keys_are_loaded_at_the_first_attempt(source: Any, mode: str) -> None:
    told = run(source, CLEAN, mode=mode)
    assert isinstance(told.path, CopyInto)
    assert (told.retries, told.counts) == ([], (4, 4, 0, 0))
    assert held(source) == ROWS


@pytest.mark.parametrize("mode", MODES)
def test_rows_that_are_alike_count_once(source: Any, mode: str) -> None:
    told = run(source, TWINS, mode=mode)
    assert isinstance(told.path, CopyStaged)
    assert told.path.why == "rows travel from origin to other, and a key repeats or is missing"
    assert (told.retries, told.counts) == (ONCE, (6, 4, 2, 0))
    assert held(source) == ROWS


@pytest.mark.parametrize("mode", MODES)
def test_different_rows_of_one_key_are_an_error_that_shows_them(source: Any, mode: str) -> None:
    told = run(source, CONFLICT, mode=mode)
    assert told.retries == ONCE
    assert isinstance(told.error, DuplicateKeyError)
    assert (told.error.columns, told.error.count) == (("n",), 1)
    assert told.error.samples == ('(2,"other v2") / (2,v2)',)
    assert source.other.execute("select to_regclass('analytics.t')").fetchone() == (None,)


@pytest.mark.parametrize("mode", MODES)
def test_a_missing_key_is_an_error_that_shows_its_row(source: Any, mode: str) -> None:
    told = run(source, MISSING, mode=mode)
    assert told.retries == ONCE
    assert isinstance(told.error, NullKeyError)
    assert (told.error.columns, told.error.count, told.error.samples) == (("n",), 1, ("(,v2)",))
    assert source.other.execute("select to_regclass('analytics.t')").fetchone() == (None,)


@pytest.mark.parametrize("query", [CONFLICT, MISSING])
def test_a_table_that_would_have_been_replaced_keeps_its_rows(source: Any, query: str) -> None:
    run(source, CLEAN, mode="truncate")
    assert run(source, query, mode="truncate").retries == ONCE
    assert held(source) == ROWS


def test_a_table_that_is_replaced_straight_counts_what_went(source: Any) -> None:
    run(source, CLEAN, mode="truncate")
    told = run(source, CLEAN + " having n > 2", mode="truncate")
    assert isinstance(told.path, CopyInto)
    assert (told.retries, told.counts) == ([], (2, 2, 0, 4))
    assert held(source) == ROWS[2:]


def test_the_plan_shows_the_statements_of_the_straight_way(source: Any) -> None:
    told = run(source, CLEAN, mode="truncate")
    (result,) = told.results.values()
    assert result.plan is not None
    assert result.plan.sql[-2:] == (
        'delete from "analytics"."t"',
        'copy "analytics"."t" ("n", "v") from stdin (format binary)',
    )


def test_a_second_load_is_staged_and_compared(source: Any) -> None:
    run(source, CLEAN)
    told = run(source, TWINS)
    assert isinstance(told.path, CopyStaged)
    assert (told.retries, told.counts) == ([], (6, 0, 6, 0))


# --- tables that were not made by us ------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_a_table_without_an_index_on_the_key_is_loaded_from_the_stage(source: Any, mode: str) -> None:
    source.other.execute("create table analytics.t (n bigint not null, v text)")
    project = Project()
    told = run(source, TWINS, table(project, n=BigInt, v=Text | None), project=project, mode=mode, keys="n")
    assert isinstance(told.path, CopyStaged)
    assert (told.retries, told.counts) == ([], (6, 4, 2, 0))
    assert held(source) == ROWS


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("query", "error"), [(CONFLICT, DuplicateKeyError), (MISSING, NullKeyError)])
def test_a_table_without_an_index_refuses_bad_keys(
    source: Any, mode: str, query: str, error: type[EmatixError]
) -> None:
    source.other.execute("create table analytics.t (n bigint not null, v text)")
    project = Project()
    told = run(source, query, table(project, n=BigInt, v=Text | None), project=project, mode=mode, keys="n")
    assert (told.retries, type(told.error)) == ([], error)
    assert held(source) == []


@pytest.mark.parametrize(("query", "error"), [(CONFLICT, DuplicateKeyError), (MISSING, NullKeyError)])
def test_a_new_table_to_truncate_without_a_primary_key_refuses_bad_keys(
    source: Any, query: str, error: type[EmatixError]
) -> None:
    project = Project()
    told = run(
        source, query, table(project, n=BigInt, v=Text | None), project=project, mode="truncate", keys="n"
    )
    assert (told.retries, type(told.error)) == ([], error)


def test_a_key_that_the_table_lets_be_null_is_checked_in_the_stage(source: Any) -> None:
    source.other.execute("create table analytics.t (n bigint unique, v text)")
    told = run(source, MISSING, on_drift="ignore")
    assert (told.retries, type(told.error)) == ([], NullKeyError)
    assert held(source) == []


def test_an_index_that_checks_at_commit_is_none(source: Any) -> None:
    source.other.execute(
        "create table analytics.t (n bigint primary key deferrable initially deferred, v text)"
    )
    told = run(source, TWINS)
    assert (told.retries, told.counts) == ([], (6, 4, 2, 0))


def test_another_unique_column_is_tried_once_more_and_told(source: Any) -> None:
    source.other.execute("create table analytics.t (n bigint primary key, v text unique)")
    told = run(source, "select n, 'same' as v from raw.t group by n")
    assert told.retries == ONCE
    assert type(told.error) is LoadError
    assert "t_v_key" in told.error.reason
    assert held(source) == []


def test_a_keyless_append_that_the_table_refuses_is_not_tried_again(source: Any) -> None:
    source.other.execute("create table analytics.t (n bigint, v text unique)")
    project = Project()
    told = run(
        source, TWINS, table(project, n=BigInt | None, v=Text | None), project=project, incremental=False
    )
    assert (told.retries, type(told.error)) == ([], LoadError)
    assert held(source) == []


def drop_odd(databases: Any) -> None:
    """Have `analytics.t` let rows of an even `n` in only."""
    databases.other.execute(
        "create function analytics.drop_odd() returns trigger language plpgsql as "
        "$$ begin return case when new.n % 2 = 0 then new end; end $$"
    )
    databases.other.execute(
        "create trigger drop_odd before insert on analytics.t for each row execute function analytics.drop_odd()"
    )


def test_what_a_trigger_drops_is_no_inserted_row(source: Any) -> None:
    source.other.execute("create table analytics.t (n bigint primary key, v text)")
    drop_odd(source)
    told = run(source, CLEAN)
    assert isinstance(told.path, CopyInto)
    assert told.counts == (4, 2, 2, 0)
    assert held(source) == [(2, "v2"), (4, "v4")]


def test_what_a_trigger_drops_of_batches_is_no_inserted_row(source: Any) -> None:
    source.other.execute("create table analytics.t (n bigint)")
    drop_odd(source)
    project = Project()
    declared = table(project, n=BigInt | None)
    told = run(
        source, lambda: pa.record_batch({"n": [1, 2, 3]}), declared, project=project, incremental=False
    )
    assert told.counts == (3, 1, 2, 0)
    assert held(source) == [(2,)]


def test_columns_that_nobody_declared_get_their_defaults_in_whatever_order_they_stand(source: Any) -> None:
    source.other.execute(
        "create table analytics.t (v text, own text default 'mine', n bigint primary key, "
        "twice bigint generated always as (n * 2) stored, id bigint generated always as identity)"
    )
    told = run(source, CLEAN + " order by n")
    assert isinstance(told.path, CopyInto)
    assert held(source) == [(f"v{n}", "mine", n, 2 * n, n) for n in range(1, 5)]


def test_a_partitioned_table_takes_rows_straight(source: Any) -> None:
    source.other.execute("create table analytics.t (n bigint primary key, v text) partition by list (n)")
    source.other.execute("create table analytics.t_rest partition of analytics.t default")
    told = run(source, CLEAN)
    assert isinstance(told.path, CopyInto)
    assert held(source) == ROWS


@pytest.fixture
def loader(source: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Runs load the other database as a role of no powers, which owns nothing there."""
    name, word = f"loader_{secrets.token_hex(4)}", secrets.token_hex(4)
    role, database = sql.Identifier(name), sql.Identifier(source.other.info.dbname)
    source.other.execute(sql.SQL("create role {} login password {}").format(role, sql.Literal(word)))
    source.other.execute(sql.SQL("grant create on database {} to {}").format(database, role))
    source.other.execute(sql.SQL("grant usage on schema analytics to {}").format(role))
    grant = sql.SQL("alter default privileges in schema analytics grant all on tables to {}").format(role)
    source.other.execute(grant)
    monkeypatch.setenv("OTHER_DSN", make_conninfo(os.environ["OTHER_DSN"], user=name, password=word))
    yield
    source.other.execute(sql.SQL("drop owned by {} cascade").format(role))
    source.other.execute(sql.SQL("drop role {}").format(role))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.usefixtures("loader")
def test_a_table_under_row_security_is_loaded_by_inserts(source: Any, mode: str) -> None:
    source.other.execute("create table analytics.t (n bigint primary key, v text)")
    source.other.execute("alter table analytics.t enable row level security")
    source.other.execute("create policy everyone on analytics.t using (true)")
    told = run(source, CLEAN, mode=mode)
    assert isinstance(told.path, CopyStaged)
    assert told.path.why.endswith("COPY loads neither a view nor a table under row security")
    assert told.counts == (4, 4, 0, 0)


def test_a_view_is_loaded_by_inserts(source: Any) -> None:
    source.other.execute("create table analytics.u (n bigint, v text)")
    source.other.execute("create view analytics.t as table analytics.u")
    project = Project()
    declared = table(project, n=BigInt | None, v=Text | None)
    told = run(source, CLEAN, declared, project=project, mode="truncate")
    assert isinstance(told.path, CopyStaged)
    assert told.counts == (4, 4, 0, 0)
    assert held(source, "u") == ROWS


# --- types that are not those of the stream -----------------------------------------------------------


def test_a_live_column_of_another_type_is_loaded_from_the_stage(source: Any) -> None:
    source.other.execute("create table analytics.t (n integer primary key, v character(4))")
    told = run(source, CLEAN, on_drift="ignore")
    assert isinstance(told.path, CopyStaged)
    assert told.path.why.endswith("and n is Integer in the table and BigInt in the stream")
    assert told.counts == (4, 4, 0, 0)
    assert held(source) == [(n, f"v{n}  ") for n in range(1, 5)]


def test_a_live_array_of_varchar_takes_texts(source: Any) -> None:
    source.other.execute("create table analytics.t (n bigint primary key, v varchar[])")
    project = Project()
    declared = table(project, n=Annotated[BigInt, pk()], v=Array[Text] | None)
    told = run(source, "select n, array[v, null] as v from raw.t", declared, project=project)
    assert told.counts == (4, 4, 0, 0)
    assert held(source)[0] == (1, ["v1", None])


def test_of_a_fan_out_the_wider_table_is_loaded_from_the_stage(source: Any) -> None:
    project = Project()
    narrow = table(project, "t", n=Annotated[SmallInt, pk()])
    wide = table(project, "u", n=Annotated[Integer, pk()], v=Text | None)
    told = run(source, "select n::integer as n, v from raw.t", narrow, wide, project=project)
    paths = {label: result.plan.path for label, result in told.results.items() if result.plan}
    assert {label: type(path) for label, path in paths.items()} == {
        "other:analytics.t": CopyStaged,
        "other:analytics.u": CopyStaged,
    }
    assert paths["other:analytics.t"].why.endswith("the stream carries columns of other targets")
    assert paths["other:analytics.u"].why.endswith("n is Integer in the table and SmallInt in the stream")
    assert [result.error for result in told.results.values()] == [None, None]
    assert source.other.execute("select n from analytics.t order by 1").fetchall() == [(n,) for n, _ in ROWS]
    assert held(source, "u") == ROWS


def test_of_a_fan_out_only_what_was_refused_is_loaded_again(source: Any) -> None:
    """The one without an index collapses twins at once; the other learns of them from its index."""
    project = Project()
    source.other.execute("create table analytics.u (n bigint not null, v text)")
    keyed = table(project, "t")
    bare = table(project, "u", n=BigInt, v=Text | None)
    told = run(source, TWINS, keyed, bare, project=project, keys="n")
    assert told.retries == ONCE
    counts = {label: result.counts for label, result in told.results.items()}
    assert {label: (each.read, each.inserted) for label, each in counts.items()} == {
        "other:analytics.t": (6, 4),
        "other:analytics.u": (6, 4),
    }
    assert held(source, "t") == held(source, "u") == ROWS


def test_what_was_refused_leaves_no_counts_behind(source: Any) -> None:
    told = run(source, CONFLICT)
    (result,) = told.results.values()
    assert result.counts == LoadCounts()
