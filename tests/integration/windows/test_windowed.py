"""Which bodies are read in a window, each followed by the change that the window has to find.

A window by transaction ids is right as long as every row of the query follows from one row of one table; and it has
to begin anew when that row starts to mean something else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import psycopg
import pytest

from ematix_flow import pk
from ematix_flow.types import BigInt, Integer, Text

CHANGE = "update raw.t set v = v || '!' where id = 2"
ANEW = "no watermark is stored for this query and source yet"

# --- windowed: what is new is found, and nothing else is read ------------------------------------------

# What stands beside the tables that every source has, the query, the change, and how many rows the next run reads.
WINDOWED: dict[str, tuple[str, str, str, int]] = {
    "a plain select": ("", "select id, v from raw.t", CHANGE, 1),
    "nothing changed": ("", "select id, v from raw.t", "select 1", 0),
    "a table under an alias": ("", 'select "E e".id, "E e".v from raw.t as "E e"', CHANGE, 1),
    "a row that enters by its predicate": (
        "", "select id, v from raw.t where n > 1 order by v desc", "update raw.t set n = 9 where id = 1", 1,
    ),
    "a late row with an old date": (
        "", "select id, v from raw.t where at < '2025-01-01'", "insert into raw.t values (0, 'old', 0, '1999-01-01')", 1,
    ),
    "built-in functions": (
        "", "select id, coalesce(upper(v), '-') || to_char(date_trunc('month', at), 'YYYY Mon') as v from raw.t", CHANGE, 1,
    ),
    "built-in operators on json and arrays": (
        "", "select id, doc ->> 'k' as v from raw.t where tags && array['y'] or doc @> '{}'", "update raw.t set doc = '{\"k\": \"z\"}' where id = 3", 1,
    ),
    "case, casts and ranges": (
        "", "select id, case when n between 1 and 2 then n::numeric(5, 2)::text else d::text end as v from raw.t", "update raw.t set n = 7 where id = 1", 1,
    ),
    "a changed TimeZone": (
        "", "select id, at::text as v from raw.t", "alter database {db} set TimeZone = 'Asia/Tokyo'", 0,
    ),
    "a changed DateStyle": ("", "select id, d::text as v from raw.t", "alter database {db} set DateStyle = 'German'", 0),
    "a savepoint that is rolled back": (
        "", "select id, v from raw.t",
        "do $$ begin begin update raw.t set v = 'lost'; raise exception 'x'; exception when others then update raw.t set v = 'kept' where id = 1; end; end $$", 1,
    ),
    "a table whose type was rewritten": (
        "", "select id, v from raw.t", "alter table raw.t alter v type text using upper(v)", 3,
    ),
    "a full vacuum": ("", "select id, v from raw.t", "vacuum full freeze raw.t", 0),
    "a clustered table": ("", "select id, v from raw.t", "cluster raw.t using t_pkey", 0),
    "a table that is emptied and refilled": (
        "", "select id, v from raw.t", "truncate raw.t; insert into raw.t values (1, 'x'), (2, 'y'), (3, 'z'), (4, 'w')", 4,
    ),
    "a row written by a trigger": (
        "create function raw.copy() returns trigger language plpgsql as $$ begin update raw.t set v = new.w where id = new.id; return new; end $$; create trigger c after update on raw.u for each row execute function raw.copy()",
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
    here.do(change)
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
        "create table raw.s (id bigint primary key, v text); insert into raw.s values (1, 'old'), (9, 'older')",
        "select id, v from raw.t", "alter table raw.t rename to gone; alter table raw.s rename to t",
    ),
    "another schema comes first in the search path": (
        "create table public.s (id bigint primary key, v text); insert into public.s values (1, 'old'), (9, 'older'); create table raw.s (id bigint primary key, v text); insert into raw.s values (1, 'a'), (10, 'b')",
        "select id, v from s", "alter database {db} set search_path = raw,public",
    ),
    "an equals sign means something else": (
        "insert into raw.t (id) values (8)",
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
    here.do(change)
    assert here.why() == ANEW
    before_run = here.held()
    here.run()
    assert here.held() != before_run
    assert set(here.selected()) <= set(here.held())
    assert here.why() == ""


@pytest.mark.parametrize("path", ["inside"])
def test_another_text_or_declaration_begins_the_window_anew(stand: Callable[..., Any]) -> None:
    here = stand("select id, v from raw.t")
    here.run()
    assert here.why() == ""
    for query, columns in [
        ("select id, upper(v) as v from raw.t", None),
        (
            "select id, n::text as v, n from raw.t",
            {"id": Annotated[BigInt, pk()], "v": Text | None, "n": Integer | None},
        ),
    ]:
        changed = stand(query, columns=columns)
        assert changed.why() == ANEW
        changed.run()
        assert changed.held() == changed.selected()
        assert changed.why() == ""


def test_a_transaction_that_ends_after_a_later_run_is_found(stand: Callable[..., Any]) -> None:
    here = stand("select id, v from raw.t")
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
