"""May the text run inside a transaction that writes?"""

from __future__ import annotations

import pytest

from ematix_flow.query import impurity, parse_select

PURE = [
    "select event_id, name, received_at from raw.events",
    "select * from a join b using (id) left join c on (c.id = a.id)",
    "select now(), current_date, current_timestamp(3), localtimestamp, user, current_schema()",
    "select pg_catalog.lower(a), \"lower\"(a), pg_catalog.\"upper\"(a) from t",
    "select count(*) filter (where a > 1) over (partition by (b) order by c) from t",
    "select percentile_cont(0.5) within group (order by a) from t group by grouping sets ((a), (b))",
    "select a, sum(b) from t group by rollup (a) having (count(*) > 1) order by (1)",
    "select row_number() over w from t window w as (partition by a)",
    "with q (a, b) as (select 1, 2), r as materialized (select 3) select x.a from q x (a, b), r",
    "with recursive n (i) as (select 1 union all select i + 1 from n where i < 5) select i from n",
    "select g.i, d.k from generate_series(1, 3) g (i), jsonb_each_text('{}') with ordinality as d (k, v, n)",
    "select * from jsonb_to_recordset('[]') as r (a int, b numeric(10,2), c pg_catalog.text)",
    "select distinct on (a) lower(b) from t order by a, (b) desc limit (1) offset (2)",
    "select case when (a) then coalesce(b, c) else nullif(d, '') end, exists (select from u) from t",
    "select a::numeric(10, 2), cast(b as double precision), date '2020-01-01', c::int[], d::\"char\" from t",
    "select timestamp with time zone '2020-01-01', a at time zone 'UTC', a at time zone ('x' || b) from t",
    "select extract(epoch from a), overlay(b placing 'x' from 1), trim(both 'x' from b), position('a' in b) from t",
    "select substring(a from 1 for 2), a like ('x') escape '#', (a, b) overlaps (c, d), row(a, b) from t",
    "select a in (1, 2), b = any (array[1, 2]), c between (1) and (2), not (d), -(e) from t",
    "select a ->> 'b', c #>> '{x}', d @> '{}', e ? 'f', g || h, i ~* 'x', j && k, l << 2 from t",
    "select a::regclass, to_regclass('t'), a::character varying(3), a::varchar(3) from t",
    "select * from t tablesample bernoulli (1) repeatable (2)",
    "select 'f(x)', $$nextval('s')$$, 1 /* nextval('s') */ as \"nextval(\" from t -- pg_sleep(1)",
    "select a as nextval, b random from t as setval (a, b)",
    "select array_agg(distinct a order by b), string_agg(a, ',') from t where (a, b) = (1, 2)",
    "select * from a, lateral (select max(x) from b where b.id = a.id) m (x)",
    "select make_interval(days => 3), a = -1 from t",
    "select u.user, t.current_date from t, u",
]  # fmt: skip

NOT_A_READER = "which is not a built-in function known only to read"
NO_TYPE = "which is not a built-in type"
NO_OPERATOR = "which is not known to be built in"

IMPURE = [
    ("select now_utc() from t", f"it calls now_utc(), {NOT_A_READER}"),
    ("select nextval('s')", f"it calls nextval(), {NOT_A_READER}"),
    ("select random() from t", f"it calls random(), {NOT_A_READER}"),
    ("select set_config('a', 'b', true)", f"it calls set_config(), {NOT_A_READER}"),
    ("select pg_advisory_lock(1)", f"it calls pg_advisory_lock(), {NOT_A_READER}"),
    ("select pg_catalog.pg_sleep(1)", f"it calls pg_catalog.pg_sleep(), {NOT_A_READER}"),
    ("select * from query_to_xml('x', true, true, '')", f"it calls query_to_xml(), {NOT_A_READER}"),
    ("select my.lower(a) from t", f"it calls my.lower(), {NOT_A_READER}"),
    ("select my . /* c */ lower\n(a) from t", f"it calls my.lower(), {NOT_A_READER}"),
    ('select "Lower"(a) from t', f'it calls "Lower"(), {NOT_A_READER}'),
    ('select "pg_Catalog".lower(a) from t', f'it calls "pg_Catalog".lower(), {NOT_A_READER}'),
    (r'select U&"\006eow"(a) from t', f'it calls "U&"\\006eow""(), {NOT_A_READER}'),
    ("select nvl(a, b) from t", f"it calls nvl(), {NOT_A_READER}"),
    ("select ifnull(a, b) from t", f"it calls ifnull(), {NOT_A_READER}"),
    ("select len(a) from t", f"it calls len(), {NOT_A_READER}"),
    ("select a from t where f(a)", f"it calls f(), {NOT_A_READER}"),
    ("select a from t order by f(a)", f"it calls f(), {NOT_A_READER}"),
    ("select a from t join u on f(t.a, u.b)", f"it calls f(), {NOT_A_READER}"),
    ("select distinct on (a) f(b) from t", f"it calls f(), {NOT_A_READER}"),
    ("select sum(f(a)) over (order by b) from t", f"it calls f(), {NOT_A_READER}"),
    ("select * from f(1) as lower (a)", f"it calls f(), {NOT_A_READER}"),
    ("select * from t, lateral f(t.a) as g", f"it calls f(), {NOT_A_READER}"),
    ("select * from rows from (f(1), generate_series(1, 2))", f"it calls f(), {NOT_A_READER}"),
    ("with q as (select f(1)) select * from q", f"it calls f(), {NOT_A_READER}"),
    ("with f (a) as (select 1) select f(a) from f", f"it calls f(), {NOT_A_READER}"),
    ("select a from t where exists (select f(1))", f"it calls f(), {NOT_A_READER}"),
    ("select a from t group by a, cube(b, c)", f"it calls cube(), {NOT_A_READER}"),
    ("select * from t tablesample my_method (1)", f"it calls my_method(), {NOT_A_READER}"),
    ("select json_value(a, '$') from t", f"it calls json_value(), {NOT_A_READER}"),
    ("select a::my_type from t", f"it casts to my_type, {NO_TYPE}"),
    ("select a::my.type from t", f"it casts to my.type, {NO_TYPE}"),
    ('select a::"Text" from t', f'it casts to "Text", {NO_TYPE}'),
    ("select a::string from t", f"it casts to string, {NO_TYPE}"),
    ("select a::my_type[] from t", f"it casts to my_type, {NO_TYPE}"),
    ("select cast(cast(a as text) as my_type) from t", f"it casts to my_type, {NO_TYPE}"),
    ("select cast((select b as c from u) as my.type(3)) from t", f"it casts to my.type, {NO_TYPE}"),
    ("select datetime '2020-01-01' from t", f"it casts to datetime, {NO_TYPE}"),
    ("select * from json_to_recordset('[]') as r (a int, b my_type)", f"it casts to my_type, {NO_TYPE}"),
    (
        "select a operator(my.+) 1 from t",
        f"it uses the operator operator(my.+), {NO_OPERATOR}",
    ),
    ("select a <=> b from t", f"it uses the operator <=>, {NO_OPERATOR}"),
]


@pytest.mark.parametrize("text", PURE)
def test_a_query_of_built_in_parts_is_pure(text: str) -> None:
    assert impurity(parse_select(text)) is None


@pytest.mark.parametrize(("text", "reason"), IMPURE)
def test_anything_that_is_not_known_to_only_read_is_named(text: str, reason: str) -> None:
    assert impurity(parse_select(text)) == reason
