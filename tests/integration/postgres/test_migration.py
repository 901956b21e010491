"""Each change of a live table, on one row and on many: values kept, rewritten only where the plan said so."""

from __future__ import annotations

import os
from typing import Annotated, Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from ematix_flow import (
    LoadError,
    Project,
    RunError,
    SchemaDriftError,
    comment,
    default,
    pk,
    plan_job,
    run_job,
)
from ematix_flow.results import TargetResult
from ematix_flow.run import jobs
from ematix_flow.types import (
    JSONB,
    UUID,
    Array,
    BigInt,
    Boolean,
    Date,
    Double,
    Integer,
    Interval,
    Numeric,
    String,
    Text,
    Time,
    TimestampTZ,
    postgres_name,
)

ROWS = [1, 100_000]
KEY = {"id": Annotated[BigInt, pk()]}


class Target:
    """A live table `analytics.t`, and a job that loads it."""

    def __init__(self, databases: Any) -> None:
        self.databases = databases
        self.session: psycopg.Connection = databases.origin
        self.session.execute("create schema analytics")

    def make(self, columns: str, rows: int, values: str) -> None:
        """A table made by somebody else, with an `id` and these columns."""
        self.run(f"create table analytics.t (id bigint primary key, {columns})")
        self.run(f"insert into analytics.t select n, {values} from generate_series(1, {rows}) as n")  # noqa: S608  # the test's own words

    def run(self, statement: str) -> None:
        self.session.execute(statement.encode())

    def job(
        self,
        annotations: dict[str, Any],
        query: str,
        *,
        doc: str | None = None,
        name: str = "t",
        **options: Any,
    ) -> tuple[Project, Any]:
        project = Project()
        self.databases.connect(project)
        declared = type("T", (), {"__annotations__": KEY | annotations, "__doc__": doc})
        table = project.table(schema=options.pop("schema", "analytics"), name=name)(declared)
        decorate = project.job(
            name="load", target=table, source_connection="origin", target_connection="origin", **options
        )
        return project, decorate(lambda: query)

    def plan(self, annotations: dict[str, Any], query: str, **options: Any) -> list[str]:
        """The steps that a run would take, in words."""
        project, job = self.job(annotations, query, **options)
        return [str(step) for step in plan_job(job, project=project).targets[0].steps]

    def load(self, annotations: dict[str, Any], query: str, **options: Any) -> TargetResult:
        """One run."""
        project, job = self.job(annotations, query, **options)
        return run_job(job, project=project).targets[0]

    def drift(self, annotations: dict[str, Any], query: str, **options: Any) -> SchemaDriftError:
        """What a run is refused for."""
        project, job = self.job(annotations, query, **options)
        with pytest.raises(SchemaDriftError) as caught:
            plan_job(job, project=project)
        return caught.value

    def filenode(self) -> int:
        """Changes when the table is rewritten."""
        return int(self.one("select pg_relation_filenode('analytics.t')"))

    def one(self, query: str) -> Any:
        row = self.session.execute(query.encode()).fetchone()
        assert row is not None
        return row[0]

    def texts(self, column: str = "v") -> str:
        """What the old rows hold in a column."""
        return str(
            self.one(f"select md5(string_agg({column}::text, ',' order by id)) from analytics.t where id > 0")  # noqa: S608  # a test's own
        )

    def type(self, column: str = "v") -> str:
        return str(
            self.one(
                "select format_type(atttypid, atttypmod) from pg_attribute "  # noqa: S608  # a test's own
                f"where attrelid = 'analytics.t'::regclass and attname = '{column}'"
            )
        )


@pytest.fixture
def target(databases: Any) -> Target:
    return Target(databases)


# --- steps --------------------------------------------------------------------------------------------

