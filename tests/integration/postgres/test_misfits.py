"""A value that does not become its declared type is told on every path: job, column and value."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from ematix_flow import PostgresConnection, Project, RunError, TargetResult, run_job
from ematix_flow.plan import ArrowStream, CopyInto, InsertSelect, StagedSelect, TargetPlan
from ematix_flow.types import (
    JSON,
    JSONB,
    UUID,
    Array,
    BigInt,
    Boolean,
    Date,
    Double,
    Integer,
    Interval,
    Numeric,
    Text,
    TimestampTZ,
)

PATHS = {
    "insert … select": ("origin", "select id, a, v from raw.t", InsertSelect),
    "staged": ("origin", "select id, a, v from raw.t where raw.always()", StagedSelect),
    "another server": ("other", "select id, a, v from raw.t", CopyInto),
    "lake": ("lake", "select id, a, v from raw.t", ArrowStream),
}
TYPES = [
    (UUID, "not a uuid"),
    (Integer, "12 apples"),
    (Integer, "99999999999"),
    (BigInt, "1e3"),
    (Double, "1,5"),
    (Boolean, "perhaps"),
    (Date, "2024-13-01"),
    (TimestampTZ, "noon"),
    (Interval, "1 parsec"),
    (JSON, "{'a': 1}"),
    (JSONB, '{"a": }'),
    (Numeric, "a lot"),
    (Numeric[10, 2], "1.2.3"),
    (Array[UUID], "{x}"),
]

Load = Callable[..., TargetResult]


@pytest.fixture
def load(databases: Any, project: Project, tmp_path: Path) -> Load:
    """Runs a job that reads the text `v` as a type, beside another text `a` that it reads as the same."""
    databases.connect(project)
    databases.origin.execute("create function raw.always() returns boolean return true")
    project.connection(type("lake", (), {"kind": "delta_local", "path": str(tmp_path)}))

    def run(type_: Any, where: str, body: Callable[[], Any], **asked: Any) -> TargetResult:
        columns = {"id": BigInt, "a": type_ | None, "v": type_ | None}
        table = project.table(schema="analytics")(type("T", (), {"__annotations__": columns}))
        decorate = project.job(
            name="load",
            target=table,
            source_connection="origin",
            target_connection=where,
            incremental=False,
        )
        return run_job(decorate(body), project=project, **asked).targets[0]

    return run


def fill(session: psycopg.Connection, *values: str, type_: str = "text") -> None:
    """Many rows of NULL, and the values in the column v, the first of them in the middle."""
    session.execute(f"create table raw.t (id bigint, a {type_}, v {type_})".encode())
    session.execute("insert into raw.t select n from generate_series(1, 500) as n")
    for value in values:
        session.execute(f"insert into raw.t values (0, null, %s::{type_})".encode(), [value])  # noqa: S608  # a test's own
    session.execute("insert into raw.t select n from generate_series(1, 500) as n")


def failure(load: Callable[[], Any]) -> tuple[str, TargetPlan]:
    """What a run says of its target, and the plan that it followed."""
    with pytest.raises(RunError) as raised:
        load()
    (failed,) = raised.value.result.failed  # type: ignore[union-attr]  # a target's failure carries the result
    assert failed.plan is not None
    return str(failed.error), failed.plan


NOT_IN_A_LAKE = (Interval, Numeric)
CASES = [
    (path, type_, value)
    for path in PATHS
    for type_, value in TYPES
    if path != "lake" or type_ not in NOT_IN_A_LAKE
]


@pytest.mark.parametrize(
    ("path", "type_", "value"), CASES, ids=lambda each: str(getattr(each, "value", each))
)
def test_a_text_that_is_none_of_the_declared_type_is_told(
    databases: Any, load: Load, path: str, type_: Any, value: str
) -> None:
    where, query, kind = PATHS[path]
    fill(databases.origin, value, type_="text[]" if str(type_.value).startswith("Array") else "text")
    told, plan = failure(lambda: load(type_, where, lambda: query))
    assert isinstance(plan.path, kind)
    assert told.startswith("job 'load'")
    _, found, sample = told.partition(f"column 'v': a value does not fit {type_.value}: ")
    assert found
    if databases.origin.info.server_version >= 160000:
        assert sample == value
    else:  # in the server's own words, which show of a document where it went wrong
        assert value.strip("{}") in sample or "JSON" in str(type_.value)


def batches(value: str) -> Callable[[], Iterator[pa.RecordBatch]]:
    def body() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch(
            {"id": pa.array([1, 2], pa.int64()), "a": pa.nulls(2, pa.string()), "v": [None, value]}
        )

    return body


IN_BATCHES = [each for each in TYPES if each[0] not in (Interval, Array[UUID])]


@pytest.mark.parametrize(("type_", "value"), IN_BATCHES, ids=lambda each: str(getattr(each, "value", each)))
def test_a_text_in_a_batch_that_is_none_of_the_declared_type_is_told(
    load: Load, type_: Any, value: str
) -> None:
    told, _ = failure(lambda: load(type_, "other", batches(value)))
    assert told.startswith("job 'load'")
    assert "column 'v'" in told
    assert value in told


@pytest.mark.parametrize("path", PATHS)
def test_values_that_may_not_show_are_not_shown(databases: Any, load: Load, path: str) -> None:
    where, query, _ = PATHS[path]
    fill(databases.origin, "the secret")
    secretive = PostgresConnection(name="origin", url="${ORIGIN_DSN}", show_values=False)
    told, _ = failure(lambda: load(UUID, where, lambda: query, connections={"origin": secretive}))
    assert told.endswith("column 'v': a value does not fit UUID")


@pytest.mark.parametrize("type_", [UUID, Integer, JSONB, Numeric])
def test_a_text_in_a_batch_of_a_source_that_shows_no_values_is_not_shown(load: Load, type_: Any) -> None:
    secretive = PostgresConnection(name="origin", url="${ORIGIN_DSN}", show_values=False)
    told, _ = failure(lambda: load(type_, "other", batches("the secret"), connections={"origin": secretive}))
    assert "column 'v'" in told
    assert "secret" not in told


@pytest.mark.parametrize("path", ["insert … select", "another server"])
def test_what_the_query_itself_fails_for_is_no_misfit(databases: Any, load: Load, path: str) -> None:
    fill(databases.origin, "1")
    query = "select id, a, v from raw.t where 1 / (coalesce(v, '2')::integer - 1) >= 0"
    told, _ = failure(lambda: load(Integer, PATHS[path][0], lambda: query))
    assert "division by zero" in told
    assert "does not fit" not in told


def test_a_good_text_arrives(databases: Any, load: Load) -> None:
    fill(databases.origin, "7")
    assert load(Integer, "origin", lambda: PATHS["insert … select"][1]).counts.inserted == 1001


def test_declared_texts_need_no_cast(databases: Any, load: Load) -> None:
    fill(databases.origin, "x")
    assert load(Text, "origin", lambda: PATHS["insert … select"][1]).counts.inserted == 1001
