"""One read-only SELECT, or a message that says what it is instead and what to write."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ematix_flow.errors import SourceQueryError
from ematix_flow.query import (
    Select,
    Trackable,
    Untrackable,
    impurity,
    parse_select,
    source_tables,
    tracking,
)
from ematix_flow.query.words import words

WRITE = "changes data; return a SELECT, and let the job's target and mode say what is written"
BESIDE_WITH = "beside WITH); a job's query only reads: return a SELECT"
LOCKS = "the query locks rows (FOR UPDATE or FOR SHARE); leave the lock out: a job's query only reads"
INTO = "the query is SELECT INTO, which makes a table; leave INTO out: the job's target is the table"
PARAMETER = (
    "the query has a parameter ($1, %s, :name or ?), and nothing gives it a value; write the value itself"
)
MEND = "mend it, or select from a view that holds it"
INVISIBLE = (
    "holds an invisible character that PostgreSQL takes for a letter (a non-breaking space?); "
    "write a plain space"
)

REFUSED = [
    ("", "the query is empty; return one SELECT"),
    (" \n-- nothing\n/* at all */ ; ", "the query is empty; return one SELECT"),
    (
        "select 1; select 2",
        "the query holds more than one statement (`;` at line 1, column 9); return exactly one SELECT",
    ),
    (
        "select 1\n;\n\n-- and\ndrop table t;",
        "the query holds more than one statement (`;` at line 2, column 1); return exactly one SELECT",
    ),
    (
        "; select 1",
        "the query holds more than one statement (`;` at line 1, column 1); return exactly one SELECT",
    ),
    ("insert into t values (1)", f"the query is INSERT, which {WRITE}"),
    ("Update t set a = 1", f"the query is UPDATE, which {WRITE}"),
    ("delete from t", f"the query is DELETE, which {WRITE}"),
    (
        "merge into t using u on t.id = u.id when matched then delete",
        f"the query is MERGE, which {WRITE}",
    ),
    (
        "with gone as (delete from t returning *) select * from gone",
        f"the query changes data (DELETE {BESIDE_WITH}",
    ),
    (
        "with a as (select 1), b (id) as materialized (update t set x = 1 returning id) select * from b",
        f"the query changes data (UPDATE {BESIDE_WITH}",
    ),
    (
        "select * from (with a as (insert into t values (1) returning id) select * from a) q",
        f"the query changes data (INSERT {BESIDE_WITH}",
    ),
    (
        "with a as (select 1) insert into t select * from a",
        f"the query changes data (INSERT {BESIDE_WITH}",
    ),
    ("select * into u from t", INTO),
    ("select * into temp u from t", INTO),
    ("select a from t for update", LOCKS),
    ("select a from t for no key update of t nowait", LOCKS),
    ("select a from (select a from t for share) q", LOCKS),
    ("create table u as select * from t", "the query is CREATE, not a SELECT; return one SELECT"),
    ("drop table t", "the query is DROP, not a SELECT; return one SELECT"),
    ("truncate t", "the query is TRUNCATE, not a SELECT; return one SELECT"),
    ("do $$ begin end $$", "the query is DO, not a SELECT; return one SELECT"),
    ("call p()", "the query is CALL, not a SELECT; return one SELECT"),
    ("explain analyze select 1", "the query is EXPLAIN, not a SELECT; return one SELECT"),
    ("copy t to stdout", "the query is COPY, not a SELECT; return one SELECT"),
    ("set role admin", "the query is SET, not a SELECT; return one SELECT"),
    ("begin", "the query is BEGIN, not a SELECT; return one SELECT"),
    ("with a as (vacuum) select 1", "the query is VACUUM, not a SELECT; return one SELECT"),
    ("with a as (select 1) explain select 1", "the query is EXPLAIN, not a SELECT; return one SELECT"),
    (
        "values (1, 2)",
        "the query is VALUES, whose columns have no names; write `select … from (values …) as v (a, b)`",
    ),
    ("table raw.events", "the query is TABLE; write `select * from` and the table's name"),
    ("events", "the query is not a SELECT; return one SELECT"),
    ("from events", "the query is not a SELECT; return one SELECT"),
    ("(events)", "the query is not a SELECT; return one SELECT"),
    ("((with a as (select 1) explain select 1))", "the query is EXPLAIN, not a SELECT; return one SELECT"),
    ("select a from t where b = $1", PARAMETER),
    ("select a from t where b = %s", PARAMETER),
    ("select a from t where b = %(b)s", PARAMETER),
    ("select a from t where b = :b", PARAMETER),
    ("select a from t where b = ?", PARAMETER),
    ("select 'a from t", "the quote at line 1, column 8 is never closed; close it"),
    ('select a,\n  "b from t', "the quote at line 2, column 3 is never closed; close it"),
    ("select a /* and /* so */ on", "the comment at line 1, column 10 is never closed; close it"),
    ("select a,\u00a0b from t", f"the word at line 1, column 10 {INVISIBLE}"),
    ("\ufeffselect a from t", f"the word at line 1, column 1 {INVISIBLE}"),
    (
        "select a from t order by a using >",
        f"the query cannot be read as a SELECT near `using` (line 1, column 32); {MEND}",
    ),
    ("select f(() => over (order by a) from t", f"the query cannot be read as a SELECT; {MEND}"),
    (
        "select a\nfrom t\nwhere a = = 1",
        f"the query cannot be read as a SELECT near `=` (line 3, column 11); {MEND}",
    ),
    (
        "select " + "(" * 5000 + "1" + ")" * 5000,
        f"the query cannot be read as a SELECT; {MEND}",
    ),
]

ACCEPTED = [
    "select 1",
    "SELECT event_id FROM raw.events",
    "(select a from t)",
    "select from t",
    "select 1 union all select 2 order by 1 limit 3",
    "with recursive n (i) as (select 1 union all select i + 1 from n where i < 9) select i from n",
    "with a as not materialized (select 1 as x) select x from a",
    "-- first\nselect /* second */ a -- third",
    "select ';' as a, $$;$$ as b, $x$ $1 $x$ as c, ';' as \"d;\" -- ;",
    "select 'delete from t' as insert_hint, \"update\" from t",
    "select comment, copy, lock from t",
    "select a from t where b ? 'k' and c @> '{}' and d % 2 = 0",
    "select count(comment) comment from t window w as (order by a)",
    "select E'it\\'s', e'\\\\' from t",
    "select a from t -- ends at a carriage return\rwhere a > 1",
    "select * from rows from (generate_series(1, 2), generate_series(3, 4)) as r (a, b)",
]


@pytest.mark.parametrize(("text", "reason"), REFUSED)
def test_what_is_not_one_read_only_select_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(SourceQueryError) as caught:
        parse_select(text)
    assert caught.value.reason == reason
    assert caught.value.job == ""


@pytest.mark.parametrize("text", ACCEPTED)
def test_a_select_is_kept_as_it_is_written(text: str) -> None:
    assert parse_select(text).text == text


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("select 1;", "select 1"),
        ("select 1 ;\n", "select 1 "),
        ("select 1; -- done; really\n", "select 1"),
        ("select 1 /* a */ ; /* b; */", "select 1 /* a */ "),
        ("select ';' ;", "select ';' "),
        ("select 1;;", "select 1"),
    ],
)
def test_a_closing_semicolon_is_cut_off_with_what_follows(written: str, kept: str) -> None:
    assert parse_select(written).text == kept


def test_selects_are_equal_when_their_texts_are() -> None:
    assert parse_select("select 1;") == parse_select("select 1")
    assert hash(parse_select("select 1;")) == hash(parse_select("select 1"))
    assert parse_select("select 1") != parse_select("select  1")


def test_a_select_shows_its_text_and_not_its_tree() -> None:
    assert repr(parse_select("select 1")) == "Select(text='select 1')"


@pytest.mark.parametrize("text", [text for text, _ in REFUSED] + ACCEPTED)
def test_reading_a_query_logs_nothing(text: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        _parse_or_refuse(text)
    assert caplog.records == []


_PIECES = sorted(
    words(
        """
        select from where ( ) , . ; :: * = - -- /* */ ' " $$ $1 : ? % [ ] { } @ \\ é a b t raw 1 '' 'x' E' U&"
        with as and in union all order by limit cast case when then end insert explain values lateral
        """
    )
)


@given(st.lists(st.sampled_from(_PIECES), max_size=12).map(" ".join))
def test_any_text_is_read_or_refused_and_nothing_else(text: str) -> None:
    select = _parse_or_refuse(text)
    if select is not None:
        assert text.startswith(select.text)
        assert isinstance(tracking(select), (Trackable, Untrackable))
        assert impurity(select) != ""
        assert source_tables(select) == tuple(sorted(source_tables(select)))


def _parse_or_refuse(text: str) -> Select | None:
    try:
        return parse_select(text)
    except SourceQueryError:
        return None
