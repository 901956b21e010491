"""A Delta writer whose view of the table is old when it comes to commit looks again, and loads anew.

Each job here looks at its target, and while its body is called for the first time, another job commits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, TypeAlias

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from ematix_flow import Job, Project, Retrying, TargetResult, iter_job, pk, run_job
from ematix_flow.results import LoadCounts
from ematix_flow.types import BigInt, Text

MakeJob: TypeAlias = Callable[..., Job]


@pytest.fixture
def make_job(project: Project, tmp_path: Path) -> MakeJob:
    """Makes a job that loads the rows given, and within each attempt runs the next of other jobs first."""
    project.connection(type("lake", (), {"kind": "delta_local", "path": str(tmp_path)}))

    @project.table
    class Orders:
        id: Annotated[BigInt, pk()]
        city: Text

    def make(name: str, mode: str, *ids: int, meanwhile: Iterable[Job] = ()) -> Job:
        others = iter(meanwhile)

        @project.job(name=name, target=Orders, target_connection="lake", mode=mode)
        def load() -> Iterator[pa.RecordBatch]:
            if other := next(others, None):
                run_job(other, project=project)
            yield pa.record_batch({"id": ids, "city": [name] * len(ids)})

        return load

    return make


@pytest.fixture
def run(project: Project) -> Callable[[Job], tuple[int, LoadCounts]]:
    """Runs a job: which attempts failed, and what the last one counts."""

    def run(job: Job) -> tuple[int, LoadCounts]:
        events = list(iter_job(job, project=project))
        (result,) = [event for event in events if isinstance(event, TargetResult)]
        assert result.error is None
        return sum(isinstance(event, Retrying) for event in events), result.counts

    return run


def cities(lake: Path) -> dict[int, list[str]]:
    """The cities of each key, one a version."""
    found: dict[int, list[str]] = {}
    scan = DeltaTable(lake / "public" / "orders").scan()
    for row in pa.RecordBatchReader.from_stream(scan).read_all().to_pylist():
        found.setdefault(row["id"], []).append(row["city"])
    return {key: sorted(found[key]) for key in sorted(found)}


# Each: the mode that is late, the mode that comes between, what keys 1 to 4 then are, and (inserted, updated, deleted).
# There are 1 and 2 at first; 2 and 3 come between, and 3 and 4 come late.
STALE: list[tuple[str, str, dict[int, list[str]], tuple[int, int, int]]] = [
    ("truncate", "append", {3: ["late"], 4: ["late"]}, (2, 0, 3)),
    ("truncate", "merge", {3: ["late"], 4: ["late"]}, (2, 0, 3)),
    ("truncate", "truncate", {3: ["late"], 4: ["late"]}, (2, 0, 2)),
    ("append", "append", {1: ["first"], 2: ["first"], 3: ["between"], 4: ["late"]}, (1, 0, 0)),
    ("append", "merge", {1: ["first"], 2: ["between"], 3: ["between"], 4: ["late"]}, (1, 0, 0)),
    ("append", "truncate", {2: ["between"], 3: ["between"], 4: ["late"]}, (1, 0, 0)),
    ("merge", "append", {1: ["first"], 2: ["first"], 3: ["late"], 4: ["late"]}, (1, 1, 0)),
    ("merge", "merge", {1: ["first"], 2: ["between"], 3: ["late"], 4: ["late"]}, (1, 1, 0)),
    ("merge", "truncate", {2: ["between"], 3: ["late"], 4: ["late"]}, (1, 1, 0)),
    ("scd2", "scd2", {1: ["first"], 2: ["between", "first"], 3: ["between", "late"], 4: ["late"]}, (2, 0, 0)),
]


@pytest.mark.parametrize(
    ("late", "between", "after", "counts"), STALE, ids=[f"{s[0]} after {s[1]}" for s in STALE]
)
def test_a_writer_whose_handle_is_stale_loads_again_what_the_table_then_lacks(
    make_job: MakeJob,
    run: Callable[[Job], tuple[int, LoadCounts]],
    tmp_path: Path,
    late: str,
    between: str,
    after: dict[int, list[str]],
    counts: tuple[int, int, int],
) -> None:
    run(make_job("first", late if late == "scd2" else "append", 1, 2))
    retries, told = run(make_job("late", late, 3, 4, meanwhile=[make_job("between", between, 2, 3)]))
    assert retries == 1
    assert cities(tmp_path) == after
    assert (told.inserted, told.updated, told.deleted) == counts


@pytest.mark.parametrize("mode", ["append", "truncate", "merge", "scd2"])
def test_of_two_first_loads_the_second_finds_the_table_of_the_first(
    make_job: MakeJob, run: Callable[[Job], tuple[int, LoadCounts]], tmp_path: Path, mode: str
) -> None:
    retries, told = run(make_job("late", mode, 2, 3, meanwhile=[make_job("first", mode, 2)]))
    assert retries == 1
    assert told.read == 2
    assert (
        cities(tmp_path)
        == {
            "append": {2: ["first"], 3: ["late"]},
            "truncate": {2: ["late"], 3: ["late"]},
            "merge": {2: ["late"], 3: ["late"]},
            "scd2": {2: ["first", "late"], 3: ["late"]},
        }[mode]
    )


def test_a_writer_that_always_comes_too_late_gives_up_with_its_reason(
    project: Project, make_job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ematix_flow.run.jobs._ATTEMPTS", 3)  # their pauses grow
    between = [make_job(f"between_{number}", "append", number) for number in range(3)]
    events = list(iter_job(make_job("late", "append", 100, meanwhile=between), project=project))
    (result,) = [event for event in events if isinstance(event, TargetResult)]
    assert "another writer committed to the table meanwhile" in str(result.error)
    assert sum(isinstance(event, Retrying) for event in events) == 2
    assert list(cities(tmp_path)) == [0, 1, 2]
