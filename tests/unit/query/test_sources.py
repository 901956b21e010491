"""Which tables a SELECT reads."""

from __future__ import annotations

import pytest

from ematix_flow.query import TableRef, parse_select, source_tables

SOURCES = [
    ("select 1", []),
    ("select * from raw.events", ["raw.events"]),
    ("select * from Raw.Events", ["raw.events"]),
    ('select * from "Raw"."Events"', ["Raw.Events"]),
    ("select * from events e", ["events"]),
    ("select * from b, a, a as c", ["a", "b"]),
    ("select * from raw.a join raw.b using (id) left join c on true", ["c", "raw.a", "raw.b"]),
    ("select * from (a join b on true)", ["a", "b"]),
    ("select * from (select * from a) q", ["a"]),
    ("(select * from a) union (select * from b except select * from c)", ["a", "b", "c"]),
    ("select (select max(x) from a), array(select y from b) from c", ["a", "b", "c"]),
    ("select 1 from a where exists (select from b where b.id = a.id)", ["a", "b"]),
    ("select 1 from a where x in (select x from b) and y = any (select y from c)", ["a", "b", "c"]),
    ("select 1 from a group by 1 having max(x) > (select 1 from b)", ["a", "b"]),
    ("select 1 from a order by (select 1 from b) limit (select 2 from c)", ["a", "b", "c"]),
    ("select * from a, lateral (select * from b where b.id = a.id) q", ["a", "b"]),
    ("select * from a cross join lateral jsonb_each(a.doc) as e (k, v)", ["a"]),
    ("select * from a left join b on b.x = (select max(x) from c)", ["a", "b", "c"]),
    ("select * from generate_series(1, 3) as g", []),
    ("select * from unnest(array(select id from a)) as u (id)", ["a"]),
    ("select * from rows from (json_each('{}'), generate_series(1, 2))", []),
    ("select * from (values (1), ((select 2 from a))) as v (x)", ["a"]),
    ("select * from only raw.events", ["raw.events"]),
    ("select * from raw.events tablesample system (10)", ["raw.events"]),
    ("select count(*) over (partition by (select 1 from b)) from a", ["a", "b"]),
    ("select current_user from current_user", []),
    ('select * from "current_user"', ["current_user"]),
    ("with q as (select * from a) select * from q", ["a"]),
    ("with q as (select * from a) select * from raw.q", ["a", "raw.q"]),
    ("with Q as (select 1) select * from q", []),
    ('with q as (select 1) select * from "Q"', ["Q"]),
    ("with a as (select * from a) select * from a", ["a"]),
    ("with recursive a as (select 1 union all select * from a) select * from a", []),
    ("with a as (select * from b), b as (select * from a) select * from a, b", ["b"]),
    ("with recursive a as (select * from b), b as (select 1) select * from a", []),
    ("with q as (select 1) select * from q union all select * from q", []),
    ("(with q as (select 1) select * from q) union all select * from q", ["q"]),
    ("select * from (with q as (select 1) select * from q) s, q", ["q"]),
    ("with q as (select 1) select * from a where exists (select from q, b)", ["a", "b"]),
    ("with q as (with r as (select * from a) select * from r, b) select * from q, r", ["a", "b", "r"]),
]


@pytest.mark.parametrize(("text", "tables"), SOURCES)
def test_the_tables_of_a_query_are_these(text: str, tables: list[str]) -> None:
    assert [str(table) for table in source_tables(parse_select(text))] == tables


def test_a_table_without_a_schema_stands_before_those_with_one() -> None:
    tables = [TableRef("raw", "a"), TableRef(None, "b"), TableRef("raw", "A")]
    assert sorted(tables) == [TableRef(None, "b"), TableRef("raw", "A"), TableRef("raw", "a")]


def test_a_dot_inside_a_quoted_name_is_no_schema() -> None:
    assert source_tables(parse_select('select * from "raw.events"')) == (TableRef(None, "raw.events"),)
