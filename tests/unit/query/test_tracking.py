"""Can a transaction-id window be put on the query, and where does its table stand?"""

from __future__ import annotations

import pytest

from ematix_flow.query import TableRef, Trackable, Untrackable, parse_select, source_tables, tracking

TRACKED = [
    "select event_id, name, received_at from raw.events",
    "SELECT Event_Id FROM Raw.Events;",
    "select * from raw.events",
    "select e.* from raw.events as e",
    "select *, upper(name) as shout from raw.events",
    'select "Id" from "Raw"."Events" "E" where "E"."Id" > 3',
    "select a from events where b = 1 and (c <> 'x' or not d) order by a desc nulls last",
    "select a as b, a + 1 as c, -a, a * 2.5e0 / 3 % 7 ^ 2 from t",
    "select lower(a) || '-' || pg_catalog.upper(b), concat_ws(',', a, b), format('%s', a) from t",
    "select coalesce(a, b, 0), nullif(a, ''), greatest(a, b), least(a, 1) from t",
    "select case a when 1 then 'x' else 'y' end, case when a is null then 1 end from t",
    "select a::text, cast(b as numeric(10, 2)), c::varchar(3), d::int[], e::double precision, f::jsonb from t",
    "select a::date, cast(b as timestamptz), c::timestamp(3) without time zone from t",
    "select (a + interval '1 day')::date, coalesce(a, '2020-01-01')::date, (('2020-01-01')::timestamp)::date from t",
    "select date_trunc('day', a)::date, to_timestamp(b)::date, (a at time zone 'UTC')::date from t",
    "select extract(epoch from a), date_part('year', a), to_char(a, 'YYYY'), date_trunc('month', a) from t",
    "select a at time zone 'Europe/Berlin', make_interval(days => 3), interval '2' hour from t",
    "select a->'b'->>'c', a #>> '{b,c}', a @> '{\"b\": 1}', a ? 'b', jsonb_build_object('k', b) from t",
    "select array[a, b], a[1], a[1:2], cardinality(a), a && array[1], a = any ('{1,2}'::int[]) from t",
    "select a from t where a in (1, 2) and b between 1 and 2 and c like 'x%' and d ilike any (array['y'])",
    "select a from t where b is not distinct from c and d is true and e similar to 'x|y' and f ~* 'z'",
    "select a from t where (a, b) > (1, 'x') and note = 'know thyself' and name <> 'Nowak'",
    "select a from t where b in ('epoch', 'infinity') and c > date '2020-01-01' and d = $$x$$",
    "select substring(a from 1 for 2), trim(both 'x' from a), position('x' in a), overlay(a placing 'x' from 1) from t",
    "select left(a, 1), split_part(a, '-', 1), regexp_replace(a, 'x', 'y', 'g'), md5(a), encode(b, 'hex') from t",
    "select a.a from a",
    "select id as events from raw.events",
    "select e.user as current_date from raw.events e",
    "select events.events from raw.events",
    "select date, timestamp, comment, type, value from t",
    "select count, sum as max from t",
    "select from t",
    "/* now() */ select a -- random()\nfrom t -- limit 1",
]  # fmt: skip

CALLS = "which is not known to depend on one row alone"
AS_A_MOMENT = "it casts an expression to a date or time, and a text that says now or today means the clock"
NO_PLACE = "its table's place in the text cannot be told for certain"