WIDENINGS = [
    ("smallint", "(n % 30000)::smallint", Integer, "integer", True),
    ("smallint", "(n % 30000)::smallint", BigInt, "bigint", True),
    ("integer", "n::integer", BigInt, "bigint", True),
    ("real", "n::real / 4", Double, "double precision", True),
    ("character varying(10)", "'v' || n", String[20], "character varying(20)", False),
    ("character varying(10)", "'v' || n", Text, "text", False),
    ("numeric(10,2)", "n / 4.0", Numeric[12, 2], "numeric(12,2)", False),
]


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize(
    ("live", "values", "declared", "wanted", "rewrites"),
    WIDENINGS,
    ids=[f"{w[0]} to {w[3]}" for w in WIDENINGS],
)
def test_a_type_is_widened_and_every_value_kept(
    target: Target, live: str, values: str, declared: Any, wanted: str, rewrites: bool, rows: int
) -> None:
    target.make(f"v {live}", rows, values)
    before, filenode = target.texts(), target.filenode()
    query = f"select 0::bigint as id, null::{live} as v"
    (step,) = target.plan({"v": declared | None}, query)
    assert step.endswith("which rewrites the table") is rewrites
    assert (target.type(), target.filenode()) == (live, filenode)  # a plan changes nothing
    target.load({"v": declared | None}, query)
    assert (target.type(), target.texts()) == (wanted, before)
    assert (target.filenode() != filenode) is rewrites
    assert target.plan({"v": declared | None}, query) == []


@pytest.mark.parametrize("rows", ROWS)
def test_a_nullable_column_is_added_in_place(target: Target, rows: int) -> None:
    target.make("v text", rows, "'v' || n")
    before, filenode = target.texts(), target.filenode()
    added = {"v": Text | None, "w": Annotated[Integer, comment("how many")] | None}
    target.load(added, "select 0 as id, null as v, 7 as w")
    assert (target.texts(), target.filenode()) == (before, filenode)
    assert target.one("select count(*) from analytics.t where w is null") == rows
    assert target.one("select w from analytics.t where id = 0") == 7
    assert target.one("select col_description('analytics.t'::regclass, 3)") == "how many"


DEFAULTS = [
    (BigInt, -7, "-7"),
    (Double, 0.5, "0.5"),
    (Numeric[8, 2], "1.50", "1.50"),
    (Boolean, True, "true"),
    (Text, "it's", "it's"),
    (String[2], "EU", "EU"),
    (Date, "2024-02-29", "2024-02-29"),
    (Time, "12:30", "12:30:00"),
    (TimestampTZ, "2024-02-29T12:00:00Z", "2024-02-29 12:00:00+00"),
    (Interval, "P1D", "1 day"),
    (JSONB, '{"a": 1}', '{"a": 1}'),
    (UUID, "0190d6a4-0000-7000-8000-000000000000", "0190d6a4-0000-7000-8000-000000000000"),
    (Array[Text], '{"a,b"}', '{"a,b"}'),
]


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize(("type_", "value", "text"), DEFAULTS, ids=[str(d[0].value) for d in DEFAULTS])
def test_a_not_null_column_is_added_in_place_with_its_default(
    target: Target, type_: Any, value: Any, text: str, rows: int
) -> None:
    target.make("v text", rows, "'v' || n")
    before, filenode = target.texts(), target.filenode()
    declared = {"v": Text | None, "w": Annotated[type_, default(value)]}
    query = "select id, v, w from raw.t"
    target.session.execute("create table raw.t as select 0::bigint as id, null as v")
    target.session.execute(
        sql.SQL("alter table raw.t add w {}").format(sql.SQL(postgres_name(type_.value)))  # type: ignore[arg-type]
    )
    target.session.execute(sql.SQL("update raw.t set w = {}").format(sql.Literal(text)))
    target.load(declared, query)
    assert (target.texts(), target.filenode()) == (before, filenode)
    assert target.one("select array_agg(distinct w::text) from analytics.t") == [text]
    assert target.one(
        "select attnotnull from pg_attribute where attname = 'w' and attrelid = 'analytics.t'::regclass"
    )
    assert target.plan(declared, query) == []


def test_a_not_null_column_is_added_to_a_table_without_rows(target: Target) -> None:
    target.make("v text", 0, "''")
    target.load({"v": Text | None, "w": Integer}, "select 1 as id, 'a' as v, 2 as w")
    assert target.one("select w from analytics.t") == 2


