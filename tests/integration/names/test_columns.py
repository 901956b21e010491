"""Columns of any name keep their values apart, bound what is read, and are shown in SQL that runs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import pyarrow as pa
import pytest
from integration.names.words import COLUMNS, DIFFER_IN_CASE, MODES, NAMES
from psycopg import sql

from ematix_flow import Job, Project, Target, Window, explain, pk, plan_job, run_job
from ematix_flow.errors import RunError
from ematix_flow.types import BigInt, Integer, Text, TimestampTZ


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("connection", ["origin", "other", "lake"])
def test_columns_of_any_name_keep_their_values_apart(house: Any, connection: str, mode: str) -> None:
    names = COLUMNS if connection == "lake" else [*COLUMNS, *DIFFER_IN_CASE]
    columns = dict.fromkeys(names, BigInt | None)
    table_class = house.declare("a", "t", {"key of a row": Annotated[BigInt, pk()], **columns})
    job = house.project.job(
        name="load", target=table_class, mode=mode, source_connection="origin", target_connection=connection
    )(lambda: "select * from raw.t")
    quoted = [sql.Identifier(name) for name in names]
    house.origin.execute("create schema raw")
    house.origin.execute(
        sql.SQL('create table raw.t ("key of a row" bigint primary key, {})').format(
            sql.SQL(", ").join(sql.SQL("{} bigint").format(name) for name in quoted)
        )
    )
    values = sql.SQL(", ").join(map(sql.Literal, range(len(names))))
    house.origin.execute(sql.SQL("insert into raw.t values (1, {0}), (2, {0})").format(values))
    run_job(job, project=house.project)
    more = sql.SQL(", ").join(sql.SQL("{0} = {0} + 100").format(name) for name in quoted)
    house.origin.execute(sql.SQL('update raw.t set {} where "key of a row" = 2').format(more))
    run_job(job, project=house.project)
    first = tuple(range(len(names)))
    changed = tuple(number + 100 for number in first)
    after = {"append": [first, first], "merge": [first, changed], "scd2": [first, first, changed]}
    assert house.values(connection, "a", "t", *names) == after[mode]


@pytest.mark.parametrize("connection", ["other", "lake"])
@pytest.mark.parametrize("name", NAMES)
def test_a_slice_is_cut_by_a_column_of_any_name_and_the_plan_shows_it(
    house: Any, name: str, connection: str
) -> None:
    table_class = house.declare("a", "t", {name: TimestampTZ, "v": Text})
    quoted = sql.Identifier(name).as_string()
    rows = "values ('2024-01-01Z'::timestamptz, 'a'), ('2024-01-02Z', 'b')"
    job = house.project.job(
        name="load",
        target=table_class,
        source_connection="origin",
        target_connection=connection,
        incremental=False,
    )(lambda: f"select * from ({rows}) as t ({quoted}, v)")  # noqa: S608
    window = Window(start="2024-01-02", end="2024-01-03", column=name)
    for _ in range(2):  # the second run replaces what the first one wrote
        run_job(job, project=house.project, window=window)
    assert house.values(connection, "a", "t", name, "v") == [(datetime(2024, 1, 2, tzinfo=UTC), "b")]
    assert quoted in explain(plan_job(job, project=house.project, window=window))


@pytest.mark.parametrize("name", NAMES)
def test_what_a_person_could_run_against_drift_works_under_any_name(house: Any, name: str) -> None:
    project, load = declared(house, name, BigInt)
    run_job(load, project=project)
    project, load = declared(house, name, Integer)
    with pytest.raises(RunError) as caught:
        run_job(load, project=project)
    in_postgres, in_lake = (target.error.sql for target in caught.value.result.targets)
    for statement in in_postgres:
        house.other.execute(statement)
    exec("\n".join(in_lake), {})  # noqa: S102  # as a person would
    run_job(load, project=project)
    for connection in ("other", "lake"):
        assert house.rows(connection, name, name) == [{"id": 1, name: 7}]


def declared(house: Any, name: str, type_: Any) -> tuple[Project, Job]:
    """A job into a table with a column of a type, on either backend."""
    project = Project()
    project.connection(type("other", (), {"kind": "postgres", "url": "${OTHER_DSN}"}))
    project.connection(type("lake", (), {"kind": "delta_local", "path": str(house.lake)}))
    columns = {"id": Annotated[BigInt, pk()], name: type_}
    table = project.table(schema=name, name=name)(type("T", (), {"__annotations__": columns}))
    targets = [Target(table, connection=connection) for connection in ("other", "lake")]
    decorate = project.job(name="load", targets=targets, source_connection="other")
    return project, decorate(lambda: pa.record_batch({"id": [1], name: [7]}))
