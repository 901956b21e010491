"""The meaning of the modes, on plain rows: the specification that every backend is held to.

`load_rows` is pure, and slow on purpose: it is meant to be read. A row maps columns to values; NULL is None, and
here equal to itself. `MemoryBackend` keeps tables by it, so that jobs can be tested without a server.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias, assert_never

from ematix_flow import spec
from ematix_flow.errors import PlanError
from ematix_flow.history import DELETED_AT, IS_CURRENT, VALID_FROM, VALID_TO, added_columns
from ematix_flow.results import LoadCounts
from ematix_flow.spec import Append, Deletes, Job, JobTarget, LoadMode, Merge, Scd2, Table, Truncate

Row: TypeAlias = Mapping[str, Any]
Key: TypeAlias = tuple[Any, ...]

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A table after a load, and what the load counts."""

    rows: tuple[Row, ...]
    counts: LoadCounts


class NullKey(ValueError):  # noqa: N818  # named after what a row has
    """A row has NULL in its key."""


class DuplicateKey(ValueError):  # noqa: N818  # likewise
    """Two different rows share a key."""


class EmptySource(ValueError):  # noqa: N818  # likewise
    """Nothing was read, and all that the target holds would count as gone."""


class UnfitRow(ValueError):  # noqa: N818  # likewise
    """A row does not fit the declared table."""


def load_rows(mode: LoadMode, before: Iterable[Row], rows: Iterable[Row], loaded_at: datetime) -> Loaded:
    """The target after `rows`, all that a run read, are loaded at `loaded_at` into what was there before.

    Raises:
        NullKey: a row has NULL in its key.
        DuplicateKey: two different rows share a key.
        EmptySource: the mode deletes what is absent, and nothing was read.
    """
    held, read = list(before), list(rows)
    match mode:
        case Append(keys=()):
            return Loaded((*held, *read), LoadCounts(read=len(read), inserted=len(read)))
        case Append(keys=keys):
            return _append(keys, held, read)
        case Truncate(keys=keys):
            return _truncate(keys, held, read)
        case Merge():
            return _merge(mode, held, read, loaded_at)
        case Scd2():
            return _scd2(mode, held, read, loaded_at)
        case _:
            assert_never(mode)


# --- append and truncate -----------------------------------------------------------------------------


def _append(keys: Sequence[str], held: list[Row], read: list[Row]) -> Loaded:
    known = {_key(row, keys) for row in held}
    new = [row for row in _one_a_key(read, keys) if _key(row, keys) not in known]
    counts = LoadCounts(read=len(read), inserted=len(new), unchanged=len(read) - len(new))
    return Loaded((*held, *new), counts)


def _truncate(keys: Sequence[str], held: list[Row], read: list[Row]) -> Loaded:
    new = _one_a_key(read, keys) if keys else read
    counts = LoadCounts(read=len(read), inserted=len(new), unchanged=len(read) - len(new), deleted=len(held))
    return Loaded(tuple(new), counts)


# --- merge -------------------------------------------------------------------------------------------


def _merge(mode: Merge, held: list[Row], read: list[Row], loaded_at: datetime) -> Loaded:
    """New keys are inserted; of held rows the `update` columns are set where any of them differs."""
    _refuse_empty(mode, read)
    given = {_key(row, mode.keys): row for row in _one_a_key(read, mode.keys)}
    after: list[Row] = []
    updated = deleted = 0
    for row in held:
        new = given.pop(_key(row, mode.keys), None)
        kept = _absent(mode, row, loaded_at) if new is None else _merged(mode, row, new)
        updated += new is not None and kept != row
        deleted += new is None and kept != row
        after += [kept] if kept is not None else []
    undeleted = {DELETED_AT: None} if mode.deletes is Deletes.SOFT else {}
    after += [{**row, **undeleted} for row in given.values()]
    unchanged = len(read) - len(given) - updated
    counts = LoadCounts(
        read=len(read), inserted=len(given), updated=updated, unchanged=unchanged, deleted=deleted
    )
    return Loaded(tuple(after), counts)


def _merged(mode: Merge, row: Row, new: Row) -> Row:
    """A held row that was read again; one that had been found gone is back."""
    columns = mode.update or tuple(name for name in new if name not in mode.keys)
    undeleted = {DELETED_AT: None} if mode.deletes is Deletes.SOFT else {}
    return {**row, **{name: new[name] for name in columns}, **undeleted}