@pytest.mark.parametrize("rows", ROWS)
def test_not_null_is_dropped_in_place(target: Target, rows: int) -> None:
    target.make("v text not null", rows, "'v' || n")
    before, filenode = target.texts(), target.filenode()
    assert target.plan({"v": Text | None}, "select 0 as id, null as v") == ["let column v be null"]
    target.load({"v": Text | None}, "select 0 as id, null as v")
    assert (target.texts(), target.filenode()) == (before, filenode)
    assert target.one("select v is null from analytics.t where id = 0")


@pytest.mark.parametrize("rows", ROWS)
def test_comments_follow_the_declaration(target: Target, rows: int) -> None:
    target.make("v text", rows, "'v' || n")
    target.session.execute("comment on column analytics.t.id is 'by hand'")
    declared = {"v": Annotated[Text, comment("it's new")] | None}
    steps = target.plan(declared, "select 0 as id, null as v", doc="All of them.")
    assert steps == ["comment on table analytics.t", "comment on column v"]
    target.load(declared, "select 0 as id, null as v", doc="All of them.")
    assert target.session.execute(
        "select obj_description('analytics.t'::regclass, 'pg_class'), col_description('analytics.t'::regclass, 1), "
        "col_description('analytics.t'::regclass, 2)"
    ).fetchone() == ("All of them.", "by hand", "it's new")
    assert target.plan(declared, "select 0 as id, null as v", doc="All of them.") == []


def test_the_plan_shows_the_statements(target: Target) -> None:
    target.make("v integer not null", 1, "n")
    project, job = target.job({"v": BigInt | None}, "select 0 as id, null::integer as v")
    assert plan_job(job, project=project).targets[0].sql[:4] == (
        "set local lock_timeout = '2s'",
        'alter table "analytics"."t" alter column "v" type bigint',
        'alter table "analytics"."t" alter column "v" drop not null',
        "set local lock_timeout to default",
    )


# --- drift --------------------------------------------------------------------------------------------