UNTRACKED = [
    # not one plain table
    ("select 1", "it reads no table"),
    ("select * from a, b", "it joins tables"),
    ("select * from a join b using (id)", "it joins tables"),
    ("select * from a natural left join b", "it joins tables"),
    ("select * from a, lateral (select * from b) q", "it joins tables"),
    ("select * from a cross join lateral unnest(a.x) as u", "it joins tables"),
    ("select * from (a join b on true)", "it reads a sub-select or a join in parentheses, not a table"),
    ("select * from (select * from a) q", "it reads a sub-select or a join in parentheses, not a table"),
    ("select * from lateral (select 1) q", "it reads a sub-select or a join in parentheses, not a table"),
    ("select * from generate_series(1, 3)", "it reads a function's rows or VALUES, not a table"),
    ("select * from (values (1)) as v (a)", "it reads a function's rows or VALUES, not a table"),
    ("select * from only raw.events", "it reads ONLY a table, without its children"),
    ("select * from t tablesample system (1)", "it reads a sample (TABLESAMPLE)"),
    ("select * from t as x (a, b)", "the table's alias renames its columns"),
    ("select * from t with ordinality", "it reads a table with ordinality"),
    ("select * from db.raw.events", "it reads a table with catalog"),
    ("select * from t *", NO_PLACE),
    ("(select * from t)", "it stands in parentheses"),
    ("with q as (select 1) select * from q", "it has a WITH clause"),
    ("select a from t union select b from u", "it is a set operation (UNION)"),
    ("select a from t except all select b from u", "it is a set operation (EXCEPT)"),
    ("select a from t intersect select b from u", "it is a set operation (INTERSECT)"),
    # clauses that see more than a row
    ("select a from t group by a", "it groups rows (GROUP BY)"),
    ("select 1 from t having true", "it filters groups (HAVING)"),
    ("select distinct a from t", "it removes duplicates (DISTINCT)"),
    ("select distinct on (a) a, b from t", "it removes duplicates (DISTINCT)"),
    ("select a from t limit 3", "it limits rows (LIMIT or FETCH)"),
    ("select a from t fetch first row only", "it limits rows (LIMIT or FETCH)"),
    ("select a from t offset 3", "it skips rows (OFFSET)"),
    ("select a from t window w as (order by a)", "it has a WINDOW clause"),
    # sub-selects
    ("select a from t where b in (select b from u)", "it holds a sub-select"),
    ("select (select 1) from t", "it holds a sub-select"),
    ("select a from t where exists (select from u)", "it holds a sub-select"),
    ("select array(select 1) from t", "it holds a sub-select"),
    ("select a from t where a in (values (1))", "it holds VALUES, which is not known to depend on one row alone"),
    # calls
    ("select now() from t", f"it calls now(), {CALLS}"),
    ("select pg_catalog.now() from t", f"it calls pg_catalog.now(), {CALLS}"),
    ("select current_date from t", f"it calls current_date(), {CALLS}"),
    ("select a from t where b < CURRENT_TIMESTAMP", f"it calls current_timestamp(), {CALLS}"),
    ("select localtimestamp(3) from t", f"it calls localtimestamp(), {CALLS}"),
    ("select user as name from t", f"it calls user(), {CALLS}"),
    ("select age(a) from t", f"it calls age(), {CALLS}"),
    ("select date(a) from t", f"it calls date(), {CALLS}"),
    ("select timezone('UTC', a) from t", f"it calls timezone(), {CALLS}"),
    ("select clock_timestamp() from t", f"it calls clock_timestamp(), {CALLS}"),
    ("select random() from t", f"it calls random(), {CALLS}"),
    ("select gen_random_uuid() from t", f"it calls gen_random_uuid(), {CALLS}"),
    ("select nextval('s') from t", f"it calls nextval(), {CALLS}"),
    ("select current_setting('x') from t", f"it calls current_setting(), {CALLS}"),
    ("select to_tsvector(a) from t", f"it calls to_tsvector(), {CALLS}"),
    ("select enum_range(a) from t", f"it calls enum_range(), {CALLS}"),
    ("select count(*) from t", f"it calls count(), {CALLS}"),
    ("select max(a) from t", f"it calls max(), {CALLS}"),
    ("select row_number() over (order by a) from t", f"it calls row_number(), {CALLS}"),
    ("select unnest(a) from t", f"it calls unnest(), {CALLS}"),
    ("select generate_series(1, a) from t", f"it calls generate_series(), {CALLS}"),
    ("select jsonb_array_elements(a) from t", f"it calls jsonb_array_elements(), {CALLS}"),
    ("select now_utc() from t", f"it calls now_utc(), {CALLS}"),
    ("select my.lower(a) from t", f"it calls my.lower(), {CALLS}"),
    ('select "Lower"(a) from t', f'it calls "Lower"(), {CALLS}'),
    ("select nvl(a, b) from t", f"it calls nvl(), {CALLS}"),
    ("select a from t order by f(a)", f"it calls f(), {CALLS}"),
    # operators, types
    (
        "select a operator(pg_catalog.+) 1 from t",
        "it uses the operator operator(pg_catalog.+), which is not known to be built in",
    ),
    ("select a <=> b from t", "it uses the operator <=>, which is not known to be built in"),
    ("select a @@ 'x' from t", "it holds MATCHAGAINST, which is not known to depend on one row alone"),
    ("select a collate \"C\" from t", "it holds COLLATE, which is not known to depend on one row alone"),
    ("select a::regclass from t", "it casts to regclass, whose meaning may change"),
    ("select a::timetz from t", "it casts to timetz, whose meaning may change"),
    ("select a::time with time zone from t", "it casts to timetz, whose meaning may change"),
    ("select a::xml from t", "it casts to xml, whose meaning may change"),
    ("select a::my_type from t", "it casts to my_type, which is not a built-in type"),
    ("select a::string from t", "it casts to string, which is not a built-in type"),
    ("select (a).b from t", "it reads a part of a composite value"),
    # the clock, through a text
    ("select a from t where b > 'yesterday'", "the literal 'yesterday' depends on the clock"),
    ("select a from t where b > ' NOW '", "the literal ' NOW ' depends on the clock"),
    ("select a from t where b > 'today12:00'", "the literal 'today12:00' depends on the clock"),
    ("select a from t where b > $$tomorrow$$", "the literal 'tomorrow' depends on the clock"),
    ("select '{today,infinity}'::date[] from t", "the literal '{today,infinity}' depends on the clock"),
    ("select coalesce(a, 'now_') from t", "the literal 'now_' depends on the clock"),
    ("select E'n\\x6fw' from t", "it writes E'n\\x6fw' with escapes"),
    ("select 'to'\n'day' from t", "it writes the string 'to' in pieces"),
    ("select (a ->> 'at')::timestamptz from t", AS_A_MOMENT),
    ("select trim(a)::date from t", AS_A_MOMENT),
    ("select ('to' || 'day')::date from t", AS_A_MOMENT),
    ("select a::text::timestamp from t", AS_A_MOMENT),
    ("select string_to_array(a, ',')::date[] from t", AS_A_MOMENT),
    ("select a::time at time zone 'Europe/Berlin' from t", "it puts a time AT TIME ZONE, which asks the clock for the day"),
    # names
    ("select ctid from t", "it uses the system column ctid"),
    ('select t."xmin" from t', "it uses the system column xmin"),
    ("select a from t where tableoid = 1", "it uses the system column tableoid"),
    ("select t from t", "it uses the whole row t"),
    ("select row_to_json(e) from raw.events e", "it uses the whole row e"),
    ("select to_jsonb(e.*) from raw.events e", "it uses the whole row e.*"),
    ("select events is null from raw.events", "it uses the whole row events"),
    ("select raw.events.id from raw.events", "it names a column with its schema, raw.events.id"),
    ("select a from raw.events e where events.b = 1", "it names a column of events, which is not its table"),
    ("select date_trunc(unit, a) from t", "it uses UNIT where a unit of time is expected"),
]  # fmt: skip


