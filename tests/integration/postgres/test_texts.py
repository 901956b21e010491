"""Query texts and names as people write them: per cent signs, braces, comments, quotes, long and odd names."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from psycopg import sql

from ematix_flow import Project, pk
from ematix_flow.run import run_job
from ematix_flow.types import BigInt, Text

PATHS = ["inside", "stream"]

# Each reads the rows (1, '100%') and (2, 'x') of raw.t; with the texts that it puts out.
QUERIES: list[tuple[str, list[str]]] = [
    ("select n, v from raw.t where v like '%0%'", ["100%"]),
    ("select n, v from raw.t where v like '%s' or v like '%(a)s' or true -- it's all", ["100%", "x"]),
    ("select n, v from raw.t /* (( ; */", ["100%", "x"]),
    ("select n, v from raw.t;  -- done\n;", ["100%", "x"]),
    ("select n, v || '{}' as v from raw.t", ["100%{}", "x{}"]),
    ("select n, $$a;b$$ as v from raw.t", ["a;b", "a;b"]),
    ("select n, E'\\'%' as v from raw.t", ["'%", "'%"]),
    ('select n, v from raw.t as "T%" where "T%".v = \'x\'', ["x"]),
    ("select n % 2 as n, v from raw.t where n % 2 = 1", ["100%"]),
    ("with t as (select * from raw.t) select * from t", ["100%", "x"]),
    ("(select n, v from raw.t) order by n limit 1", ["100%"]),
]


def load(databases: Any, project: Project, path: str, declared: type, query: str) -> list[int]:
    """Run a job twice, and give the rows that each run inserted."""
    databases.connect(project)
    job = project.job(
        name="load",
        target=declared,
        source_connection="origin",
        target_connection="other" if path == "stream" else "origin",
    )(lambda: query)
    return [run_job(job, project=project).targets[0].counts.inserted for _ in range(2)]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("query", "texts"), QUERIES)
def test_a_query_runs_as_it_is_written(
    databases: Any, project: Project, path: str, query: str, texts: list[str]
) -> None:
    databases.origin.execute("create table raw.t (n bigint primary key, v text)")
    databases.origin.execute("insert into raw.t values (1, '100%'), (2, 'x')")

    @project.table(schema="analytics")
    class T:
        n: Annotated[BigInt, pk()]
        v: Text | None

    assert load(databases, project, path, T, query) == [len(texts), 0]
    found = databases.target(path).execute("select v from analytics.t order by n").fetchall()
    assert found == [(text,) for text in texts]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", ["Capital", "select", "two words", "größe", "x" * 63, "ü" * 31])
def test_a_name_is_kept_as_it_is_declared(databases: Any, project: Project, path: str, name: str) -> None:
    column = sql.Identifier(name)
    create = sql.SQL("create table {} ({} bigint primary key, v text)").format(
        sql.Identifier("raw", name), column
    )
    databases.origin.execute(create)
    databases.origin.execute(sql.SQL("insert into {} values (1, 'a')").format(sql.Identifier("raw", name)))
    declared = type("T", (), {"__annotations__": {name: Annotated[BigInt, pk()], "v": Text | None}})
    table = project.table(schema="analytics", name=name)(declared)
    query = sql.SQL("select * from {}").format(sql.Identifier("raw", name)).as_string(None)
    assert load(databases, project, path, table, query) == [1, 0]
    read = sql.SQL("select {}, v from {}").format(column, sql.Identifier("analytics", name))
    assert databases.target(path).execute(read).fetchall() == [(1, "a")]