DRIFTS: dict[str, tuple[str, str, dict[str, Any], str, list[str]]] = {
    # the live columns, their values, the declaration, the query, the differences
    "narrower integer": (
        "v bigint", "n", {"v": Integer | None}, "null::integer as v", ["column v is BigInt, declared Integer"],
    ),
    "narrower text": (
        "v text", "'v' || n", {"v": String[10] | None}, "'' as v", ["column v is Text, declared String[10]"],
    ),
    "another scale": (
        "v numeric(10,2)", "n / 4.0", {"v": Numeric[10, 4] | None}, "null::numeric(10,4) as v",
        ["column v is Numeric[10, 2], declared Numeric[10, 4]"],
    ),
    "another kind": (
        "v text", "'2024-01-01'", {"v": Date | None}, "null::date as v", ["column v is Text, declared Date"],
    ),
    "a type that cannot be declared": (
        "v mood", "'ok'::mood", {"v": Text | None}, "null as v", ["column v is mood, declared Text"],
    ),
    "NULL refused": (
        "v integer", "n", {"v": Integer}, "1 as v", ["column v is nullable, declared NOT NULL"],
    ),
    "a missing column": (
        "v integer", "n", {"v": Integer | None, "w": Date}, "1 as v, date '2024-01-01' as w",
        ["column w is missing and declared NOT NULL without a default"],
    ),
    "a column renamed": (
        "v integer not null", "n", {"w": Integer}, "1 as w",
        ["column w is missing, and v of the same type is NOT NULL and not declared, as if it had been renamed"],
    ),
    "a column dropped": (
        "v integer not null", "n", {}, "1 as id",
        ["column v is NOT NULL and not declared, so no row could be added"],
    ),
    "all at once": (
        "v bigint not null, w text, x date not null", "n, 'w' || n, date '2024-01-01'",
        {"v": Integer, "w": Text, "y": Boolean}, "1 as v, '' as w, true as y",
        [
            "column v is BigInt, declared Integer",
            "column w is nullable, declared NOT NULL",
            "column y is missing and declared NOT NULL without a default",
            "column x is NOT NULL and not declared, so no row could be added",
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("case", DRIFTS)
def test_drift_changes_nothing_and_says_what_a_person_could_run(target: Target, case: str, rows: int) -> None:
    columns, values, declared, selected, differences = DRIFTS[case]
    target.make(columns, rows, values)
    query = f"select 0 as id, {selected}" if declared else "select 0 as id"
    filenode = target.filenode()
    error = target.drift(declared, query)
    assert list(error.drifts) == differences
    assert target.filenode() == filenode
    for statement in error.sql:
        target.run(statement)
    assert target.plan(declared, query) == []
    assert target.load(declared, query).counts.inserted == 1


@pytest.mark.parametrize("rows", ROWS)
def test_a_table_becomes_a_history_by_what_a_person_could_run(target: Target, rows: int) -> None:
    target.make("v text", rows, "'v' || n")
    target.run("create table raw.t as table analytics.t")
    target.run("insert into raw.t values (0, 'new')")
    target.run("update raw.t set v = 'changed' where id = 1")
    declared, query = {"v": Text | None}, "select id, v from raw.t"
    error = target.drift(declared, query, mode="scd2")
    assert error.drifts == (
        "column valid_from is missing and declared NOT NULL without a default",
        "column is_current is missing and declared NOT NULL without a default",
        "unique index t_pkey allows one row for each (id), and a history keeps a row for each version",
    )
    for statement in error.sql:
        target.run(statement)
    counts = target.load(declared, query, mode="scd2").counts
    assert (counts.inserted, counts.closed, counts.unchanged) == (2, 1, rows - 1)
    assert target.one("select count(*) from analytics.t where is_current") == rows + 1


def test_a_too_long_text_is_not_cut_by_what_a_person_runs(target: Target) -> None:
    target.make("v text", 1, "'abcdef'")
    (statement,) = target.drift({"v": String[3] | None}, "select 0 as id, '' as v").sql
    with pytest.raises(psycopg.errors.StringDataRightTruncation):
        target.run(statement)


def test_the_message_shows_the_differences_and_the_statements(target: Target) -> None:
    target.make("v bigint", 1, "n")
    assert str(target.drift({"v": Integer | None}, "select 0 as id, 1 as v")).splitlines()[1:] == [
        "  - column v is BigInt, declared Integer",
        "  what would mend it, for you to review and run:",
        '    alter table "analytics"."t" alter column "v" type integer using "v"::integer;',
    ]


def test_surplus_columns_that_need_no_value_are_left_alone(target: Target) -> None:
    target.make("v text, w integer not null default 5, x integer generated always as identity", 1, "'v', 1")
    assert target.load({"v": Text | None}, "select 0 as id, null as v").counts.inserted == 1


# --- whose table it is --------------------------------------------------------------------------------


@pytest.fixture
def loader(databases: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The jobs run as a role that may write to the table, and does not own it."""
    session = databases.origin
    session.execute("drop role if exists loader")
    session.execute("create role loader login password 'x'")
    session.execute("grant usage, create on schema raw to loader")
    database = session.execute("select current_database()").fetchone()[0]
    session.execute(sql.SQL("grant create on database {} to loader").format(sql.Identifier(database)))
    monkeypatch.setenv("ORIGIN_DSN", make_conninfo(os.environ["ORIGIN_DSN"], user="loader", password="x"))  # noqa: S106  # a role of this test
    yield session
    session.execute("drop owned by loader")
    session.execute("drop role loader")


def test_a_table_of_somebody_else_is_loaded_though_its_comment_differs(target: Target, loader: Any) -> None:
    target.make("v text", 1, "'v'")
    loader.execute("grant usage on schema analytics to loader")
    loader.execute("grant select, insert on analytics.t to loader")
    result = target.load({"v": Text | None}, "select 0 as id, null as v", doc="Mine.")
    assert result.counts.inserted == 1
    assert target.one("select obj_description('analytics.t'::regclass, 'pg_class')") is None


def test_a_table_of_somebody_else_is_altered_by_its_owner(target: Target, loader: Any) -> None:
    target.make("v text", 1, "'v'")
    loader.execute("grant usage on schema analytics to loader")
    loader.execute("grant select, insert on analytics.t to loader")
    declared, query = {"v": Text | None, "w": Text | None}, "select 0 as id, null as v, null as w"
    error = target.drift(declared, query)
    assert error.drifts == ("column w is missing; only the table's owner may change it",)
    for statement in error.sql:
        target.run(statement)
    assert target.load(declared, query).counts.inserted == 1


# --- all or nothing -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("live", "declared"),
    [
        ("v integer not null", {"v": BigInt | None}),
        ("v integer", {"v": Integer | None, "w": Text | None}),
        ("v integer", {"v": Integer | None, "w": Annotated[Text, default("x")]}),
        ("v integer", {"v": Annotated[Integer, comment("new")] | None}),
    ],
    ids=["widened", "added", "added with a default", "commented"],
)
def test_a_load_that_fails_leaves_the_table_as_it_was(
    target: Target, live: str, declared: dict[str, Any]
) -> None:
    target.make(live, 10, "n")
    look = (
        "select jsonb_agg(jsonb_build_array(attname, format_type(atttypid, atttypmod), attnotnull, "
        "col_description(attrelid, attnum)) order by attnum) "
        "from pg_attribute where attrelid = 'analytics.t'::regclass and attnum > 0"
    )
    before, filenode = target.one(look), target.filenode()
    rest = ", 'x' as w" if "w" in declared else ""
    query = f"select n as id, (1 / (n - 5000))::integer as v{rest} from generate_series(1, 9000) as n"  # noqa: S608  # a test's own
    with pytest.raises(RunError):
        target.load(declared, query)
    assert (target.one(look), target.filenode()) == (before, filenode)
    assert target.one("select count(*) from analytics.t") == 10


def test_a_new_table_goes_with_the_load_that_fails(target: Target) -> None:
    query = "select n as id, (1 / (n - 5))::integer as v from generate_series(1, 9) as n"
    with pytest.raises(RunError):
        target.load({"v": Integer | None}, query)
    assert target.one("select to_regclass('analytics.t')") is None


# --- a table in use -----------------------------------------------------------------------------------


def test_a_table_in_use_is_not_waited_for_long(
    target: Target, databases: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "_ATTEMPTS", 1)
    target.make("v integer", 1, "n")
    project, job = target.job({"v": BigInt | None}, "select 0 as id, null::integer as v")
    with databases.origin.transaction():
        databases.origin.execute("select from analytics.t")
        with pytest.raises(RunError) as caught:
            run_job(job, project=project)
    error = caught.value.__cause__
    assert isinstance(error, LoadError)
    assert isinstance(error.__cause__, psycopg.errors.LockNotAvailable)
    assert "somebody reads or writes the table" in str(error)
    assert run_job(job, project=project).targets[0].counts.inserted == 1


# --- names --------------------------------------------------------------------------------------------

NAMES = [
    "Capital",
    "select",
    "two words",
    "Größe",
    "日本語",
    "a-b",
    "x$1",
    "_",
    "1st",
    "n" * 63,
    "é" * 31 + "e",
]


@pytest.fixture
def drops(databases: Any) -> Any:
    made: list[str] = []
    yield made
    for schema in made:
        databases.origin.execute(sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(schema)))


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_created_altered_and_loaded(target: Target, name: str, drops: Any) -> None:
    drops.append(name)
    column = sql.Identifier(name).as_string()
    options = {"schema": name, "name": name}
    first: dict[str, Any] = {name: Annotated[Integer, comment("one")]}
    target.load(first, f"select 1 as id, 2 as {column}", **options)
    wider: dict[str, Any] = {name: Annotated[BigInt, comment("two")] | None, name[:-1] + "2": Text | None}
    added = sql.Identifier(name[:-1] + "2").as_string()
    target.load(wider, f"select 2 as id, null::bigint as {column}, 'x' as {added}", **options)
    where = sql.Identifier(name, name).as_string()
    rows = target.session.execute(f"select * from {where} order by id").fetchall()  # type: ignore[call-overload]  # noqa: S608  # a test's own
    assert rows == [(1, 2, None), (2, None, "x")]
    assert target.plan(wider, f"select 2 as id, null::bigint as {column}, 'x' as {added}", **options) == []
