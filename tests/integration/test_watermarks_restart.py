"""A source that begins again with smaller values: the watermark says what is stored, and a full refresh starts it anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import psycopg
import pytest
from deltalake import DeltaTable

from ematix_flow import Project, TargetResult, Watermark, pk, run_job
from ematix_flow.types import BigInt

pytestmark = pytest.mark.filterwarnings("ignore::ematix_flow.LiteralPasswordWarning")

Load = Callable[..., TargetResult]


@pytest.fixture
def numbers(db: psycopg.Connection) -> psycopg.Connection:
    db.execute("create schema raw")
    db.execute("create table raw.numbers (n bigint)")
    return db


def fill(db: psycopg.Connection, *numbers: int) -> None:
    db.execute("truncate raw.numbers")
    db.execute("insert into raw.numbers select unnest(%s::bigint[])", [list(numbers)])


@pytest.fixture(params=["keyed", "keyless"])
def key(request: pytest.FixtureRequest) -> Any:
    return Annotated[BigInt, pk()] if request.param == "keyed" else BigInt


@pytest.fixture(params=["warehouse", "lake"])
def load(request: pytest.FixtureRequest, project: Project, dsn: str, tmp_path: Path, key: Any) -> Load:
    """Runs the job that appends the numbers, read by themselves."""
    project.connection(type("warehouse", (), {"kind": "postgres", "url": dsn}))
    project.connection(type("lake", (), {"kind": "delta_local", "path": str(tmp_path)}))
    table = project.table(schema="analytics")(type("Numbers", (), {"__annotations__": {"n": key}}))
    decorate = project.job(
        name="numbers",
        target=table,
        source_connection="warehouse",
        target_connection=request.param,
        incremental="n",
    )
    job = decorate(lambda: "select n from raw.numbers")
    return lambda **asked: run_job(job, project=project, **asked).targets[0]


def kept(result: TargetResult) -> str | None:
    return result.watermark.value if isinstance(result.watermark, Watermark) else None


def test_a_full_refresh_lowers_the_watermark_to_what_it_read(numbers: psycopg.Connection, load: Load) -> None:
    fill(numbers, 100, 200)
    assert kept(load()) == "200"
    fill(numbers, 1, 2)
    assert kept(load(full_refresh=True)) == "2"
    fill(numbers, 1, 2, 3)
    assert load().counts.inserted == 1


def test_without_a_full_refresh_the_result_tells_the_watermark_that_stays(
    numbers: psycopg.Connection, load: Load
) -> None:
    fill(numbers, 100, 200)
    load()
    fill(numbers, 1, 2)
    result = load()
    assert (kept(result), result.counts.read) == ("200", 0)
    fill(numbers, 1, 2, 300)
    assert load().counts.inserted == 1


def test_a_full_refresh_of_an_empty_source_leaves_no_watermark(
    numbers: psycopg.Connection, load: Load
) -> None:
    fill(numbers, 100, 200)
    load()
    fill(numbers)
    assert kept(load(full_refresh=True)) is None
    fill(numbers, 1, 2)
    assert load().counts.inserted == 2


def test_an_empty_source_moves_no_watermark(numbers: psycopg.Connection, load: Load) -> None:
    fill(numbers, 100, 200)
    load()
    fill(numbers)
    assert kept(load()) == "200"


@pytest.mark.parametrize("key", [BigInt], ids=["keyless"])
def test_a_target_that_was_emptied_starts_its_watermark_anew(
    numbers: psycopg.Connection, load: Load, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    fill(numbers, 100, 200)
    load()
    if "lake" in request.node.name:
        DeltaTable(tmp_path / "analytics" / "numbers").delete()
    else:
        numbers.execute("delete from analytics.numbers")
    fill(numbers, 1, 2)
    assert (kept(result := load()), result.counts.inserted) == ("2", 2)
    fill(numbers, 1, 2, 3)
    assert load().counts.inserted == 1
