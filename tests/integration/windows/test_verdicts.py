"""Which bodies are read in a window and which in full, each followed by the change that a window might miss.

A window by transaction ids is right as long as every row of the query follows from one row of one table. What
follows from anything else (the clock, another row, the catalog, a setting) changes without a new `xmin`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ematix_flow import Append, Deletes, Merge, Scd2, pk
from ematix_flow.types import Array, BigInt, Date, Integer, Text

# Most of the tests read raw.t; three rows are enough.
TABLE = """
    create table raw.t (id bigint primary key, v text, n integer, at timestamptz, d date, tags text[], doc jsonb);
    insert into raw.t values
        (1, 'a', 1, '2024-01-01 12:00Z', '2024-01-01', '{x,y}', '{"k": "p", "q": [1]}'),
        (2, 'b', 2, '2024-01-02 12:00Z', '2024-01-02', '{y}', '{"k": "q"}'),
        (3, 'c', 3, '2024-01-03 12:00Z', '2024-01-03', '{}', '{}');
    create table raw.u (id bigint primary key, w text);
    insert into raw.u values (1, 'p'), (2, 'q'), (3, 'r')
"""
CHANGE = "update raw.t set v = v || '!' where id = 2"
# The clock passes one of these moments between two runs, however slow the machine is.
AHEAD = (
    TABLE
    + "; insert into raw.t (id, v, at) select s, 'ahead', clock_timestamp() + s * interval '1 s' from unnest('{2,8,40}'::int[]) as s on conflict (id) do update set at = excluded.at"
)
WAIT = "select pg_sleep_until(min(at)) from raw.t where at > clock_timestamp()"

ANEW = "no watermark is stored for this query and source yet"
CALL = "which is not known to depend on one row alone"
MOMENT = "it casts an expression to a date or time, and a text that says now or today means the clock"

# --- windowed: what is new is found, and nothing else is read ------------------------------------------

# What stands beside TABLE, the query, the change, and how many rows the next run reads.
WINDOWED: dict[str, tuple[str, str, str, int]] = {
    "a plain select": (TABLE, "select id, v from raw.t", CHANGE, 1),
    "nothing changed": (TABLE, "select id, v from raw.t", "select 1", 0),
    "a table under an alias": (TABLE, 'select "E e".id, "E e".v from raw.t as "E e"', CHANGE, 1),
    "a row that enters by its predicate": (
        TABLE, "select id, v from raw.t where n > 1 order by v desc", "update raw.t set n = 9 where id = 1", 1,
    ),
    "a late row with an old date": (
        TABLE, "select id, v from raw.t where at < '2025-01-01'", "insert into raw.t values (0, 'old', 0, '1999-01-01')", 1,
    ),
    "built-in functions": (
        TABLE, "select id, coalesce(upper(v), '-') || to_char(date_trunc('month', at), 'YYYY Mon') as v from raw.t", CHANGE, 1,
    ),
    "built-in operators on json and arrays": (
        TABLE, "select id, doc ->> 'k' as v from raw.t where tags && array['y'] or doc @> '{}'", "update raw.t set doc = '{\"k\": \"z\"}' where id = 3", 1,
    ),
    "case, casts and ranges": (
        TABLE, "select id, case when n between 1 and 2 then n::numeric(5, 2)::text else d::text end as v from raw.t", "update raw.t set n = 7 where id = 1", 1,
    ),
    "a changed TimeZone": (
        TABLE, "select id, at::text as v from raw.t", "alter database {db} set TimeZone = 'Asia/Tokyo'", 0,
    ),
    "a changed DateStyle": (TABLE, "select id, d::text as v from raw.t", "alter database {db} set DateStyle = 'German'", 0),
    "a savepoint that is rolled back": (
        TABLE, "select id, v from raw.t",
        "do $$ begin begin update raw.t set v = 'lost'; raise exception 'x'; exception when others then update raw.t set v = 'kept' where id = 1; end; end $$", 1,
    ),
    "a table whose type was rewritten": (
        TABLE, "select id, v from raw.t", "alter table raw.t alter v type text using upper(v)", 3,
    ),
    "a full vacuum": (TABLE, "select id, v from raw.t", "vacuum full freeze raw.t", 0),
    "a clustered table": (TABLE, "select id, v from raw.t", "cluster raw.t using t_pkey", 0),
    "a table that is emptied and refilled": (
        TABLE, "select id, v from raw.t", "truncate raw.t; insert into raw.t values (1, 'x'), (2, 'y'), (3, 'z'), (4, 'w')", 4,
    ),
    "a row written by a trigger": (
        TABLE
        + "; create function raw.copy() returns trigger language plpgsql as $$ begin update raw.t set v = new.w where id = new.id; return new; end $$"
        + "; create trigger c after update on raw.u for each row execute function raw.copy()",
        "select id, v from raw.t", "update raw.u set w = 'by trigger' where id = 3", 1,
    ),
    "a stored generated column": (
        "create table raw.g (id bigint primary key, n int, v text generated always as (lpad(n::text, 3)) stored); insert into raw.g values (1, 1), (2, 2)",
        "select id, v from raw.g", "update raw.g set n = 9 where id = 1", 1,
    ),
    "a virtual generated column": (
        "create table raw.g (id bigint primary key, n int, v text generated always as (n::text) virtual); insert into raw.g values (1, 1), (2, 2)",
        "select id, v from raw.g", "update raw.g set n = 9 where id = 1", 1,
    ),
    "an enum column": (
        "create type raw.mood as enum ('sad', 'ok'); create table raw.e (id bigint primary key, v raw.mood); insert into raw.e values (1, 'sad'), (2, 'ok')",
        "select id, v from raw.e where v < 'ok'", "update raw.e set v = 'sad' where id = 2", 1,
    ),
    "an unlogged table": (
        "create unlogged table raw.x (id bigint primary key, v text); insert into raw.x values (1, 'a'), (2, 'b')",
        "select id, v from raw.x", "update raw.x set v = 'c' where id = 2", 1,
    ),
    "a partitioned table": (
        "create table raw.p (id bigint, v text) partition by range (id); create table raw.p1 partition of raw.p for values from (0) to (10); create table raw.p2 partition of raw.p for values from (10) to (20); insert into raw.p values (1, 'a'), (11, 'b')",
        "select id, v from raw.p", "insert into raw.p values (12, 'c')", 1,
    ),
    "a row that moves between partitions": (
        "create table raw.p (id bigint, v text, k int) partition by list (k); create table raw.p1 partition of raw.p for values in (1); create table raw.p2 partition of raw.p for values in (2); insert into raw.p values (1, 'a', 1), (2, 'b', 2)",
        "select id, v || k as v from raw.p", "update raw.p set k = 2 where id = 1", 1,
    ),
    "one partition by its own name": (
        "create table raw.p (id bigint, v text) partition by range (id); create table raw.p1 partition of raw.p for values from (0) to (10); insert into raw.p values (1, 'a'), (2, 'b')",
        "select id, v from raw.p1", "update raw.p set v = 'z' where id = 2", 1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("path", ["inside"])
@pytest.mark.parametrize("case", WINDOWED)
def test_a_row_that_stands_alone_is_read_in_a_window(stand: Callable[..., Any], case: str) -> None:
    before, query, change, read = WINDOWED[case]
    here = stand(query)
    here.do(before)
    assert here.run().read == len(here.held()) > 0
    assert here.why() == ""
    _change(here, change)
    assert here.why() == ""
    assert here.run().read == read
    assert here.held() == here.selected()


# --- a window that begins anew, because a row may mean something else now ------------------------------

BEGUN_ANEW: dict[str, tuple[str, str, str]] = {
    "a partition with old rows is attached": (
        "create table raw.p (id bigint, v text) partition by range (id); create table raw.p1 partition of raw.p for values from (0) to (10); insert into raw.p values (1, 'a'); create table raw.old (id bigint, v text); insert into raw.old values (11, 'b')",
        "select id, v from raw.p", "alter table raw.p attach partition raw.old for values from (10) to (20)",
    ),
    "a partition of a partition is attached": (
        "create table raw.p (id bigint, v text) partition by range (id); create table raw.q partition of raw.p for values from (0) to (99) partition by range (id); create table raw.old (id bigint, v text); insert into raw.old values (11, 'b'); create table raw.q1 partition of raw.q for values from (0) to (5); insert into raw.p values (1, 'a')",
        "select id, v from raw.p", "alter table raw.q attach partition raw.old for values from (10) to (20)",
    ),
    "columns change names": (
        "create table raw.c (id bigint primary key, v text, w text); insert into raw.c values (1, 'a', 'b'), (2, 'c', 'd')",
        "select id, v from raw.c", "alter table raw.c rename v to x; alter table raw.c rename w to v; alter table raw.c rename x to w",
    ),
    "a column is dropped and made again": (
        "create table raw.c (id bigint primary key, v text); insert into raw.c values (1, 'a'), (2, 'c')",
        "select id, v from raw.c", "alter table raw.c drop v; alter table raw.c add v text default 'new'",
    ),
    "an enum's label is renamed": (
        "create type raw.mood as enum ('sad', 'ok'); create table raw.e (id bigint primary key, v raw.mood); insert into raw.e values (1, 'sad'), (2, 'ok')",
        "select id, v from raw.e", "alter type raw.mood rename value 'sad' to 'blue'",
    ),
    "a virtual column gets another expression": (
        "create table raw.g (id bigint primary key, v bigint generated always as (id * 2) virtual); insert into raw.g values (1), (2)",
        "select id, v::text as v from raw.g", "alter table raw.g alter v set expression as (id * 3)",
    ),
    "a column gets another collation": (
        "create table raw.c (id bigint primary key, v text collate \"C\"); insert into raw.c values (1, 'é')",
        "select id, upper(v) as v from raw.c", "alter table raw.c alter v type text collate pg_c_utf8",
    ),
    "another table takes the name": (
        TABLE + "; create table raw.s (id bigint primary key, v text); insert into raw.s values (1, 'old'), (9, 'older')",
        "select id, v from raw.t", "alter table raw.t rename to gone; alter table raw.s rename to t",
    ),
    "another schema comes first in the search path": (
        "create schema if not exists public; create table public.s (id bigint primary key, v text); insert into public.s values (1, 'old'), (9, 'older'); create table raw.s (id bigint primary key, v text); insert into raw.s values (1, 'a'), (10, 'b')",
        "select id, v from s", "alter database {db} set search_path = raw,public",
    ),
    "an equals sign means something else": (
        TABLE + "; insert into raw.t (id) values (8)",
        "select id, v from raw.t where n = null or n = 1", "alter database {db} set transform_null_equals = on",
    ),
}  # fmt: skip


@pytest.mark.parametrize("path", ["inside"])
@pytest.mark.parametrize("case", BEGUN_ANEW)
def test_what_changes_the_meaning_of_old_rows_begins_the_window_anew(
    stand: Callable[..., Any], case: str
) -> None:
    before, query, change = BEGUN_ANEW[case]
    here = stand(query)
    here.do(before)
    here.run()
    assert here.why() == ""
    _change(here, change)
    assert here.why() == ANEW
    before_run = here.held()
    here.run()
    assert here.held() != before_run
    assert set(here.selected()) <= set(here.held())
    assert here.why() == ""


# --- read in full -------------------------------------------------------------------------------------

# What stands beside TABLE, the query, the reason, and a change that no row of the query's own table shows.
FULL: dict[str, tuple[str, str, str, str]] = {
    "the clock in a predicate": (
        AHEAD, "select id, v from raw.t where at <= now()", f"it calls now(), {CALL}", WAIT,
    ),
    "the clock without parentheses": (
        AHEAD, "select id, (at <= current_timestamp)::text as v from raw.t", f"it calls current_timestamp(), {CALL}", WAIT,
    ),
    "the local clock": (
        AHEAD, "select id, v from raw.t where at at time zone 'UTC' <= localtimestamp", f"it calls localtimestamp(), {CALL}", WAIT,
    ),
    "an age": (
        AHEAD, "select id, v from raw.t where extract(epoch from clock_timestamp() - at) >= 0", f"it calls clock_timestamp(), {CALL}", WAIT,
    ),
    "the word now": (
        AHEAD, "select id, v from raw.t where at <= 'now'", "the literal 'now' depends on the clock", WAIT,
    ),
    "the word now in a column": (
        AHEAD + "; update raw.t set v = 'now'", "select id, (v::timestamptz >= at)::text as v from raw.t",
        "the column v is a text that is read as a date or time", WAIT,
    ),
    "the word now in a document": (
        AHEAD + "; update raw.t set doc = '{\"at\": \"now\"}'", "select id, ((doc ->> 'at')::timestamptz >= at)::text as v from raw.t", MOMENT, WAIT,
    ),
    "a sub-select": (
        TABLE, "select id, v from raw.t where id in (select id from raw.u where w = 'p')", "it holds a sub-select", "update raw.u set w = 'p' where id = 2",
    ),
    "a scalar sub-select": (
        TABLE, "select id, (select w from raw.u where u.id = t.id) as v from raw.t", "it holds a sub-select", "update raw.u set w = 'x' where id = 2",
    ),
    "exists": (
        TABLE, "select id, exists (select from raw.u where u.id = t.id + 1)::text as v from raw.t", "it holds a sub-select", "insert into raw.u values (4, 's')",
    ),
    "an array of a sub-select": (
        TABLE, "select id, array(select w from raw.u order by id)::text as v from raw.t", "it holds a sub-select", "update raw.u set w = 'x' where id = 2",
    ),
    "a view": (
        TABLE + "; create view raw.w as select id, v from raw.t", "select id, v from raw.w", "raw.w is a view",
        "create or replace view raw.w as select id, upper(v) as v from raw.t",
    ),
    "a view of a view": (
        TABLE + "; create view raw.w as select id, w as v from raw.u; create view raw.ww as select id, v from raw.w", "select id, v from raw.ww", "raw.ww is a view",
        "create or replace view raw.w as select id, upper(w) as v from raw.u",
    ),
    "a materialized view": (
        TABLE + "; create materialized view raw.m as select t.id, u.w as v from raw.t join raw.u using (id)", "select id, v from raw.m", "raw.m is a view",
        "update raw.u set w = 'x'; refresh materialized view raw.m",
    ),
    "a join": (
        TABLE, "select t.id, w as v from raw.t join raw.u on t.id = u.id", "it joins tables", "update raw.u set w = 'x' where id = 2",
    ),
    "a join by commas": (
        TABLE, "select t.id, w as v from raw.t, raw.u where t.id = u.id", "it joins tables", "update raw.u set w = 'x' where id = 2",
    ),
    "an outer join": (
        TABLE, "select t.id, w as v from raw.t left join raw.u on t.id + 1 = u.id", "it joins tables", "insert into raw.u values (4, 's')",
    ),
    "a lateral join": (
        TABLE, "select t.id, m.w as v from raw.t, lateral (select max(w) as w from raw.u where u.id >= t.id) m", "it joins tables", "insert into raw.u values (4, 's')",
    ),
    "a query of WITH": (
        TABLE, "with w as (select * from raw.u) select id, w as v from w", "it has a WITH clause", "update raw.u set w = 'x' where id = 2",
    ),
    "a select of a select": (
        TABLE, "select id, v from (select id, w as v from raw.u) q", "it reads a sub-select or a join in parentheses, not a table", "update raw.u set w = 'x'",
    ),
    "a select in parentheses": (
        TABLE, "(select id, v from raw.t)", "it stands in parentheses", CHANGE,
    ),
    "a union": (
        TABLE, "select id, v from raw.t union all select id + 10, w from raw.u", "it is a set operation (UNION)", "update raw.u set w = 'x' where id = 2",
    ),
    "a difference": (
        TABLE, "select id, v from raw.t except select id, w from raw.u", "it is a set operation (EXCEPT)", "delete from raw.u; insert into raw.t (id) values (4)",
    ),
    "an aggregate": (
        TABLE, "select n % 2 as id, string_agg(v, ',' order by id) as v from raw.t group by 1", "it groups rows (GROUP BY)", CHANGE,
    ),
    "an aggregate of all rows": (
        TABLE, "select 1::bigint as id, count(*)::text as v from raw.t", f"it calls count(), {CALL}", "insert into raw.t (id) values (4)",
    ),
    "a window function": (
        TABLE, "select id, rank() over (order by n)::text as v from raw.t", f"it calls rank(), {CALL}", "insert into raw.t (id, n) values (4, 0)",
    ),
    "distinct": (
        TABLE, "select distinct id, v from raw.t", "it removes duplicates (DISTINCT)", CHANGE,
    ),
    "the first of each": (
        TABLE, "select distinct on (n / 9) 1::bigint as id, v from raw.t order by n / 9, n", "it removes duplicates (DISTINCT)", "insert into raw.t values (4, 'first', 0)",
    ),
    "a limit": (
        TABLE, "select n / 9 as id, v from raw.t order by n limit 1", "it limits rows (LIMIT or FETCH)", "insert into raw.t values (4, 'first', 0)",
    ),
    "an offset": (
        TABLE, "select n / 9 as id, v from raw.t order by n desc offset 2", "it skips rows (OFFSET)", "delete from raw.t where id = 1; insert into raw.t (id, v, n) values (4, 'less', 0)",
    ),
    "rows made of one row": (
        TABLE, "select id * 10 + length(unnest(tags)) as id, v from raw.t where id = 2", f"it calls unnest(), {CALL}", CHANGE,
    ),
    "rows of a function": (
        TABLE + "; create function raw.all_of_u() returns setof raw.u stable language sql as 'select * from raw.u'", "select id, w as v from raw.all_of_u()",
        "it reads a function's rows or VALUES, not a table", "update raw.u set w = 'x'",
    ),
    "a whole row": (
        TABLE, "select id, t::text as v from raw.t", "it uses the whole row t", "alter table raw.t add more int default 5",
    ),
    "a whole row as json": (
        TABLE, "select id, row_to_json(t)::text as v from raw.t", "it uses the whole row t", "alter table raw.t rename n to m",
    ),
    "where a row lies": (
        TABLE + "; delete from raw.t where id = 1", "select id, ctid::text as v from raw.t", "it uses the system column ctid", "vacuum full raw.t",
    ),
    "the table of a row": (
        "create table raw.p (id bigint) partition by range (id); create table raw.p1 partition of raw.p for values from (0) to (10); insert into raw.p values (1)",
        "select id, tableoid::regclass::text as v from raw.p", "it uses the system column tableoid", "alter table raw.p1 rename to p9",
    ),
    "the transaction of a row": (
        TABLE, "select id, xmin::text as v from raw.t", "it uses the system column xmin", CHANGE,
    ),
    "a table without its children": (
        TABLE, "select id, v from only raw.t", "it reads ONLY a table, without its children", CHANGE,
    ),
    "a sample": (
        TABLE, "select id, v from raw.t tablesample system (100)", "it reads a sample (TABLESAMPLE)", CHANGE,
    ),
    "renamed by the alias": (
        TABLE, "select a as id, b as v from raw.u as x (a, b)", "the table's alias renames its columns", "update raw.u set w = 'x'",
    ),
    "an inheritance child": (
        TABLE + "; create table raw.kid (id bigint not null, v text, n integer, at timestamptz, d date, tags text[], doc jsonb); create table raw.other () inherits (raw.t); insert into raw.kid values (7, 'old')",
        "select id, v from raw.t", "raw.t is a table with inheritance children", "alter table raw.kid inherit raw.t",
    ),
    "a function of the user": (
        TABLE + "; create function raw.f(text) returns text immutable language sql as 'select upper($1)'", "select id, raw.f(v) as v from raw.t", f"it calls raw.f(), {CALL}",
        "create or replace function raw.f(text) returns text immutable language sql as 'select $1 || $1'",
    ),
    "a function called like a column": (
        TABLE + "; create function raw.shout(raw.t) returns text immutable language sql as 'select upper($1.v)'; alter database {db} set search_path = raw",
        "select t.id, t.shout as v from raw.t", "shout is not a column of raw.t", "create or replace function raw.shout(raw.t) returns text immutable language sql as 'select $1.v || $1.v'",
    ),
    "an operator of the user": (
        TABLE + "; create function raw.f(text, text) returns text immutable language sql as 'select $1 || $2'; create operator raw.<=> (leftarg = text, rightarg = text, function = raw.f); alter database {db} set search_path = raw",
        "select id, v <=> 'x' as v from raw.t", "it uses the operator <=>, which is not known to be built in",
        "create or replace function raw.f(text, text) returns text immutable language sql as 'select $2 || $1'",
    ),
    "a cast to an enum": (
        TABLE + "; create type raw.mood as enum ('b', 'a', 'c')", "select id, (v::raw.mood < 'a')::text as v from raw.t", "it casts to raw.mood, which is not a built-in type",
        "alter type raw.mood rename value 'b' to 'x'; alter type raw.mood rename value 'a' to 'b'; alter type raw.mood rename value 'x' to 'a'",
    ),
    "a name as an object": (
        TABLE + "; update raw.t set n = 'raw.u'::regclass::oid::int", "select id, n::regclass::text as v from raw.t", "it casts to regclass, whose meaning may change", "alter table raw.u rename to x",
    ),
    "a column of object names": (
        TABLE + "; create table raw.r (id bigint primary key, v regclass); insert into raw.r values (1, 'raw.u')", "select id, v from raw.r",
        "the column v is of type regclass, whose text is the name that an object has now", "alter table raw.u rename to x",
    ),
    "a column of rights": (
        TABLE + "; create table raw.r (id bigint primary key, v aclitem); insert into raw.r values (1, 'raw_reader=r/raw_reader')", "select id, v from raw.r",
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
        TABLE, "select id, to_tsvector(v)::text as v from raw.t", f"it calls to_tsvector(), {CALL}", "alter database {db} set default_text_search_config = simple; update raw.t set v = 'the ' || v",
    ),
    "a setting": (
        TABLE, "select id, current_setting('raw.kind', true) as v from raw.t", f"it calls current_setting(), {CALL}", "alter database {db} set raw.kind = new",
    ),
    "the session's user": (
        TABLE, "select id, v from raw.t where current_user <> v", f"it calls current_user(), {CALL}", CHANGE,
    ),
    "chance": (
        TABLE, "select id, v from raw.t where random() >= 0", f"it calls random(), {CALL}", CHANGE,
    ),
    "a collation": (
        TABLE, "select id, upper(v collate \"C\") as v from raw.t", f"it holds COLLATE, {CALL}", CHANGE,
    ),
    "a string with escapes": (
        AHEAD, "select id, v from raw.t where at <= E'n\\x6fw'", "it writes E'n\\x6fw' with escapes", WAIT,
    ),
    "a column with its schema": (
        TABLE, "select raw.t.id, raw.t.v from raw.t", "it names a column with its schema, raw.t.id", CHANGE,
    ),
    "the catalog": (
        TABLE, "select oid::bigint as id, nspname as v from pg_namespace where nspname like 'raw%'", "pg_catalog.pg_namespace is a system catalog", "create schema raw2",
    ),
    "a date in words": (
        TABLE, "select id, v from raw.t where at < 'yesterday'", "the literal 'yesterday' depends on the clock", CHANGE,  # no test waits for midnight
    ),
    "today without its word": (
        TABLE, "select id, v from raw.t where d < current_date", f"it calls current_date(), {CALL}", CHANGE,
    ),
}  # fmt: skip


@pytest.fixture
def reader(server: str) -> Any:
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
    here.do(before.replace("{db}", _database(here)))
    here.run()
    assert here.why() == why
    first = here.held()
    _change(here, change)
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
    here.do("create table raw.x (id bigint primary key, v text)", "insert into raw.x values (1, '2024-01-01')")
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
        assert session.execute("select v = (now() at time zone 'UTC')::date from analytics.t").fetchall() == [(True,)]


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


@pytest.mark.parametrize("path", ["inside"])
def test_another_text_or_declaration_begins_the_window_anew(stand: Callable[..., Any]) -> None:
    here = stand("select id, v from raw.t")
    here.do(TABLE)
    here.run()
    assert here.why() == ""
    for query, columns in [
        ("select id, upper(v) as v from raw.t", None),
        ("select id, n::text as v, n from raw.t", {"id": ID, "v": V, "n": Integer | None}),
    ]:
        changed = stand(query, columns=columns)
        assert changed.why() == ANEW
        changed.run()
        assert changed.held() == changed.selected()
        assert changed.why() == ""


@pytest.mark.parametrize("path", ["inside", "stream"])
def test_row_security_is_read_in_full(
    stand: Callable[..., Any], server: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = stand("select id, v from raw.t")
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute("create role raw_limited login password 'limited'")
        try:
            here.do(
                TABLE,
                "create table raw.limits (most int)",
                "insert into raw.limits values (1)",
                "alter table raw.t enable row level security",
                "create policy few on raw.t using (n <= (select most from raw.limits))",
                "grant usage on schema raw to raw_limited; grant select on all tables in schema raw to raw_limited",
                f"grant create on database {_database(here)} to raw_limited",
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


def test_a_transaction_that_ends_after_a_later_run_is_found(stand: Callable[..., Any]) -> None:
    here = stand("select id, v from raw.t")
    here.do(TABLE)
    with psycopg.connect(here.origin) as late:
        late.execute("insert into raw.t (id, v) values (10, 'late')")
        here.run()
        here.do("insert into raw.t (id, v) values (11, 'in time')")
        here.run()
        assert here.why() == ""
        assert here.held() == here.selected()
        late.commit()
    assert here.run().read < 5
    assert here.held() == here.selected()


def _change(here: Any, change: str) -> None:
    here.do(change.replace("{db}", _database(here)))


def _database(here: Any) -> str:
    return str(conninfo_to_dict(here.origin)["dbname"])
