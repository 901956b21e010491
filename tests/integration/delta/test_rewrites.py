"""`on_drift="rewrite"`: a Delta table is written anew where a declared type is wider, and for nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from ematix_flow import (
    LoadMode,
    Merge,
    Project,
    RunError,
    Scd2,
    SchemaDriftError,
    TargetResult,
    pk,
    plan_job,
    run_job,
)
from ematix_flow.backends.delta import sink
from ematix_flow.types import BigInt, DataType, Double, Float, Integer, Numeric, SmallInt, Text, to_arrow

ROWS = [1, 100_000]
WIDENINGS = [
    (SmallInt, Integer, 30_000, 2**20),
    (SmallInt, BigInt, -1, 2**40),
    (Integer, BigInt, 2**31 - 1, 2**40),
    (Numeric[10, 2], Numeric[12, 2], "12.34", "1234567890.12"),
]


class Target:
    """A table `analytics.t` of a lake with an id and a column v, and a job that loads it."""

    def __init__(self, lake: Path) -> None:
        self.lake = lake
        self.place = lake / "analytics" / "t"

    def job(self, type_: Any, value: Any, mode: LoadMode | str, on_drift: str) -> tuple[Project, Any]:
        project = Project()
        project.connection(type("lake", (), {"kind": "delta_local", "path": str(self.lake)}))
        columns = {"id": Annotated[BigInt, pk()], "v": type_ | None}
        table = project.table(schema="analytics")(type("T", (), {"__annotations__": columns}))
        rows = pa.table({"id": pa.array([0], pa.int64()), "v": _array(type_.value, [value])})
        decorate = project.job(
            name="load", target=table, target_connection="lake", mode=mode, on_drift=on_drift
        )

        def body() -> Iterator[pa.RecordBatch]:
            yield from rows.to_batches()

        return project, decorate(body)

    def make(self, type_: Any, value: Any, rows: int) -> None:
        """The table as an earlier declaration made it, with ids from 1 on."""
        values = _array(type_.value, [value] * rows)
        schema = pa.schema(
            [
                pa.field("id", pa.int64(), nullable=False),
                pa.field("v", values.type, metadata={"comment": "the v"}),
            ]
        )
        write_deltalake(
            self.place, pa.table([pa.array(range(1, rows + 1), pa.int64()), values], schema=schema)
        )

    def plan(self, type_: Any, value: Any, on_drift: str = "rewrite", mode: LoadMode | str = "append") -> Any:
        project, job = self.job(type_, value, mode, on_drift)
        return plan_job(job, project=project).targets[0]

    def load(
        self, type_: Any, value: Any, on_drift: str = "rewrite", mode: LoadMode | str = "append"
    ) -> TargetResult:
        project, job = self.job(type_, value, mode, on_drift)
        return run_job(job, project=project).targets[0]

    def handle(self) -> DeltaTable:
        return DeltaTable(self.place)

    def values(self) -> dict[int, Any]:
        table = pa.RecordBatchReader.from_stream(self.handle().scan()).read_all()
        return dict(zip(table["id"].to_pylist(), map(str, table["v"].to_pylist()), strict=True))


def _array(type_: DataType, values: list[Any]) -> pa.Array:
    return pa.array(values).cast(to_arrow(type_)) if values else pa.array([], to_arrow(type_))


@pytest.fixture
def target(tmp_path: Path) -> Target:
    return Target(tmp_path)


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize(
    ("narrow", "wide", "old", "new"), WIDENINGS, ids=lambda each: str(getattr(each, "value", each))
)
def test_a_type_is_widened_and_every_value_kept(
    target: Target, narrow: Any, wide: Any, old: Any, new: Any, rows: int
) -> None:
    target.make(narrow, old, rows)
    (step,) = target.plan(wide, new).steps
    assert str(step) == f"widen column v from {narrow.value} to {wide.value}, which rewrites the table"
    assert target.handle().version() == 0  # a plan changes nothing
    assert target.load(wide, new).counts.inserted == 1
    assert [entry["operation"] for entry in target.handle().history()] == ["WRITE", "WRITE", "WRITE"]
    found = target.values()
    assert found.pop(0) == str(new)
    assert len(found) == rows
    assert set(found.values()) == {str(old)}
    assert target.plan(wide, new).steps == ()


def test_a_real_is_widened_to_the_same_number(target: Target) -> None:
    target.make(Float, 0.25, 3)
    target.load(Double, 0.1)
    assert target.values() == {0: "0.1", 1: "0.25", 2: "0.25", 3: "0.25"}


@pytest.mark.parametrize("mode", ["truncate", "merge", Merge(deletes="hard")], ids=str)  # type: ignore[arg-type]  # as users write it
def test_every_mode_loads_what_was_widened(target: Target, mode: Any) -> None:
    target.make(Integer, 5, 2)
    target.load(BigInt, 2**40, mode=mode)
    assert target.values()[0] == str(2**40)


def test_a_history_is_widened_with_its_versions(target: Target) -> None:
    target.load(Integer, 5, mode=Scd2())
    assert target.load(BigInt, 2**40, mode=Scd2()).counts.closed == 1
    table = pa.RecordBatchReader.from_stream(target.handle().scan()).read_all()
    assert sorted(table["v"].to_pylist()) == [5, 2**40]


def test_comments_and_the_refusal_of_null_survive(target: Target) -> None:
    target.make(Integer, 5, 1)
    target.load(BigInt, 6)
    id_, v = target.handle().schema().fields
    assert (id_.nullable, v.metadata) == (False, {"comment": "the v"})


@pytest.mark.parametrize("on_drift", ["error", "rewrite"])
def test_nothing_else_is_a_reason_to_rewrite(target: Target, on_drift: str) -> None:
    target.make(BigInt, 5, 1)
    with pytest.raises(SchemaDriftError) as raised:
        target.plan(Integer, 5, on_drift)
    assert raised.value.drifts == ("column v is BigInt, declared Integer",)
    assert raised.value.sql


def test_without_the_word_a_wider_type_is_drift_that_names_it(target: Target) -> None:
    target.make(Integer, 5, 1)
    with pytest.raises(SchemaDriftError, match="on_drift='rewrite'"):
        target.plan(BigInt, 5, "error")


def test_a_load_that_fails_after_the_rewrite_has_lost_nothing(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    target.make(Integer, 5, 3)

    def broken(*_: object, **__: object) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(sink, "checked", broken)
        with pytest.raises(RunError, match="the disk is full"):
            target.load(BigInt, 6)
    assert target.values() == {1: "5", 2: "5", 3: "5"}
    assert target.load(BigInt, 6, "error").counts.inserted == 1


def test_a_rewrite_on_top_of_a_version_that_is_not_the_last_is_tried_again(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    target.make(Integer, 5, 3)
    original: Callable[..., None] = sink.widen
    rivals = iter([1])

    def after_a_rival(handle: DeltaTable, types: Any) -> None:
        for _ in rivals:
            rows = pa.table(
                {"id": pa.array([9], pa.int64()), "v": pa.array([7], pa.int32())}, schema=_schema(handle)
            )
            write_deltalake(target.place, rows, mode="append")
        original(handle, types)

    monkeypatch.setattr(sink, "widen", after_a_rival)
    assert target.load(BigInt, 6).counts.inserted == 1
    assert target.values() == {0: "6", 1: "5", 2: "5", 3: "5", 9: "7"}


def _schema(handle: DeltaTable) -> pa.Schema:
    return pa.schema(handle.schema().to_arrow())


def test_the_word_is_one_of_three(target: Target) -> None:
    with pytest.raises(Exception, match="'error' or 'ignore' or 'rewrite'"):
        target.job(Text, "x", "append", "rewrites")
