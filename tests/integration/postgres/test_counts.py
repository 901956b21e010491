"""Counts are exact, whatever the query's plan looks like and whatever hangs on the target."""

from __future__ import annotations

from typing import Annotated, Any

import pytest

from ematix_flow import Project, pk
from ematix_flow.plan import InsertSelect, StagedSelect
from ematix_flow.run import run_job
from ematix_flow.types import BigInt, Text


@pytest.fixture
def source(databases: Any) -> Any:
    """Four rows in `raw.t`, and the same in `raw.u`, which has no key."""
    databases.origin.execute("create table raw.t (n bigint primary key, v text)")
    databases.origin.execute("insert into raw.t select n, 'v' || n from generate_series(1, 4) as n")
    databases.origin.execute("create table raw.u as table raw.t")
    databases.origin.execute("create schema analytics")
    return databases


def load(databases: Any, query: str, *, keyed: bool) -> tuple[type, int, int, int]:
    """Run a job inside the server: its path, and the rows read, inserted and unchanged."""
    project = Project()
    databases.connect(project)
    key = Annotated[BigInt, pk()] if keyed else BigInt
    declared = type("T", (), {"__annotations__": {"n": key, "v": Text | None}})
    table = project.table(schema="analytics", name="t")(declared)
    options: dict[str, Any] = {} if keyed else {"incremental": False}
    decorate = project.job(
        name="load", target=table, source_connection="origin", target_connection="origin", **options
    )
    result = run_job(decorate(lambda: query), project=project).targets[0]
    assert result.plan is not None
    return type(result.plan.path), result.counts.read, result.counts.inserted, result.counts.unchanged


# Sub-selects become init plans, which hang beside the rows in the server's account of the insert.
QUERIES = [
    ("select n, v from raw.t where n > (select min(n) from raw.t)", 3),
    ("select n, (select max(v) from raw.u) as v from raw.t", 4),
    ("select n, v from raw.t where exists (select from raw.u)", 4),
    ("select n, v from raw.t where n in (select n from raw.u where n < 3)", 2),
    ("select n, case when v in (select v from raw.u) then 'x' end as v from raw.t", 4),
    ("select n, v from raw.t where false", 0),
    ("select n, v from raw.t order by n limit 2", 2),
    ("select distinct n, v from raw.t", 4),
    ("select t.n, t.v from raw.t as t join raw.u as u using (n)", 4),
    ("select n, v from raw.t union all select n + 10, v from raw.u", 8),
]


@pytest.mark.parametrize(("query", "rows"), QUERIES)
def test_a_keyless_target_counts_what_the_query_returns(source: Any, query: str, rows: int) -> None:
    assert load(source, query, keyed=False) == (InsertSelect, rows, rows, 0)


@pytest.mark.parametrize(("query", "rows"), QUERIES)
def test_a_keyed_target_counts_what_the_query_returns(source: Any, query: str, rows: int) -> None:
    _, *counts = load(source, query, keyed=True)
    assert counts == [rows, rows, 0]


TARGETS = {
    "partitioned": [
        "create table analytics.t (n bigint primary key, v text) partition by range (n)",
        "create table analytics.low partition of analytics.t for values from (0) to (3)",
        "create table analytics.rest partition of analytics.t default",
    ],
    "with a trigger": [
        "create table analytics.t (n bigint primary key, v text)",
        "create table analytics.log (n bigint)",
        (
            "create function analytics.note() returns trigger language plpgsql as "
            "$$ begin insert into analytics.log values (new.n); return new; end $$"
        ),
        "create trigger note after insert on analytics.t for each row execute function analytics.note()",
    ],
    "with columns of its own": [
        "create table analytics.t (n bigint primary key, v text, w text generated always as (v) stored, d int default 5)"
    ],
}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("select n, v from raw.t", InsertSelect),
        ("select n, max(v) as v from raw.t group by n", StagedSelect),
    ],
)
def test_what_hangs_on_the_target_counts_for_nothing(
    source: Any, target: str, query: str, path: type
) -> None:
    for statement in TARGETS[target]:
        source.origin.execute(statement)
    source.origin.execute("insert into analytics.t (n, v) values (1, 'old')")
    assert load(source, query, keyed=True) == (path, 4, 3, 1)
    assert source.origin.execute("select count(*) from analytics.t").fetchone() == (4,)
