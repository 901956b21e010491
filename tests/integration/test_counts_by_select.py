"""The counts of every run are what `select` says before and after it, in every mode, on both backends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import psycopg
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from ematix_flow import Append, Job, LoadCounts, LoadMode, Merge, Project, Scd2, Truncate, Window, pk, run_job
from ematix_flow.types import BigInt, Text, TimestampTZ

pytestmark = pytest.mark.filterwarnings("ignore::ematix_flow.LiteralPasswordWarning")

Row: TypeAlias = dict[str, Any]
KEYED: dict[str, tuple[LoadMode, Mapping[str, Any]]] = {
    "append": (Append(), {}),
    "truncate": (Truncate(), {}),
    "merge": (Merge(), {}),
    "merge of one column": (Merge(update=("name",)), {}),
    "merge, hard deletes": (Merge(deletes="hard"), {}),  # type: ignore[arg-type]  # as users write it
    "merge, soft deletes": (Merge(deletes="soft"), {}),  # type: ignore[arg-type]  # likewise
    "scd2": (Scd2(), {}),
    "scd2, soft deletes": (Scd2(deletes="soft"), {}),  # type: ignore[arg-type]  # likewise
    "scd2 by its own time": (Scd2(valid_from="at"), {}),
}
KEYLESS: dict[str, tuple[LoadMode, Mapping[str, Any]]] = {
    "append without a key": (Append(), {"incremental": False}),
    "append of a window without a key": (Append(), {"incremental": "at"}),
    "truncate without a key": (Truncate(), {}),
}
MODES = {**KEYED, **KEYLESS}

# What happens to the source before each run.
RUNS = {
    "first load": "insert into raw.items select n, 'n' || n, make_timestamptz(2026, 1, n, 0, 0, 0, 'UTC') from generate_series(1, 6) as n",
    "nothing new": "select",
    "change": "update raw.items set name = 'changed' where id in (2, 5)",
    "a row moves": "update raw.items set at = '2026-01-20Z' where id = 3",
    "delete": "delete from raw.items where id in (1, 2)",
    "reappear": "insert into raw.items values (1, 'back', '2026-01-21Z'), (7, 'new', '2026-01-22Z')",
}
SLICE = Window(start="2026-01-04 00:00:00+00", end="2026-01-06 00:00:00+00", column="at")


@dataclass(frozen=True)
class Items:
    """A source, a target, and a job between them."""

    db: psycopg.Connection
    lake: Path
    project: Project
    job: Job
    where: str

    def source(self, window: Window | None) -> int:
        """How many rows a run is to read; None bounds it by nothing."""
        bound = " where at >= %s and at < %s" if window else ""
        row = self.db.execute(
            f"select count(*) from raw.items{bound}".encode(),  # noqa: S608  # a test's own
            [window.start, window.end] if window else None,
        ).fetchone()
        assert row is not None
        return int(row[0])

    def rows(self) -> list[Row]:
        """The target as `select` shows it."""
        if self.where == "lake":
            place = self.lake / "analytics" / "items"
            if not DeltaTable.is_deltatable(str(place)):
                return []
            table: pa.Table = pa.RecordBatchReader.from_stream(DeltaTable(place).scan()).read_all()
            return table.to_pylist()
        if self.db.execute("select to_regclass('analytics.items')").fetchone() == (None,):
            return []
        cursor = self.db.execute("select * from analytics.items")
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def run(self, **asked: Any) -> tuple[list[Row], LoadCounts, list[Row]]:
        """The target before and after one run, and what it says of itself."""
        before = self.rows()
        counts = run_job(self.job, project=self.project, **asked).targets[0].counts
        return before, counts, self.rows()


@pytest.fixture
def items(db: psycopg.Connection, dsn: str, project: Project, tmp_path: Path) -> Callable[[str, str], Items]:
    db.execute("create schema raw")
    db.execute("create table raw.items (id bigint primary key, name text, at timestamptz)")
    project.connection(type("warehouse", (), {"kind": "postgres", "url": dsn}))
    project.connection(type("lake", (), {"kind": "delta_local", "path": str(tmp_path)}))

    def declared(mode: str, where: str) -> Items:
        key = Annotated[BigInt, pk()] if mode in KEYED else BigInt
        columns = {"id": key, "name": Text | None, "at": TimestampTZ}
        table = project.table(schema="analytics")(type("Items", (), {"__annotations__": columns}))
        load_mode, options = MODES[mode]
        job = project.job(
            name="load",
            target=table,
            target_connection=where,
            source_connection="warehouse",
            mode=load_mode,
            **options,
        )(lambda: "select id, name, at from raw.items")
        return Items(db, tmp_path, project, job, where)

    return declared


# --- what `select` says -------------------------------------------------------------------------------


def told_by_select(mode: LoadMode, before: list[Row], after: list[Row]) -> dict[str, int]:
    """What a run did, read off the target alone."""
    match mode:
        case Append():
            return {"inserted": len(after) - len(before)}
        case Truncate():
            return {"inserted": len(after), "deleted": len(before)}
        case Merge():
            return _by_key(before, after, ("id",))
        case Scd2():
            return _by_key(before, after, ("id", "valid_from"))


def _by_key(before: list[Row], after: list[Row], key: tuple[str, ...]) -> dict[str, int]:
    held, found = ({tuple(row[name] for name in key): row for row in rows} for rows in (before, after))
    both = [(held[each], found[each]) for each in held.keys() & found.keys()]
    gone = [(one, other) for one, other in both if one.get("deleted_at") is None and other.get("deleted_at")]
    closed = [(one, other) for one, other in both if one.get("valid_to") is None and other.get("valid_to")]
    changed = [(one, other) for one, other in both if one != other]
    return {
        "inserted": len(found.keys() - held.keys()),
        "updated": len(changed) - len(gone) - len(closed),
        "deleted": len(held.keys() - found.keys()) + len(gone),
        "closed": len(closed),
    }


def counted(counts: LoadCounts) -> dict[str, int]:
    names = ("inserted", "updated", "deleted", "closed")
    return {name: getattr(counts, name) for name in names if getattr(counts, name)}


def some(told: dict[str, int]) -> dict[str, int]:
    return {name: number for name, number in told.items() if number}


def tracked(mode: str) -> bool:
    """Whether a run reads what is new, and not the whole source."""
    return mode != "append without a key" and not mode.startswith("truncate") and "deletes" not in mode


# --- every run ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["warehouse", "lake"])
@pytest.mark.parametrize("mode", MODES)
def test_the_counts_of_every_run_are_what_select_says(
    items: Callable[[str, str], Items], mode: str, where: str
) -> None:
    target = items(mode, where)
    for name, change in RUNS.items():
        target.db.execute(change.encode())
        before, counts, after = target.run()
        assert (name, counted(counts)) == (name, some(told_by_select(MODES[mode][0], before, after)))
        assert (name, counts.unchanged) == (name, counts.read - counts.inserted - counts.updated)
        if not tracked(mode):
            assert (name, counts.read) == (name, target.source(None))


@pytest.mark.parametrize("where", ["warehouse", "lake"])
@pytest.mark.parametrize("mode", MODES)
def test_the_counts_of_a_full_refresh_are_what_select_says(
    items: Callable[[str, str], Items], mode: str, where: str
) -> None:
    target = items(mode, where)
    for name in ("first load", "change"):
        target.db.execute(RUNS[name].encode())
        before, counts, after = target.run(full_refresh=True)
        load_mode = MODES[mode][0]
        as_if = Truncate() if isinstance(load_mode, Append) and mode in KEYLESS else load_mode
        assert (name, counted(counts)) == (name, some(told_by_select(as_if, before, after)))
        assert (name, counts.read) == (name, target.source(None))


@pytest.mark.parametrize("where", ["warehouse", "lake"])
@pytest.mark.parametrize(
    "mode", ["append", "truncate", "merge", "append without a key", "truncate without a key"]
)
def test_the_counts_of_a_slice_are_what_select_says(
    items: Callable[[str, str], Items], mode: str, where: str
) -> None:
    target = items(mode, where)
    target.db.execute(RUNS["first load"].encode())
    target.run()
    for name in ("nothing new", "change", "delete"):
        target.db.execute(RUNS[name].encode())
        before, counts, after = target.run(window=SLICE)
        if mode == "merge":
            told = told_by_select(Merge(), before, after)
        else:
            told = told_by_select(Truncate(), _in_slice(before), _in_slice(after))
            assert _outside(before) == _outside(after)
        assert (name, counted(counts)) == (name, some(told))
        assert (name, counts.read) == (name, target.source(SLICE))


def _in_slice(rows: list[Row]) -> list[Row]:
    return [row for row in rows if SLICE.start <= str(row["at"].astimezone(UTC)) < SLICE.end]


def _outside(rows: list[Row]) -> list[Row]:
    kept = [row for row in rows if not SLICE.start <= str(row["at"].astimezone(UTC)) < SLICE.end]
    return sorted(kept, key=lambda row: int(row["id"]))