@pytest.mark.parametrize("text", TRACKED)
def test_a_query_whose_rows_each_follow_from_one_row_is_tracked(text: str) -> None:
    select = parse_select(text)
    found = tracking(select)
    assert isinstance(found, Trackable), found
    assert (found.table,) == source_tables(select)


@pytest.mark.parametrize(("text", "reason"), UNTRACKED)
def test_any_other_query_is_read_in_full_and_says_why(text: str, reason: str) -> None:
    assert tracking(parse_select(text)) == Untrackable(reason=reason)


PLACES = [
    ("select a from raw.events", "raw.events", None),
    ("select a from raw.events e where e.a = 1", "raw.events", "e"),
    ("select a from raw.events AS Ev", "raw.events", "ev"),
    ('select a from "Raw"."Ev ents" "E"', '"Raw"."Ev ents"', "E"),
    ('select a from"t"where a = 1', '"t"', None),
    ("select a from raw\n .\tevents order by a", "raw\n .\tevents", None),
    ("select a from raw/*.x*/. -- from y\n events", "raw/*.x*/. -- from y\n events", None),
    ("/* from raw.events */ select a -- from raw.events\nfrom raw.events", "raw.events", None),
    ("select 'from raw.events', $q$ from raw.events $q$ from raw.events", "raw.events", None),
    ("select extract(epoch from a), trim(both from b) from raw.events", "raw.events", None),
    ("select a is distinct from b from raw.events", "raw.events", None),
    ("select 'żółć 🦆', \"ü\" from raw.événements", "raw.événements", None),
    ("select raw.raw from raw.raw", "raw.raw", None),
    ("\r\n\tselect a\r\nfrom raw.events\r\n;", "raw.events", None),
]


