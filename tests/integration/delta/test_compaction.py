"""A lake that small runs feed stays a lake of few files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from ematix_flow import Project, pk
from ematix_flow.run import run_job
from ematix_flow.types import BigInt, Text


@pytest.fixture(params=[{}, {"compaction": "off"}], ids=["auto", "off"])
def lake(request: pytest.FixtureRequest, project: Project, tmp_path: Path) -> Any:
    """Loads a batch more at every call; whether compaction is on."""
    project.connection(type("lake", (), {"kind": "delta", "url": str(tmp_path / "lake"), **request.param}))

    @project.table(schema="raw")
    class Events:
        id: Annotated[BigInt, pk()]
        name: Text

    first = 0

    @project.job(name="events", target=Events, target_connection="lake")
    def events() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"id": range(first, first + 100), "name": [f"event {n}" for n in range(100)]})

    def load() -> DeltaTable:
        nonlocal first
        result = run_job(events, project=project)
        assert result.targets[0].counts.inserted == 100
        first += 100
        return DeltaTable(tmp_path / "lake" / "raw" / "events")

    return load, not request.param


def test_small_files_are_put_together_and_no_row_is_lost(lake: Any) -> None:
    load, is_on = lake
    files = [len(load().file_uris()) for _ in range(20)]
    table = load()
    assert max(files) == (8 if is_on else 20) - is_on
    assert sorted(table.to_pyarrow_table()["id"].to_pylist()) == list(range(2100))


def test_a_compaction_is_a_commit_of_its_own_after_the_load(lake: Any) -> None:
    load, is_on = lake
    for _ in range(7):
        load()
    table = load()
    operations = [entry["operation"] for entry in table.history(2)]
    assert operations == (["OPTIMIZE", "WRITE"] if is_on else ["WRITE", "WRITE"])
    assert len(table.file_uris()) == (1 if is_on else 8)


def test_a_compaction_that_fails_is_told_and_leaves_the_load(
    lake: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    load, is_on = lake
    for _ in range(7):
        load()
    monkeypatch.setattr("deltalake.table.TableOptimizer.compact", _no_room)
    table = load()
    assert table.count() == 800
    told = [record.getMessage() for record in caplog.records if "compaction" in record.getMessage()]
    assert told == ([f"the compaction of {table.table_uri} failed: OSError"] if is_on else [])


def _no_room(*_: Any, **__: Any) -> None:
    raise OSError("no space left on device")
