"""Tables that were there before any job: loaded as they are, or refused when planning, with what a person could run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import psycopg
import pytest

from ematix_flow import (
    Job,
    LoadCounts,
    LoadMode,
    Merge,
    Project,
    Scd2,
    SchemaDriftError,
    pk,
    plan_job,
    run_job,
)
from ematix_flow.plan import AddNewKeys, InsertSelect, MergeRows, StagedSelect
from ematix_flow.types import JSON, Array, BigInt, Text, TimestampTZ

PATHS = ["inside", "stream"]


class Shop:
    """A live table `analytics.items`, made by somebody else, and a job that loads it from `raw.items`."""

    def __init__(self, databases: Any, path: str = "inside") -> None:
        self.databases, self.path = databases, path
        self.origin: psycopg.Connection = databases.origin
        self.session: psycopg.Connection = databases.target(path)
        self.session.execute("create schema analytics")

    def run(self, *statements: str) -> None:
        for statement in statements:
            self.session.execute(statement.encode())

    def rows(self, columns: str) -> list[Any]:
        return self.session.execute(f"select {columns} from analytics.items order by 1".encode()).fetchall()  # noqa: S608  # a test's own

    def job(self, columns: dict[str, Any], mode: LoadMode | str, **options: Any) -> tuple[Project, Job]:
        project = Project()
        self.databases.connect(project)
        declared = type("Items", (), {"__annotations__": {"id": Annotated[BigInt, pk()], **columns}})
        decorate = project.job(
            name="load",
            target=project.table(schema="analytics")(declared),
            source_connection="origin",
            target_connection="other" if self.path == "stream" else "origin",
            mode=mode,
            **options,
        )
        names = ", ".join(["id", *columns])
        return project, decorate(lambda: f"select {names} from raw.items")  # noqa: S608  # a test's own

    def load(self, columns: dict[str, Any], mode: LoadMode | str, **options: Any) -> LoadCounts:
        project, job = self.job(columns, mode, **options)
        return run_job(job, project=project).targets[0].counts

    def drift(self, columns: dict[str, Any], mode: LoadMode | str, **options: Any) -> SchemaDriftError:
        project, job = self.job(columns, mode, **options)
        with pytest.raises(SchemaDriftError) as raised:
            plan_job(job, project=project)
        return raised.value


@pytest.fixture
def shop(databases: Any) -> Shop:
    return Shop(databases)


@pytest.fixture(params=PATHS)
def shop_on(databases: Any, request: pytest.FixtureRequest) -> Shop:
    """The shop whose rows stay in their server, or travel to another."""
    return Shop(databases, request.param)


# --- an index that refuses a second version -----------------------------------------------------------

HISTORY = "valid_from timestamptz not null, valid_to timestamptz, is_current boolean not null"


@pytest.mark.parametrize(
    ("keys", "name", "columns", "remedy"),
    [
        ("primary key (id)", "items_pkey", "id", 'alter table "analytics"."items" drop constraint "items_pkey"'),
        ("unique (id)", "items_id_key", "id", 'alter table "analytics"."items" drop constraint "items_id_key"'),
        (
            "unique (id) deferrable initially deferred", "items_id_key", "id",
            'alter table "analytics"."items" drop constraint "items_id_key"',
        ),
        (
            'constraint "One, name" unique (is_current, name)', "One, name", "is_current, name",
            'alter table "analytics"."items" drop constraint "One, name"',
        ),
    ],
)  # fmt: skip
def test_a_history_is_not_kept_where_a_key_may_stand_once(
    shop: Shop, keys: str, name: str, columns: str, remedy: str
) -> None:
    shop.origin.execute("create table raw.items (id bigint primary key, name text)")
    shop.origin.execute("insert into raw.items values (1, 'a')")
    shop.run(f"create table analytics.items (id bigint not null, name text, {HISTORY}, {keys})")
    error = shop.drift({"name": Text | None}, "scd2")
    assert error.drifts == (
        f"unique index {name} allows one row for each ({columns}), and a history keeps a row for each version",
    )
    assert error.sql == (remedy,)
    shop.run(*error.sql)
    for value in ("b", "a", "b"):
        shop.origin.execute("update raw.items set name = %s", [value])
        shop.load({"name": Text | None}, "scd2")
    assert shop.rows("name, is_current") == [("a", False), ("b", False), ("b", True)]


def test_an_index_that_is_no_constraint_is_dropped_as_an_index(shop: Shop) -> None:
    shop.origin.execute("create table raw.items (id bigint primary key, name text)")
    shop.run(
        f"create table analytics.items (id bigint not null, name text, {HISTORY})",
        'create unique index "One a key" on analytics.items (id) include (name)',
    )
    error = shop.drift({"name": Text | None}, "scd2")
    assert error.sql == ('drop index "analytics"."One a key"',)
    shop.run(*error.sql)
    assert shop.load({"name": Text | None}, "scd2").read == 0


@pytest.mark.parametrize(
    ("extra", "indexes"),
    [
        ("", ["create unique index on analytics.items (id, valid_from)"]),
        ("", ["create unique index on analytics.items (id) where is_current"]),
        ("", ["create unique index on analytics.items (id, valid_to)"]),
        (", row bigint generated always as identity primary key", []),
    ],
)
def test_a_history_is_kept_where_the_indexes_leave_room_for_versions(
    shop: Shop, extra: str, indexes: list[str]
) -> None:
    shop.origin.execute("create table raw.items (id bigint primary key, name text)")
    shop.run(f"create table analytics.items (id bigint not null, name text, {HISTORY}{extra})", *indexes)
    for value in ("a", "b", "a"):
        shop.origin.execute(
            "insert into raw.items values (1, %s) on conflict (id) do update set name = excluded.name",
            [value],
        )
        shop.load({"name": Text | None}, "scd2")
    assert [name for (name,) in shop.rows("name")] == ["a", "a", "b"]


def test_versions_by_their_own_time_may_be_told_apart_by_it(shop: Shop) -> None:
    shop.origin.execute("create table raw.items (id bigint primary key, at timestamptz, name text)")
    shop.run(
        f"create table analytics.items (id bigint, at timestamptz, name text, {HISTORY}, primary key (id, at))"
    )
    columns = {"at": TimestampTZ, "name": Text | None}
    for day, value in enumerate(("a", "b", "a"), start=1):
        shop.origin.execute("delete from raw.items")
        shop.origin.execute(
            "insert into raw.items values (1, make_timestamptz(2026, 1, %s, 0, 0, 0), %s)", [day, value]
        )
        shop.load(columns, Scd2(valid_from="at"))
    assert [name for _, name in shop.rows("at, name")] == ["a", "b", "a"]


# --- no index on the key ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "index", ["", "create index on analytics.items (id)"], ids=["no index", "not unique"]
)
def test_a_merge_finds_its_keys_without_a_unique_index(shop_on: Shop, index: str) -> None:
    shop = shop_on
    shop.origin.execute("create table raw.items (id bigint primary key, name text)")
    shop.origin.execute("insert into raw.items values (1, 'a'), (2, 'new'), (3, 'c')")
    shop.run("create table analytics.items (id bigint not null, name text)", *filter(None, [index]))
    shop.run("insert into analytics.items values (1, 'a'), (2, 'b'), (9, 'z')")
    counts = shop.load({"name": Text | None}, Merge(deletes="hard"))  # type: ignore[arg-type]  # as users write it
    assert (counts.read, counts.inserted, counts.updated, counts.unchanged, counts.deleted) == (3, 1, 1, 1, 1)
    assert shop.rows("id, name") == [(1, "a"), (2, "new"), (3, "c")]


def test_an_append_finds_its_keys_without_a_unique_index(shop_on: Shop) -> None:
    shop = shop_on
    shop.origin.execute("create table raw.items (id bigint primary key, name text)")
    shop.origin.execute("insert into raw.items values (1, 'new'), (2, 'b')")
    shop.run("create table analytics.items (id bigint not null, name text)")
    shop.run("insert into analytics.items values (1, 'a')")
    for inserted in (1, 0):
        counts = shop.load({"name": Text | None}, "append", incremental=False)
        assert (counts.read, counts.inserted, counts.unchanged) == (2, inserted, 2 - inserted)
    assert shop.rows("id, name") == [(1, "a"), (2, "b")]


def test_a_constraint_that_speaks_at_commit_arbitrates_nothing(shop: Shop) -> None:
    shop.origin.execute("create table raw.items (id bigint primary key, name text)")
    shop.origin.execute("insert into raw.items values (1, 'new'), (2, 'b')")
    shop.run(
        "create table analytics.items (id bigint not null unique deferrable initially deferred, name text)",
        "insert into analytics.items values (1, 'a')",
    )
    assert shop.load({"name": Text | None}, "merge").updated == 1
    assert shop.rows("id, name") == [(1, "new"), (2, "b")]


# --- json, which has no equality ----------------------------------------------------------------------

JSON_COLUMNS = {"doc": JSON | None, "docs": Array[JSON] | None}
KEYS = {"indexed": "id bigint primary key", "not indexed": "id bigint not null"}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize("mode", ["merge", "scd2"])
def test_json_is_compared_by_its_meaning(shop_on: Shop, key: str, mode: str) -> None:
    shop = shop_on
    shop.origin.execute("create table raw.items (id bigint primary key, doc json, docs json[])")
    shop.origin.execute(
        """insert into raw.items values (1, '{"a": 1}', array['[1]'::json]), (2, '1', null), (3, null, null)"""
    )
    if mode == "merge":
        shop.run(f"create table analytics.items ({key}, doc json, docs json[])")
    else:
        shop.run(f"create table analytics.items (id bigint not null, doc json, docs json[], {HISTORY})")
    assert shop.load(JSON_COLUMNS, mode, incremental=False).inserted == 3
    shop.origin.execute(
        """update raw.items set doc = '{ "a" : 1 }', docs = array[' [ 1 ] '::json] where id = 1"""
    )
    shop.origin.execute("update raw.items set doc = '2' where id = 2")
    counts = shop.load(JSON_COLUMNS, mode, incremental=False)
    changed = counts.updated if mode == "merge" else counts.inserted
    assert (counts.read, changed, counts.unchanged) == (3, 1, 2)


def test_rows_without_a_key_are_compared_by_the_text_of_their_json(shop_on: Shop) -> None:
    shop = shop_on
    shop.origin.execute("create table raw.items (id bigint, doc json, docs json[])")
    shop.origin.execute(
        """insert into raw.items values (1, '{"a": 1}', array['[1]'::json]), (1, '{"a": 1}', array['[1]'::json])"""
    )
    project = Project()
    shop.databases.connect(project)
    declared = type("Items", (), {"__annotations__": {"id": BigInt, **JSON_COLUMNS}})
    job = project.job(
        name="load",
        target=project.table(schema="analytics")(declared),
        source_connection="origin",
        target_connection="other" if shop.path == "stream" else "origin",
        incremental="id",
    )(lambda: "select id, doc, docs from raw.items")
    assert [run_job(job, project=project).targets[0].counts.inserted for _ in range(2)] == [2, 0]


# --- columns that the server fills --------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["append", "truncate", "merge"])
@pytest.mark.parametrize(
    ("column", "what", "remedy"),
    [
        (
            "name text generated always as ('n' || id) stored",
            "generated from other columns",
            'alter table "analytics"."items" alter column "name" drop expression',
        ),
        (
            "name bigint generated always as identity",
            "generated always as identity",
            'alter table "analytics"."items" alter column "name" set generated by default',
        ),
    ],
    ids=["generated", "identity"],
)
def test_a_declared_column_that_the_server_fills_is_drift(
    shop: Shop, column: str, what: str, remedy: str, mode: str
) -> None:
    type_ = BigInt if "identity" in column else Text | None
    shop.origin.execute("create table raw.items as select 1::bigint as id, 7 as name")
    if type_ is not BigInt:
        shop.origin.execute("alter table raw.items alter name type text")
    else:
        shop.origin.execute("alter table raw.items alter name type bigint")
    shop.run(f"create table analytics.items (id bigint primary key, {column})")
    error = shop.drift({"name": type_}, mode)
    assert error.drifts == (
        f"column name is {what}, and no load can set it; leave it out of the declaration, or let it be set",
    )
    assert error.sql == (remedy,)
    shop.run(*error.sql)
    assert shop.load({"name": type_}, mode).inserted == 1
    assert shop.rows("id, name::text") == [(1, "7")]


def test_a_column_that_is_generated_when_it_is_read_is_drift_that_the_declaration_mends(shop: Shop) -> None:
    if shop.session.info.server_version < 180000:
        pytest.skip("PostgreSQL has such columns since version 18")
    shop.origin.execute("create table raw.items as select 1::bigint as id, 'x' as name")
    shop.run(
        "create table analytics.items (id bigint primary key, name text generated always as ('n' || id) virtual)"
    )
    error = shop.drift({"name": Text | None}, "append")
    (told,) = error.drifts
    assert told == (
        "column name is generated from other columns when it is read, and no load can set it; leave it out of the "
        "declaration"
    )
    assert error.sql == ()


def test_columns_that_the_server_fills_and_nobody_declared_are_left_to_it(shop_on: Shop) -> None:
    shop = shop_on
    shop.origin.execute("create table raw.items as select 1::bigint as id, 'x' as name")
    shop.run(
        "create table analytics.items (id bigint primary key, name text, row bigint generated always as identity, "
        "loud text generated always as (upper(name)) stored, at timestamptz not null default now(), note text)"
    )
    shop.load({"name": Text | None}, "merge")
    shop.origin.execute("update raw.items set name = 'y'")
    assert shop.load({"name": Text | None}, "merge").updated == 1
    assert shop.rows("id, name, row, loud, note") == [(1, "y", 1, "Y", None)]


# --- triggers -----------------------------------------------------------------------------------------


def with_trigger(shop: Shop, event: str, body: str, table: str = "items") -> None:
    shop.run(
        f"create function analytics.{table}_{event}() returns trigger language plpgsql as $$ begin {body} end $$",
        f"create trigger a_trigger before {event} on analytics.{table} for each row "
        f"execute function analytics.{table}_{event}()",
    )


NO_TWOS = "if new.id = 2 then return null; end if; return new;"
Action = Callable[[Shop], None]


@pytest.mark.parametrize("mode", ["append", "merge", "truncate"])
def test_rows_that_a_trigger_leaves_out_are_not_counted_as_inserted(shop_on: Shop, mode: str) -> None:
    shop = shop_on
    shop.origin.execute("create table raw.items (id bigint primary key, name text)")
    shop.origin.execute("insert into raw.items values (1, 'a'), (2, 'b'), (3, 'c')")
    shop.run("create table analytics.items (id bigint primary key, name text)")
    with_trigger(shop, "insert", NO_TWOS)
    counts = shop.load({"name": Text | None}, mode)
    assert (counts.read, counts.inserted, counts.updated, counts.unchanged) == (3, 2, 0, 1)
    assert shop.rows("id") == [(1,), (3,)]


def test_of_a_partitioned_table_the_triggers_of_its_partitions_count(shop: Shop) -> None:
    shop.origin.execute("create table raw.items (id bigint primary key, name text)")
    shop.origin.execute("insert into raw.items values (1, 'a'), (2, 'b'), (3, 'c')")
    shop.run(
        "create table analytics.items (id bigint primary key, name text) partition by range (id)",
        "create table analytics.low partition of analytics.items for values from (0) to (3)",
        "create table analytics.rest partition of analytics.items default",
    )
    with_trigger(shop, "insert", NO_TWOS, "low")
    assert shop.load({"name": Text | None}, "append").inserted == 2


def test_rows_without_a_key_that_a_trigger_leaves_out_are_not_counted(shop_on: Shop) -> None:
    shop = shop_on
    shop.origin.execute("create table raw.items (id bigint primary key, name text)")
    shop.origin.execute("insert into raw.items values (1, 'a'), (2, 'b'), (3, 'c')")
    shop.run("create table analytics.items (id bigint, name text)")
    with_trigger(shop, "insert", NO_TWOS)
    project = Project()
    shop.databases.connect(project)
    declared = type("Items", (), {"__annotations__": {"id": BigInt | None, "name": Text | None}})
    job = project.job(
        name="load",
        target=project.table(schema="analytics")(declared),
        source_connection="origin",
        target_connection="other" if shop.path == "stream" else "origin",
        incremental=False,
    )(lambda: "select id, name from raw.items")
    counts = run_job(job, project=project).targets[0].counts
    assert (counts.read, counts.inserted, counts.unchanged) == (3, 2, 1)


def test_an_update_that_a_trigger_leaves_out_is_not_counted(shop_on: Shop) -> None:
    shop = shop_on
    shop.origin.execute("create table raw.items (id bigint primary key, name text)")
    shop.origin.execute("insert into raw.items values (1, 'new'), (2, 'new')")
    shop.run("create table analytics.items (id bigint primary key, name text)")
    shop.run("insert into analytics.items values (1, 'a'), (2, 'b')")
    with_trigger(shop, "update", NO_TWOS)
    counts = shop.load({"name": Text | None}, "merge")
    assert (counts.read, counts.inserted, counts.updated, counts.unchanged) == (2, 0, 1, 1)
    assert shop.rows("id, name") == [(1, "new"), (2, "b")]


def test_the_plan_says_that_a_trigger_has_keys_looked_up(shop: Shop) -> None:
    shop.origin.execute("create table raw.items (id bigint primary key, name text)")
    shop.run("create table analytics.items (id bigint primary key, name text)")
    project, job = shop.job({"name": Text | None}, "merge")
    assert isinstance(plan_job(job, project=project).targets[0].path, InsertSelect)
    with_trigger(shop, "insert", NO_TWOS)
    planned = plan_job(job, project=project).targets[0]
    assert isinstance(planned.action, AddNewKeys | MergeRows)
    assert planned.action.indexed is False
    assert planned.path == StagedSelect(
        why="source and target are one database, but a trigger of the target may leave rows out"
    )
