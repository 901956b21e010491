"""Is each row of the output at most one row of one table, so that a key stays a key?"""

from __future__ import annotations

import pytest

from ematix_flow.query import SingleTable, TableRef, parse_select, single_table


@pytest.mark.parametrize(
    "text",
    [
        "select id from raw.events",
        "select id from raw.events where at > now() - interval '1 day'",
        "select id from raw.events where id in (select id from other) and exists (select from x)",
        "select distinct id from raw.events order by id limit 3 offset 1",
        "select id, (select max(y) from u) as y from raw.events",
        "select id, row_number() over (order by at) as n from raw.events",
        "select id, t.at::date as day from raw.events as t",
    ],
)
def test_a_select_that_reads_one_table_row_by_row_keeps_its_keys(text: str) -> None:
    found = single_table(parse_select(text))
    assert found is not None
    assert found.table == TableRef("raw", "events")
    assert found.outputs[0] == ("id", "id")


@pytest.mark.parametrize(
    "text",
    [
        "select 1",
        "select id from a, b",
        "select a.id from a left join b on b.a = a.id",
        "select id from (select * from a) q",
        "select id from only a",
        "select id from a as x (id)",
        "with q as (select 1) select id from a",
        "select id from a group by id",
        "select id from a union all select id from a",
        "select i from generate_series(1, 3) as g (i)",
        "select id, unnest(tags) from a",
        "select id, jsonb_array_elements(doc) from a",
        "select id from a order by generate_series(1, 2)",
        "select id, my_rows(doc) from a",
        'select id, U&"my_rows"(doc) from a',
        "select id from a, lateral (select 1) q",
        "(select id from a)",
    ],
)
def test_whatever_could_repeat_a_row_is_none(text: str) -> None:
    assert single_table(parse_select(text)) is None


def test_outputs_and_star_are_told_apart() -> None:
    assert single_table(parse_select('select *, "Id" as k, a + 1, user, t.user from t')) == SingleTable(
        table=TableRef(None, "t"),
        outputs=(("k", "Id"), ("?column?", None), ("?column?", None), ("user", "user")),
        star=True,
    )
