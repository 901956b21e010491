"""SQL bodies on a real server: what is one read-only SELECT runs, whatever else is refused, and nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any

import psycopg
import pytest

from ematix_flow import Append, Job, Project, SourceQueryError, pk, plan_job, run_job
from ematix_flow.errors import EmatixError
from ematix_flow.plan import InsertSelect
from ematix_flow.types import BigInt, Text

TABLE = """
    drop schema raw cascade;
    create schema raw;
    create table raw.t (id bigint primary key, v text, doc jsonb);
    insert into raw.t values (1, 'a%', '{"k": 1}'), (2, 'b', '{"j": 2}');
    create table raw.u (id bigint primary key, w text);
    insert into raw.u values (2, 'p'), (3, 'q');
    create function raw.delete_all() returns text language plpgsql as
        $$ begin delete from raw.t; return 'gone'; end $$;
    create function raw.delete_with(v text) returns text language plpgsql as
        $$ begin delete from raw.t; return v; end $$
"""
A, B = (1, "a%"), (2, "b")

# --- accepted: with the rows that arrive ---------------------------------------------------------------

ACCEPTED: dict[str, tuple[str, list[tuple[int, str | None]]]] = {
    "a comment that ends the text": ("select id, v from raw.t -- no newline", [A, B]),
    "a comment that holds a statement": ("select id, v from raw.t /* ; drop table raw.t; */ where id = 1", [A]),
    "comments inside one another": ("/* a /* b ' */ c ; */ select id, v from raw.t where id = 2", [B]),
    "a semicolon, a comment and a semicolon": ("select id, v from raw.t ; -- ; \n ; ", [A, B]),
    "a semicolon in a string": ("select id, ';' as v from raw.t", [(1, ";"), (2, ";")]),
    "a semicolon in dollar quotes": ("select id, $x$ ; $$ ; $x$ as v from raw.t", [(1, " ; $$ ; "), (2, " ; $$ ; ")]),
    "a parameter in dollar quotes": ("select id, $$ $1 %s :a ? $$ as v from raw.t", [(1, " $1 %s :a ? "), (2, " $1 %s :a ? ")]),
    "a semicolon in a name": ('select id, "a;b" as v from (select id, v as "a;b" from raw.t) as q', [A, B]),
    "a per cent sign in a pattern": ("select id, v from raw.t where v like '%\\%'", [A]),
    "per cent signs that double": ("select id, v || '%%' as v from raw.t where id % 2 = 1", [(1, "a%%%")]),
    "a placeholder in a string": ("select id, '%s %(v)s {} {0}' as v from raw.t where id = 1", [(1, "%s %(v)s {} {0}")]),
    "question marks of json": ("select id, v from raw.t where doc ? 'k' or doc ?| array['x'] or doc ?& array['k', 'x']", [A]),
    "colons of a slice": ("select id, (array['x', 'y', 'z'])[id:id]::text as v from raw.t", [(1, "{x}"), (2, "{y}")]),
    "quotes of every kind": ("select id, 'it''s ' || E'a\\'b' || U&'\\00e9' as v from raw.t where id = 1", [(1, "it's a'bé")]),
    "a backslash that ends a string": ("select id, 'a\\' as v from raw.t where id = 1", [(1, "a\\")]),
    "a query of WITH": ("with q as (select * from raw.t) select id, v from q", [A, B]),
    "a query of WITH with names": ("with q (k, x) as (select id, v from raw.t) select k as id, x as v from q", [A, B]),
    "a recursive query": ("with recursive n (i) as (select 1 union all select i + 1 from n where i < 3) select i as id, 'n' as v from n", [(1, "n"), (2, "n"), (3, "n")]),
    "a materialized query of WITH": ("with q as materialized (select * from raw.t), r as not materialized (select * from q) select id, v from r", [A, B]),
    "a query of WITH inside a query": ("select id, v from (with q as (select id, v from raw.t) select * from q) as s", [A, B]),
    "a union": ("select id, v from raw.t union select id, w from raw.u where id = 3", [A, B, (3, "q")]),
    "a union in parentheses": ("((select id, v from raw.t) union all (select id, w from raw.u where id > 2)) order by 1 limit 2", [A, B]),
    "an intersection": ("select id, 'x' as v from raw.t intersect select id, 'x' from raw.u", [(2, "x")]),
    "a difference": ("select id, 'x' as v from raw.t except all select id, 'x' from raw.u", [(1, "x")]),
    "a window": ("select id, (sum(id) over (order by id rows unbounded preceding))::text as v from raw.t", [(1, "1"), (2, "3")]),
    "a named window": ("select id, (row_number() over w)::text as v from raw.t window w as (order by id desc)", [(1, "2"), (2, "1")]),
    "a filtered aggregate": ("select max(id) as id, count(*) filter (where v like 'a%')::text as v from raw.t", [(2, "1")]),
    "an ordered-set aggregate": ("select 1 as id, (percentile_disc(0.5) within group (order by id))::text as v from raw.t", [(1, "1")]),
    "grouping sets": ("select coalesce(id, 0) as id, count(*)::text as v from raw.t group by grouping sets ((id), ())", [(0, "2"), (1, "1"), (2, "1")]),
    "a lateral join": ("select t.id, l.w as v from raw.t as t left join lateral (select w from raw.u as u where u.id = t.id) as l on true", [(1, None), (2, "p")]),
    "a join by its columns": ("select id, w as v from raw.t join raw.u using (id)", [(2, "p")]),
    "a function's rows with numbers": ("select n as id, x as v from unnest(array['a', 'b']) with ordinality as u (x, n)", [(1, "a"), (2, "b")]),
    "functions side by side": ("select a as id, b as v from rows from (generate_series(1, 2), unnest(array['x', 'y'])) as r (a, b)", [(1, "x"), (2, "y")]),
    "values in FROM": ("select * from (values (1, 'a'), (2, null)) as w (id, v)", [(1, "a"), (2, None)]),
    "distinct on": ("select distinct on (id > 0) id, v from raw.t order by id > 0, id desc", [B]),
    "fetch first": ("select id, v from raw.t order by id offset 1 row fetch first row only", [B]),
    "nulls last": ("select id, v from raw.t order by v desc nulls last", [A, B]),
    "a volatile function that writes nothing": ("select id, case when random() >= 0 then v end as v from raw.t", [A, B]),
    "words of statements as names": ("select delete.id, delete.v as v from raw.t as delete where delete.v <> 'insert into'", [A, B]),
    "no table at all": ("select 1 as id, current_schema() as v", [(1, "public")]),
    "a sample": ("select id, v from raw.t tablesample bernoulli (100) repeatable (1)", [A, B]),
    "carriage returns": ("select id, v -- a\r\nfrom raw.t\r\nwhere id = 1\r\n;\r\n", [A]),
    "the same column by another case": ("SELECT ID, V FROM RAW.T", [A, B]),
}  # fmt: skip


@pytest.mark.parametrize("case", ACCEPTED)
def test_one_read_only_select_is_run_as_it_is_written(stand: Callable[..., Any], case: str) -> None:
    query, expected = ACCEPTED[case]
    here = stand(query)
    here.do(TABLE)
    here.run()
    assert here.held() == expected
    here.run()
    assert here.held() == expected


# --- refused, before anything is done ---------------------------------------------------------------------

REFUSED: dict[str, tuple[str, str]] = {
    "two statements": ("select id, v from raw.t; delete from raw.t", "more than one statement"),
    "a statement behind a comment": ("select id, v from raw.t -- a\n; -- b\ndelete from raw.t", "more than one statement"),
    "a commit between": ("select id, v from raw.t; commit; delete from raw.t", "more than one statement"),
    "a deletion": ("delete from raw.t returning id, v", "the query is DELETE, which changes data"),
    "a deletion beside WITH": ("with gone as (delete from raw.t returning *) select id, v from gone", "changes data [(]DELETE beside WITH"),
    "an update deep in WITH": ("select id, v from (with q as (update raw.t set v = 'x' returning *) select * from q) as s", "changes data [(]UPDATE beside WITH"),
    "WITH before an insertion": ("with q as (select 9 as id) insert into raw.t select id from q returning id, v", "changes data [(]INSERT beside WITH"),
    "a merge": ("merge into raw.t using raw.u on t.id = u.id when matched then delete", "the query is MERGE, which changes data"),
    "select into": ("select id, v into raw.copy from raw.t", "SELECT INTO, which makes a table"),
    "select into a temporary table": ("select id, v into temporary copy from raw.t", "SELECT INTO, which makes a table"),
    "a table of a select": ("create table raw.copy as select id, v from raw.t", "the query is CREATE, not a SELECT"),
    "rows locked for update": ("select id, v from raw.t for update", "the query locks rows"),
    "rows locked for share below": ("select id, v from (select * from raw.t for key share) as q", "the query locks rows"),
    "rows locked in WITH": ("with q as (select * from raw.t for no key update skip locked) select id, v from q", "the query locks rows"),
    "an anonymous block": ("do $$ begin delete from raw.t; end $$", "the query is DO, not a SELECT"),
    "a procedure": ("call raw.p()", "the query is CALL, not a SELECT"),
    "an analysed deletion": ("explain analyze delete from raw.t", "the query is EXPLAIN, not a SELECT"),
    "a copy to a program": ("copy raw.t to program 'cat'", "the query is COPY, not a SELECT"),
    "a truncation": ("truncate raw.t", "the query is TRUNCATE, not a SELECT"),
    "a setting": ("set session characteristics as transaction read write", "the query is SET, not a SELECT"),
    "a prepared statement": ("prepare p as delete from raw.t", "the query is PREPARE, not a SELECT"),
    "an executed one": ("execute p", "the query is EXECUTE, not a SELECT"),
    "a cursor": ("declare c cursor for select 1", "the query is DECLARE, not a SELECT"),
    "an order by an operator": ("select id, v from raw.t order by id using >", "cannot be read as a SELECT near `using`"),
    "bare values": ("values (1, 'a')", "the query is VALUES, whose columns have no names"),
    "a bare table": ("table raw.t", "the query is TABLE"),
    "a parameter": ("select id, v from raw.t where id = $1", "the query has a parameter"),
    "nothing": (" ; -- nothing\n", "the query is empty"),
    "a bracket that closes ours": ("select id, v from raw.t) as q; delete from raw.t where id in (select 1", "more than one statement"),
    "a bracket that closes ours, in one statement": ("select id, v from raw.t) as q, (select 1", "cannot be read as a SELECT"),
    # and by the server alone
    "a table that is not there": ("select id, v from raw.nothing", 'relation "raw.nothing" does not exist'),
    "a table of another session": ("select id, v from pg_temp.mine", 'relation "pg_temp.mine" does not exist'),
    "a column that is not there": ("select id, nothing as v from raw.t", 'column "nothing" does not exist'),
    "an ungrouped column": ("select id, v from raw.t group by v", "must appear in the GROUP BY clause"),
    "no columns": ("select from raw.t", "the query returns no columns"),
    "one name twice": ("select id, v, w as v from raw.t join raw.u using (id)", "the query returns v more than once"),
    "types that do not meet": ("select id, v from raw.t union select w, id from raw.u", "UNION types bigint and text cannot be matched"),
}  # fmt: skip


@pytest.mark.parametrize("path", ["inside"])
@pytest.mark.parametrize("case", REFUSED)
def test_anything_else_is_refused_with_its_reason(stand: Callable[..., Any], case: str) -> None:
    query, reason = REFUSED[case]
    here = stand(query)
    here.do(TABLE, "create temporary table mine (id bigint, v text)")
    before = contents(here)
    for attempt in (here.why, here.run):
        with pytest.raises(SourceQueryError, match=reason):
            attempt()
    assert contents(here) == before


def test_names_that_the_target_does_not_have_are_refused_and_not_dropped(stand: Callable[..., Any]) -> None:
    here = stand("select id, v, doc from raw.t")
    here.do(TABLE)
    with pytest.raises(EmatixError, match="doc"):
        here.run()


# --- read-only: whatever a query calls ---------------------------------------------------------------------

READ_ONLY = "in a read-only transaction"

# What stands beside TABLE, the query, and how it fails.
HOSTILE: dict[str, tuple[str, str, str]] = {
    "a volatile function that deletes": ("", "select id, raw.delete_all() as v from raw.t", f"cannot execute DELETE {READ_ONLY}"),
    "one in the predicate": ("", "select id, v from raw.t where raw.delete_all() = 'gone'", f"cannot execute DELETE {READ_ONLY}"),
    "one in the order": ("", "select id, v from raw.t order by raw.delete_with(v)", f"cannot execute DELETE {READ_ONLY}"),
    "one in a join": ("", "select t.id, t.v from raw.t join raw.u on raw.delete_with(w) = w", f"cannot execute DELETE {READ_ONLY}"),
    "one in a limit": ("", "select id, v from raw.t limit length(raw.delete_with('x'))", f"cannot execute DELETE {READ_ONLY}"),
    "one in FROM": ("", "select 1 as id, d as v from raw.delete_all() as d", f"cannot execute DELETE {READ_ONLY}"),
    "one in WITH": ("", "with q as materialized (select raw.delete_all() as d) select id, d as v from raw.t, q", f"cannot execute DELETE {READ_ONLY}"),
    "one that claims to be stable": ("create function raw.f() returns text stable language plpgsql as $$ begin delete from raw.t; return ''; end $$", "select id, raw.f() as v from raw.t", "DELETE is not allowed in a non-volatile function"),
    "one that claims to be immutable and hides it": (
        "create function raw.hidden() returns text immutable language plpgsql as $$ begin return raw.delete_all(); end $$", "select id, raw.hidden() as v from raw.t", f"cannot execute DELETE {READ_ONLY}",
    ),
    "one that truncates": ("create function raw.f() returns text language plpgsql as $$ begin truncate raw.u; return ''; end $$", "select id, raw.f() as v from raw.t", f"cannot execute TRUNCATE TABLE {READ_ONLY}"),
    "one that makes a table": ("create function raw.f() returns text language plpgsql as $$ begin create table raw.w (); return ''; end $$", "select id, raw.f() as v from raw.t", f"cannot execute CREATE TABLE {READ_ONLY}"),
    "one that asks to write first": (
        "create function raw.f() returns text language plpgsql as $$ begin set local transaction_read_only = off; delete from raw.t; return ''; end $$", "select id, raw.f() as v from raw.t", "transaction read-write mode",
    ),
    "one that changes the role": (
        "create function raw.f() returns text language plpgsql security definer as $$ begin return raw.delete_all(); end $$", "select id, raw.f() as v from raw.t", f"cannot execute DELETE {READ_ONLY}",
    ),
    "a setting to write": ("select 1", "select id, set_config('transaction_read_only', 'off', true) as v from raw.t", "transaction read-write mode"),
    "a sequence": ("create sequence raw.s", "select id, nextval('raw.s')::text as v from raw.t", f"cannot execute nextval[(][)] {READ_ONLY}"),
    "a query inside xml": (
        "select 1", "select id, query_to_xml('delete from raw.t returning id', false, false, '')::text as v from raw.t", "DELETE is not allowed in a non-volatile function",
    ),
    "a function called like a column": (
        "create function raw.shout(raw.t) returns text language plpgsql as $$ begin delete from raw.u; return ''; end $$; alter database {db} set search_path = raw, public",
        "select t.id, t.shout as v from raw.t", f"cannot execute DELETE {READ_ONLY}",
    ),
    "an operator": (
        "create function raw.f(text, text) returns text language plpgsql as $$ begin delete from raw.t; return ''; end $$; create operator raw.=== (leftarg = text, rightarg = text, function = raw.f)",
        "select id, v operator(raw.===) 'x' as v from raw.t", f"cannot execute DELETE {READ_ONLY}",
    ),
    "a view": ("create view raw.w as select id, raw.delete_with(v) as v from raw.t", "select id, v from raw.w", f"cannot execute DELETE {READ_ONLY}"),
    "a view over a view": (
        "create view raw.w as select id, raw.delete_with(v) as v from raw.t; create view raw.ww as select * from raw.w", "select id, v from raw.ww", f"cannot execute DELETE {READ_ONLY}",
    ),
    "a domain's check": (
        "create function raw.f(text) returns boolean language plpgsql as $$ begin delete from raw.t; return true; end $$; create domain raw.d as text check (raw.f(value))",
        "select id, v::raw.d::text as v from raw.t", f"cannot execute DELETE {READ_ONLY}",
    ),
    "a cast": (
        "create type raw.pair as (a text); create function raw.f(bigint) returns raw.pair language plpgsql as $$ begin delete from raw.t; return null; end $$; create cast (bigint as raw.pair) with function raw.f(bigint)",
        "select id, id::raw.pair::text as v from raw.t", f"cannot execute DELETE {READ_ONLY}",
    ),
    "an aggregate": (
        "create function raw.f(text, text) returns text language plpgsql as $$ begin delete from raw.t; return ''; end $$; create aggregate raw.last(text) (sfunc = raw.f, stype = text)",
        "select 1 as id, raw.last(v) as v from raw.t", f"cannot execute DELETE {READ_ONLY}",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_a_query_cannot_write_whatever_it_calls(stand: Callable[..., Any], path: str, case: str) -> None:
    before, query, reason = HOSTILE[case]
    here = stand(query)
    here.do(TABLE, before)
    held = contents(here)
    with suppress(SourceQueryError):  # the server's own plan of the query may run it already
        assert not isinstance(plan_job(here.job, project=here.project).targets[0].path, InsertSelect)
    assert contents(here) == held
    with pytest.raises(EmatixError, match=reason):
        here.run()
    assert contents(here) == held


def test_the_bound_of_a_window_is_found_read_only(stand: Callable[..., Any]) -> None:
    columns = {"id": BigInt, "v": Text | None}
    here = stand(
        "select id, raw.delete_with(v) as v from raw.t", columns=columns, mode=Append(), incremental="v"
    )
    here.do(TABLE)
    held = contents(here)
    for attempt in (here.run, lambda: plan_job(here.job, project=here.project)):
        with pytest.raises(SourceQueryError, match=f"cannot execute DELETE {READ_ONLY}"):
            attempt()
    assert contents(here) == held


def test_what_a_body_reads_is_read_only(stand: Callable[..., Any]) -> None:
    here = stand("select 1")
    here.do(TABLE)
    held = contents(here)
    project = Project()
    project.connection(type("origin", (), {"kind": "postgres", "url": "${ORIGIN_DSN}"}))
    table = project.table(schema="analytics", name="t")(
        type("T", (), {"__annotations__": {"id": Annotated[BigInt, pk()], "v": Text | None}})
    )

    def body(conn: Any) -> Any:
        yield from conn.read("select id, raw.delete_all() as v from raw.t")

    job: Job = project.job(name="load", target=table, source_connection="origin", target_connection="origin")(
        body
    )
    with pytest.raises(EmatixError, match=f"cannot execute DELETE {READ_ONLY}"):
        run_job(job, project=project)
    assert contents(here) == held


def contents(here: Any) -> list[Any]:
    """What stands in the source, and which relations and functions there are."""
    with psycopg.connect(here.origin) as session:
        tables = session.execute(
            "select 't', id, v from raw.t union all select 'u', id, w from raw.u order by 1, 2"
        )
        rows = tables.fetchall()
        named = "select relname from pg_class where relnamespace in ('raw'::regnamespace, 'public'::regnamespace) order by 1"
        return [*rows, *session.execute(named).fetchall()]
