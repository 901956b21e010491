"""A body that needs no source runs without one, though a connection could serve as one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ematix_flow import Job, Project, UnsetVariableError, plan_job, run_job
from ematix_flow.types import BigInt

ROWS = pa.table({"n": [1, 2]})


def yields() -> Iterator[pa.RecordBatch]:
    yield from ROWS.to_batches()


def returns() -> pa.Table:
    return ROWS


@pytest.fixture
def declare(project: Project, tmp_path: Path) -> Callable[[Callable[..., Any]], Job]:
    """Declares a job into a lake, beside a Postgres whose address is not known here."""
    project.connection(type("warehouse", (), {"kind": "postgres", "url": "${NO_SUCH_DSN}"}))
    project.connection(type("lake", (), {"kind": "delta_local", "path": str(tmp_path)}))

    @project.table(schema="analytics")
    class Numbers:
        n: BigInt

    return project.job(name="load", target=Numbers, target_connection="lake", mode="truncate")


@pytest.mark.parametrize("body", [yields, returns])
def test_batches_of_a_body_without_an_argument_open_no_source(
    declare: Callable[[Any], Job], project: Project, body: Any
) -> None:
    job = declare(body)
    assert plan_job(job, project=project).targets[0].path.why != ""
    assert run_job(job, project=project).targets[0].counts.inserted == 2


def test_sql_of_a_body_without_an_argument_opens_the_source(
    declare: Callable[[Any], Job], project: Project
) -> None:
    job = declare(lambda: "select 1::bigint as n")
    with pytest.raises(UnsetVariableError, match="NO_SUCH_DSN"):
        run_job(job, project=project)


def test_a_body_with_an_argument_opens_the_source(declare: Callable[[Any], Job], project: Project) -> None:
    job = declare(lambda conn: ROWS)
    with pytest.raises(UnsetVariableError, match="NO_SUCH_DSN"):
        run_job(job, project=project)