def _absent(mode: Merge, row: Row, loaded_at: datetime) -> Row | None:
    """What becomes of a held row that was not read."""
    match mode.deletes:
        case None:
            return row
        case Deletes.HARD:
            return None
        case Deletes.SOFT:
            return row if row[DELETED_AT] is not None else {**row, DELETED_AT: loaded_at}


# --- scd2 --------------------------------------------------------------------------------------------


def _scd2(mode: Scd2, held: list[Row], read: list[Row], loaded_at: datetime) -> Loaded:
    """Each row read is an observation; it becomes a version unless it equals the one that holds at its time."""
    _refuse_empty(mode, read)
    histories: dict[Key, list[dict[str, Any]]] = {}
    for row in sorted(held, key=lambda row: row[VALID_FROM]):
        histories.setdefault(_key(row, mode.keys), []).append(dict(row))
    gone = histories.keys() - {_key(row, mode.keys) for row in read}
    told = {"inserted": 0, "updated": 0, "unchanged": 0}
    for row in _in_time(mode, read):
        versions = histories.setdefault(_key(row, mode.keys), [])
        told[_observe(mode, versions, row, _time_of(mode, versions, row, loaded_at))] += 1
    if mode.deletes is Deletes.SOFT:
        for key in gone:
            _close(histories[key], loaded_at)
    after = tuple(row for versions in histories.values() for row in versions)
    unchanged = len(read) - told["inserted"] - told["updated"]
    counts = LoadCounts(
        read=len(read),
        inserted=told["inserted"],
        updated=told["updated"],
        unchanged=unchanged,
        closed=_closings(mode, held, after),
    )
    return Loaded(after, counts)


def _in_time(mode: Scd2, read: list[Row]) -> list[Row]:
    """The observations in the order of their own time; one a key, or one a key and instant."""
    if mode.valid_from is None:
        return _one_a_key(read, mode.keys)
    instant = mode.valid_from
    return sorted(_one_a_key(read, (*mode.keys, instant)), key=lambda row: row[instant])


def _time_of(mode: Scd2, versions: list[dict[str, Any]], row: Row, loaded_at: datetime) -> datetime:
    """Since when an observation holds; by the clock, then after all that is known of its key."""
    if mode.valid_from is not None:
        at: datetime = row[mode.valid_from]
        return at
    known: list[datetime] = [version[VALID_FROM] + _MICROSECOND for version in versions]
    known += [version[VALID_TO] for version in versions if version[VALID_TO] is not None]
    return max([loaded_at, *known])


def _observe(mode: Scd2, versions: list[dict[str, Any]], row: Row, at: datetime) -> str:
    """Take an observation into the versions of its key, and tell how it counts."""
    here = next((version for version in versions if version[VALID_FROM] == at), None)
    before = [version for version in versions if version[VALID_FROM] < at]
    after = [version for version in versions if version[VALID_FROM] > at]
    if here is not None:
        if _same(mode, here, row):
            return "unchanged"
        here.update(row)
        return "updated"
    last = before[-1] if before and _holds(before[-1], at) else None
    if last is not None and _same(mode, last, row):
        return "unchanged"
    until = last[VALID_TO] if last is not None else after[0][VALID_FROM] if after else None
    if last is not None:
        last.update({VALID_TO: at, IS_CURRENT: False})
    new = {**row, VALID_FROM: at, VALID_TO: until, IS_CURRENT: until is None}
    versions[:] = [*before, new, *after]
    return "inserted"


def _holds(version: Row, at: datetime) -> bool:
    return version[VALID_TO] is None or version[VALID_TO] > at


def _same(mode: Scd2, version: Row, row: Row) -> bool:
    columns = mode.compare or [name for name in row if name not in (*mode.keys, mode.valid_from)]
    return all(version[name] == row[name] for name in columns)


def _close(versions: list[dict[str, Any]], loaded_at: datetime) -> None:
    if versions[-1][IS_CURRENT]:
        until = max(loaded_at, versions[-1][VALID_FROM] + _MICROSECOND)
        versions[-1].update({VALID_TO: until, IS_CURRENT: False})