@pytest.mark.parametrize(("text", "written", "alias"), PLACES)
def test_the_tables_place_in_the_text_is_exact(text: str, written: str, alias: str | None) -> None:
    select = parse_select(text)
    found = tracking(select)
    assert isinstance(found, Trackable), found
    assert select.text[found.start : found.end] == written
    assert found.alias == alias
    assert source_tables(parse_select(f"select from {written}")) == (found.table,)


def test_outputs_name_the_columns_that_pass_through_unchanged() -> None:
    found = _trackable(
        'select e.Id, "Name" as Label, (at) as at, upper(b) as b, upper(c), c::date d from raw.events e'
    )
    assert found.outputs == (
        ("id", "id"),
        ("label", "Name"),
        ("at", None),
        ("b", None),
        ("?column?", None),
        ("d", None),
    )
    assert not found.star


def test_a_star_is_no_output_of_its_own() -> None:
    assert (_trackable("select * from t").outputs, _trackable("select * from t").star) == ((), True)
    beside = _trackable("select e.*, a as b from t e")
    assert (beside.outputs, beside.star) == ((("b", "a"),), True)


def test_columns_are_those_of_the_table_wherever_they_stand() -> None:
    found = _trackable("select a as x, \"B\" from t where c = 1 or lower(d) = 'e' order by X, y, t.x, f + a")
    assert found.columns == ("B", "a", "c", "d", "f", "x", "y")


def test_a_column_that_is_only_an_output_name_is_not_the_tables() -> None:
    assert _trackable("select a + b as total from t order by Total").columns == ("a", "b")


def test_columns_that_are_read_as_dates_or_times_are_listed() -> None:
    found = _trackable(
        "select a::date, cast(coalesce(b, c) as timestamptz), (d + interval '1 day') at time zone 'UTC', e::text, "
        "date_trunc('day', f)::date from t where g > '2020-01-01'"
    )
    assert found.moment_columns == ("a", "b", "c", "d")


def test_names_are_folded_as_the_server_folds_them() -> None:
    found = _trackable('select EVENT_ID, "Event_Id", ÉTÉ from RAW."Events" E')
    assert found.table == TableRef("raw", "Events")
    assert found.columns == ("Event_Id", "event_id", "ÉtÉ")


def _trackable(text: str) -> Trackable:
    found = tracking(parse_select(text))
    assert isinstance(found, Trackable), found
    return found
