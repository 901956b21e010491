"""Which bodies are read in full, each followed by the change that a window would have missed.

What follows from anything but its row (the clock, another row, the catalog, a setting) changes without a new `xmin`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from ematix_flow import Append, Deletes, Merge, Scd2, pk
from ematix_flow.types import Array, BigInt, Date, Text

CHANGE = "update raw.t set v = v || '!' where id = 2"
# The clock passes one of these moments between two runs, however slow the machine is.
WAIT = "select pg_sleep_until(min(at)) from raw.ahead where at > clock_timestamp()"

CALL = "which is not known to depend on one row alone"
MOMENT = "it casts an expression to a date or time, and a text that says now or today means the clock"

# --- read in full -------------------------------------------------------------------------------------

# What stands beside the tables that every source has, the query, the reason, and a change that no row of the query's own table shows.
FULL: dict[str, tuple[str, str, str, str]] = {
    "the clock in a predicate": (
        "", "select id, v from raw.ahead where at <= now()", f"it calls now(), {CALL}", WAIT,
    ),
    "the clock without parentheses": (
        "", "select id, (at <= current_timestamp)::text as v from raw.ahead", f"it calls current_timestamp(), {CALL}", WAIT,
    ),
    "the local clock": (
        "", "select id, v from raw.ahead where at at time zone 'UTC' <= localtimestamp", f"it calls localtimestamp(), {CALL}", WAIT,
    ),
    "an age": (
        "", "select id, v from raw.ahead where extract(epoch from clock_timestamp() - at) >= 0", f"it calls clock_timestamp(), {CALL}", WAIT,
    ),
    "the word now": (
        "", "select id, v from raw.ahead where at <= 'now'", "the literal 'now' depends on the clock", WAIT,
    ),
    "the word now in a column": (
        "", "select id, (v::timestamptz >= at)::text as v from raw.ahead",
        "the column v is a text that is read as a date or time", WAIT,
    ),
    "the word now in a document": (
        "", "select id, ((doc ->> 'at')::timestamptz >= at)::text as v from raw.ahead", MOMENT, WAIT,
    ),
    "a sub-select": (
        "", "select id, v from raw.t where id in (select id from raw.u where w = 'p')", "it holds a sub-select", "update raw.u set w = 'p' where id = 2",
    ),
    "a scalar sub-select": (
        "", "select id, (select w from raw.u where u.id = t.id) as v from raw.t", "it holds a sub-select", "update raw.u set w = 'x' where id = 2",
    ),
    "exists": (
        "", "select id, exists (select from raw.u where u.id = t.id + 1)::text as v from raw.t", "it holds a sub-select", "insert into raw.u values (4, 's')",
    ),
    "an array of a sub-select": (
        "", "select id, array(select w from raw.u order by id)::text as v from raw.t", "it holds a sub-select", "update raw.u set w = 'x' where id = 2",
    ),
    "a view": (
        "create view raw.w as select id, v from raw.t", "select id, v from raw.w", "raw.w is a view",
        "create or replace view raw.w as select id, upper(v) as v from raw.t",
    ),
    "a view of a view": (
        "create view raw.w as select id, w as v from raw.u; create view raw.ww as select id, v from raw.w", "select id, v from raw.ww", "raw.ww is a view",
        "create or replace view raw.w as select id, upper(w) as v from raw.u",
    ),
    "a materialized view": (
        "create materialized view raw.m as select t.id, u.w as v from raw.t join raw.u using (id)", "select id, v from raw.m", "raw.m is a view",
        "update raw.u set w = 'x'; refresh materialized view raw.m",
    ),
    "a join": (
        "", "select t.id, w as v from raw.t join raw.u on t.id = u.id", "it joins tables", "update raw.u set w = 'x' where id = 2",
    ),
    "a join by commas": (
        "", "select t.id, w as v from raw.t, raw.u where t.id = u.id", "it joins tables", "update raw.u set w = 'x' where id = 2",
    ),
    "an outer join": (
        "", "select t.id, w as v from raw.t left join raw.u on t.id + 1 = u.id", "it joins tables", "insert into raw.u values (4, 's')",
    ),
    "a lateral join": (
        "", "select t.id, m.w as v from raw.t, lateral (select max(w) as w from raw.u where u.id >= t.id) m", "it joins tables", "insert into raw.u values (4, 's')",
    ),
    "a query of WITH": (
        "", "with w as (select * from raw.u) select id, w as v from w", "it has a WITH clause", "update raw.u set w = 'x' where id = 2",
    ),
    "a select of a select": (
        "", "select id, v from (select id, w as v from raw.u) q", "it reads a sub-select or a join in parentheses, not a table", "update raw.u set w = 'x'",
    ),
    "a select in parentheses": (
        "", "(select id, v from raw.t)", "it stands in parentheses", CHANGE,
    ),
    "a union": (
        "", "select id, v from raw.t union all select id + 10, w from raw.u", "it is a set operation (UNION)", "update raw.u set w = 'x' where id = 2",
    ),
    "a difference": (
        "", "select id, v from raw.t except select id, w from raw.u", "it is a set operation (EXCEPT)", "delete from raw.u; insert into raw.t (id) values (4)",
    ),
    "an aggregate": (
        "", "select n % 2 as id, string_agg(v, ',' order by id) as v from raw.t group by 1", "it groups rows (GROUP BY)", CHANGE,
    ),
    "an aggregate of all rows": (
        "", "select 1::bigint as id, count(*)::text as v from raw.t", f"it calls count(), {CALL}", "insert into raw.t (id) values (4)",
    ),
    "a window function": (
        "", "select id, rank() over (order by n)::text as v from raw.t", f"it calls rank(), {CALL}", "insert into raw.t (id, n) values (4, 0)",
    ),
    "distinct": (
        "", "select distinct id, v from raw.t", "it removes duplicates (DISTINCT)", CHANGE,
    ),
    "the first of each": (
        "", "select distinct on (n / 9) 1::bigint as id, v from raw.t order by n / 9, n", "it removes duplicates (DISTINCT)", "insert into raw.t values (4, 'first', 0)",
    ),
    "a limit": (
        "", "select n / 9 as id, v from raw.t order by n limit 1", "it limits rows (LIMIT or FETCH)", "insert into raw.t values (4, 'first', 0)",
    ),
    "an offset": (
        "", "select n / 9 as id, v from raw.t order by n desc offset 2", "it skips rows (OFFSET)", "delete from raw.t where id = 1; insert into raw.t (id, v, n) values (4, 'less', 0)",
    ),
    "rows made of one row": (
        "", "select id * 10 + length(unnest(tags)) as id, v from raw.t where id = 2", f"it calls unnest(), {CALL}", CHANGE,
    ),
    "rows of a function": (
        "create function raw.all_of_u() returns setof raw.u stable language sql as 'select * from raw.u'", "select id, w as v from raw.all_of_u()",
        "it reads a function's rows or VALUES, not a table", "update raw.u set w = 'x'",
    ),
    "a whole row": (
        "", "select id, t::text as v from raw.t", "it uses the whole row t", "alter table raw.t add more int default 5",
    ),
    "a whole row as json": (
        "", "select id, row_to_json(t)::text as v from raw.t", "it uses the whole row t", "alter table raw.t rename n to m",
    ),
    "where a row lies": (
        "delete from raw.t where id = 1", "select id, ctid::text as v from raw.t", "it uses the system column ctid", "vacuum full raw.t",
    ),
    "the table of a row": (
        "create table raw.p (id bigint) partition by range (id); create table raw.p1 partition of raw.p for values from (0) to (10); insert into raw.p values (1)",
        "select id, tableoid::regclass::text as v from raw.p", "it uses the system column tableoid", "alter table raw.p1 rename to p9",
    ),
    "the transaction of a row": (
        "", "select id, xmin::text as v from raw.t", "it uses the system column xmin", CHANGE,
    ),
    "a table without its children": (
        "", "select id, v from only raw.t", "it reads ONLY a table, without its children", CHANGE,
    ),
    "a sample": (
        "", "select id, v from raw.t tablesample system (100)", "it reads a sample (TABLESAMPLE)", CHANGE,
    ),
    "renamed by the alias": (
        "", "select a as id, b as v from raw.u as x (a, b)", "the table's alias renames its columns", "update raw.u set w = 'x'",
    ),
    "an inheritance child": (
        "create table raw.kid (id bigint not null, v text, n integer, at timestamptz, d date, tags text[], doc jsonb); create table raw.other () inherits (raw.t); insert into raw.kid values (7, 'old')",
        "select id, v from raw.t", "raw.t is a table with inheritance children", "alter table raw.kid inherit raw.t",
    ),
    "a function of the user": (
        "create function raw.f(text) returns text immutable language sql as 'select upper($1)'", "select id, raw.f(v) as v from raw.t", f"it calls raw.f(), {CALL}",
        "create or replace function raw.f(text) returns text immutable language sql as 'select $1 || $1'",
    ),
    "a function called like a column": (
        "create function raw.shout(raw.t) returns text immutable language sql as 'select upper($1.v)'; alter database {db} set search_path = raw",
        "select t.id, t.shout as v from raw.t", "shout is not a column of raw.t", "create or replace function raw.shout(raw.t) returns text immutable language sql as 'select $1.v || $1.v'",
    ),
    "an operator of the user": (
        "create function raw.f(text, text) returns text immutable language sql as 'select $1 || $2'; create operator raw.<=> (leftarg = text, rightarg = text, function = raw.f); alter database {db} set search_path = raw",
        "select id, v <=> 'x' as v from raw.t", "<=> is somebody's own beside the built-in one, and might be called",
        "create or replace function raw.f(text, text) returns text immutable language sql as 'select $2 || $1'",
    ),
    "a cast to an enum": (
        "create type raw.mood as enum ('b', 'a', 'c')", "select id, (v::raw.mood < 'a')::text as v from raw.t", "it casts to raw.mood, which is not a built-in type",
        "alter type raw.mood rename value 'b' to 'x'; alter type raw.mood rename value 'a' to 'b'; alter type raw.mood rename value 'x' to 'a'",
    ),
    "a name as an object": (
        "update raw.t set n = 'raw.u'::regclass::oid::int", "select id, n::regclass::text as v from raw.t", "it casts to regclass, whose meaning may change", "alter table raw.u rename to x",
    ),
    "a column of object names": (
        "create table raw.r (id bigint primary key, v regclass); insert into raw.r values (1, 'raw.u')", "select id, v from raw.r",
        "the column v is of type regclass, whose text is the name that an object has now", "alter table raw.u rename to x",
    ),
    "a column of rights": (
        "create table raw.r (id bigint primary key, v aclitem); insert into raw.r values (1, 'raw_reader=r/raw_reader')", "select id, v from raw.r",
        "the column v is of type aclitem, whose text is the name that an object has now", "alter role raw_reader rename to raw_other",
    ),
    "a column of a domain": (
        "create type raw.mood as enum ('sad'); create domain raw.feeling as raw.mood; create table raw.e (id bigint primary key, v raw.feeling); insert into raw.e values (1, 'sad')",
        "select id, v from raw.e", "the column v is of type raw.feeling, which is not built in", "alter type raw.mood rename value 'sad' to 'blue'",
    ),
    "a column of a domain behind a star": (
        "create type raw.mood as enum ('sad'); create domain raw.feeling as raw.mood; create table raw.e (id bigint primary key, v raw.feeling); insert into raw.e values (1, 'sad')",
        "select * from raw.e", "the column v is of type raw.feeling, which is not built in", "alter type raw.mood rename value 'sad' to 'blue'",
    ),
    "a composite column": (
        "create type raw.pair as (a int, b text); create table raw.e (id bigint primary key, v raw.pair); insert into raw.e values (1, '(1,x)')",
        "select id, v from raw.e", "the column v is of type raw.pair, which is not built in", "alter type raw.pair drop attribute b",
    ),
    "a part of a composite column": (
        "create type raw.pair as (a int, b text); create table raw.e (id bigint primary key, c raw.pair); insert into raw.e values (1, '(1,x)')",
        "select id, (c).b as v from raw.e", "it reads a part of a composite value", "update raw.e set c = '(1,y)'",
    ),
    "text search": (
        "", "select id, to_tsvector(v)::text as v from raw.t", f"it calls to_tsvector(), {CALL}", "alter database {db} set default_text_search_config = simple; update raw.t set v = 'the ' || v",
    ),
    "a setting": (
        "", "select id, current_setting('raw.kind', true) as v from raw.t", f"it calls current_setting(), {CALL}", "alter database {db} set raw.kind = new",
    ),
    "the session's user": (
        "", "select id, v from raw.t where current_user <> v", f"it calls current_user(), {CALL}", CHANGE,
    ),
    "chance": (
        "", "select id, v from raw.t where random() >= 0", f"it calls random(), {CALL}", CHANGE,
    ),
    "a collation": (
        "", "select id, upper(v collate \"C\") as v from raw.t", f"it holds COLLATE, {CALL}", CHANGE,
    ),
    "a string with escapes": (
        "", "select id, v from raw.ahead where at <= E'n\\x6fw'", "it writes E'n\\x6fw' with escapes", WAIT,
    ),
    "a column with its schema": (
        "", "select raw.t.id, raw.t.v from raw.t", "it names a column with its schema, raw.t.id", CHANGE,
    ),
    "the catalog": (
        "", "select oid::bigint as id, nspname as v from pg_namespace where nspname like 'raw%'", "pg_catalog.pg_namespace is a system catalog", "create schema raw2",
    ),
    "a date in words": (
        "", "select id, v from raw.t where at < 'yesterday'", "the literal 'yesterday' depends on the clock", CHANGE,  # no test waits for midnight
    ),
    "today without its word": (
        "", "select id, v from raw.t where d < current_date", f"it calls current_date(), {CALL}", CHANGE,
    ),
}  # fmt: skip


@pytest.fixture
def reader(server: str) -> Iterator[None]:
    """A role whom a right may be given to."""
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute("create role raw_reader")
        yield
        admin.execute("drop role if exists raw_reader, raw_other")


@pytest.mark.parametrize("path", ["inside"])
@pytest.mark.parametrize("case", FULL)
def test_what_could_change_without_a_new_row_is_read_in_full(
    stand: Callable[..., Any], reader: None, case: str
) -> None:
    before, query, why, change = FULL[case]
    here = stand(query)
    here.do(before)
    here.run()
    assert here.why() == why
    first = here.held()
    here.do(change)
    here.run()
    assert here.held() != first
    assert here.held() == here.selected()
    assert here.why() == why


# --- what is declared --------------------------------------------------------------------------------------


ID, V = Annotated[BigInt, pk()], Text | None


@pytest.mark.parametrize("path", ["inside"])
@pytest.mark.parametrize(
    ("declared", "why"),
    [
        ({"mode": Append()}, ""),
        ({"mode": "merge"}, ""),
        ({"mode": Scd2(keys=("id",))}, ""),
        ({"mode": "truncate"}, "truncate replaces the whole table"),
        (
            {"mode": Merge(keys=("id",), deletes=Deletes.HARD)},
            "rows that are gone are found by reading all that are there",
        ),
        (
            {"mode": Scd2(keys=("id",), deletes=Deletes.SOFT)},
            "rows that are gone are found by reading all that are there",
        ),
        ({"incremental": False}, "incremental=False"),
        (
            {"columns": {"id": BigInt, "v": V}, "mode": "append", "incremental": False},
            "incremental=False",
        ),
        ({"columns": {"id": ID, "v": Date | None}}, "the column v is a text that is read as a date or time, and may say today"),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_declared_decides_too(stand: Callable[..., Any], declared: dict[str, Any], why: str) -> None:
    here = stand("select id, v from raw.x", **declared)
    here.do(
        "create table raw.x (id bigint primary key, v text)", "insert into raw.x values (1, '2024-01-01')"
    )
    here.run()
    assert here.why() == why
    here.do("insert into raw.x values (2, '2024-01-02')")
    here.run()
    assert {row[0] for row in here.held()} == {1, 2}


@pytest.mark.parametrize("path", ["inside"])
def test_a_column_of_texts_that_say_today_is_a_date_of_the_day_it_is_read(stand: Callable[..., Any]) -> None:
    here = stand("select id, v from raw.x", columns={"id": ID, "v": Date | None})
    here.do("create table raw.x (id bigint primary key, v text)", "insert into raw.x values (1, 'today')")
    here.run()
    with psycopg.connect(here.target, autocommit=True) as session:
        session.execute("update analytics.t set v = v - 1")  # as if it had been loaded yesterday
        here.run()
        assert session.execute("select v = (now() at time zone 'UTC')::date from analytics.t").fetchall() == [
            (True,)
        ]


@pytest.mark.parametrize("path", ["inside"])
def test_an_array_of_an_enum_behind_a_star_is_read_in_full(stand: Callable[..., Any]) -> None:
    here = stand("select * from raw.e", columns={"id": ID, "v": Array[Text] | None})
    here.do(
        "create type raw.mood as enum ('sad')",
        "create table raw.e (id bigint primary key, v raw.mood[])",
        "insert into raw.e values (1, '{sad}')",
    )
    here.run()
    assert here.why() == "the column v is of type raw.mood[], which is not built in"
    here.do("alter type raw.mood rename value 'sad' to 'blue'")
    here.run()
    assert here.held() == [(1, ["blue"])]


@pytest.mark.parametrize("path", ["inside", "stream"])
def test_row_security_is_read_in_full(
    stand: Callable[..., Any], server: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = stand("select id, v from raw.t")
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute("create role raw_limited login password 'limited'")
        try:
            here.do(
                "create table raw.limits (most int)",
                "insert into raw.limits values (1)",
                "alter table raw.t enable row level security",
                "create policy few on raw.t using (n <= (select most from raw.limits))",
                "grant usage on schema raw to raw_limited; grant select on all tables in schema raw to raw_limited",
                f"grant create on database {here.database} to raw_limited",
            )
            limited = make_conninfo(here.origin, user="raw_limited", password="limited")  # noqa: S106
            monkeypatch.setenv("ORIGIN_DSN", limited)
            if path == "inside":
                monkeypatch.setenv("WAREHOUSE_DSN", limited)
            here.run()
            assert here.why() == "row security is active on raw.t"
            assert here.held() == [(1, "a")]
            here.do("update raw.limits set most = 2")
            here.run()
            assert here.held() == [(1, "a"), (2, "b")]
        finally:
            here.do("drop owned by raw_limited")
            admin.execute("drop role raw_limited")