def _closings(mode: Scd2, held: Sequence[Row], after: Sequence[Row]) -> int:
    """How many versions were current before the load and are not after it."""
    current = {_key(row, (*mode.keys, VALID_FROM)) for row in after if row[IS_CURRENT]}
    return sum(row[IS_CURRENT] and _key(row, (*mode.keys, VALID_FROM)) not in current for row in held)


# --- keys --------------------------------------------------------------------------------------------


def _key(row: Row, keys: Sequence[str]) -> Key:
    return tuple(row[name] for name in keys)


def _one_a_key(read: list[Row], keys: Sequence[str]) -> list[Row]:
    """The rows without those that repeat another one in every column."""
    found: dict[Key, Row] = {}
    for row in read:
        key = _key(row, keys)
        if None in key:
            raise NullKey(row)
        if found.setdefault(key, row) != row:
            raise DuplicateKey(found[key], row)
    return list(found.values())


def _refuse_empty(mode: Merge | Scd2, read: list[Row]) -> None:
    if mode.deletes is not None and not read and not mode.allow_empty_source:
        raise EmptySource


# --- a backend in memory ------------------------------------------------------------------------------


class MemoryBackend:
    """Tables in memory, loaded as a run loads its own: tests a job, and what reads its target, without a server.

        memory = MemoryBackend(tables={"raw.events": [{"event_id": 1, "name": None}]})
        memory.load(ingest_events, memory.rows("raw.events"), loaded_at=datetime(2026, 1, 1, tzinfo=UTC))
        assert memory.rows("analytics.events") == ({"event_id": 1, "name": None},)

    The rows are what the job's query returns: the test says them, as there is no database to ask. A body that yields
    record batches gives them itself: `[row for batch in job() for row in batch.to_pylist()]`.
    """

    def __init__(self, tables: Mapping[str, Iterable[Row]] | None = None) -> None:
        self._tables = {name: tuple(rows) for name, rows in (tables or {}).items()}

    def rows(self, table: str) -> tuple[Row, ...]:
        """What `schema.table` holds; nothing where nothing was loaded yet."""
        return self._tables.get(table, ())

    def load(
        self, job: Job | spec.Target | JobTarget, rows: Iterable[Row], *, loaded_at: datetime
    ) -> LoadCounts:
        """One run, on all that it reads, at `loaded_at`: everything is loaded, or the table is left as it was.

        Columns go by their names. A nullable one that the rows lack is NULL; one that the held rows lack, because it was
        declared since, holds its default there. Values are taken as they are: nothing is cast.

        Args:
            job: a job with one target, or one of `job.targets`.
            rows: what the query returns, read in full.
            loaded_at: the run's clock, with a time zone.

        Raises:
            PlanError: the job has several targets.
            UnfitRow: a row has a column that the table does not, or none where the table wants a value.
            NullKey, DuplicateKey, EmptySource: see `load_rows`.
        """
        target = _only_target(job) if isinstance(job, Job) else job
        name = target.table.full_name
        read = [_with_columns(target.table, row) for row in rows]
        held = [{**_defaults(target), **row} for row in self.rows(name)]
        loaded = load_rows(target.mode, held, read, loaded_at)
        _refuse_nulls(target.table, loaded.rows)
        self._tables[name] = loaded.rows
        return loaded.counts


def _only_target(job: Job) -> spec.Target:
    if len(job.targets) > 1:
        raise PlanError(job=job.name, reason="it has several targets; load each of job.targets by itself")
    return job.targets[0]


def _defaults(target: spec.Target | JobTarget) -> Row:
    """What rows hold in columns that came after them."""
    mark = {DELETED_AT: None} if DELETED_AT in added_columns(target.mode) else {}
    return {column.name: column.default for column in target.table.columns} | mark


def _with_columns(table: Table, row: Row) -> Row:
    """A row with all columns of its table, in their order."""
    if unknown := sorted(row.keys() - {column.name for column in table.columns}):
        raise UnfitRow(
            f"table {table.full_name} has no column {', '.join(unknown)}; declare it, or leave it out"
        )
    return {column.name: row.get(column.name) for column in table.columns}


def _refuse_nulls(table: Table, rows: Iterable[Row]) -> None:
    for row, column in itertools.product(rows, table.columns):
        if row[column.name] is None and not column.nullable:
            raise UnfitRow(f"table {table.full_name} wants a value in column {column.name}: {row!r}")
