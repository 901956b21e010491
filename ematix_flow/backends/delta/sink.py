"""Loading one Delta table: look, migrate, load and watermark in one commit on top of the version that was seen."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Self, assert_never

import pyarrow as pa
from deltalake import DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError

from ematix_flow.backends.delta import watermarks
from ematix_flow.backends.delta.changes import Changes
from ematix_flow.backends.delta.checkpoints import checkpoint
from ematix_flow.backends.delta.checks import checked
from ematix_flow.backends.delta.compaction import compact
from ematix_flow.backends.delta.held import Held, live_schema
from ematix_flow.backends.delta.incoming import Incoming
from ematix_flow.backends.delta.remedy import remedy
from ematix_flow.backends.delta.render import statements
from ematix_flow.backends.delta.rewrite import widen
from ematix_flow.backends.delta.slices import missing_rows, slice_condition, slice_predicate
from ematix_flow.backends.delta.store import CONFLICT, Store, open_table, reading, seen
from ematix_flow.backends.delta.transactions import held_query, held_version, transactions, void
from ematix_flow.backends.delta.types import stored_schema, stored_table
from ematix_flow.backends.delta.writer import Writer
from ematix_flow.errors import EmatixError, LoadError, WatermarkError
from ematix_flow.migration import AddColumn, CreateTable, Drift, WidenColumn
from ematix_flow.plan import (
    AddMissing,
    AddNewKeys,
    AddRows,
    AddVersions,
    ColumnRange,
    MergeRows,
    ReplaceRows,
    ReplaceSlice,
    Slice,
    TargetPlan,
    reads_everything,
)
from ematix_flow.results import LoadCounts
from ematix_flow.spec import Compaction, DeltaConnection, Table
from ematix_flow.state import Alters, TargetState, Watermark
from ematix_flow.streams import Batches, CopyRows, ServerSelect, Stream
from ematix_flow.types import DataType


class DeltaSink:
    """One commit to one target table.

    Delta has no locks. The handle that `observe` opened is the one that `load` commits with, and the commit fails
    when anybody else committed in between.
    """

    def __init__(self, *, connection: DeltaConnection, job: str, environ: Mapping[str, str]) -> None:
        self._store = Store.resolve(connection, job, environ)
        self._handle: DeltaTable | None = None
        self._cancelled = threading.Event()
        self._held_versions: dict[str, int | None] = {}
        self._kept: Watermark | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._handle = None

    def observe(self, table: Table) -> TargetState:
        """Open the table at its latest version and look at it."""
        stored = stored_table(table, self._store.job)
        self._table = table
        self._handle = handle = open_table(self._store, table)
        if handle is None:
            return TargetState(
                stored=stored, live=None, schema_exists=True, empty=True, clock=datetime.now(UTC)
            )
        with reading(self._store, table):
            empty = handle.count() == 0
        return TargetState(
            stored=stored,
            live=seen(handle, table),
            schema_exists=True,
            empty=empty,
            clock=datetime.now(UTC),
            alters=Alters.NULLABLE_COLUMNS,
        )

    def watermark(self, job: str, cursor: str, type_: DataType) -> Watermark | None:
        """What the table's log holds for a job and cursor, at the version that was observed."""
        if self._handle is None:
            return None
        with reading(self._store, self._table):
            version = self._held_version(self._handle, watermarks.app_id(job, cursor))
        if version is None:
            return None
        return Watermark(cursor=cursor, value=watermarks.to_text(version, type_), type=type_)

    def _held_version(self, handle: DeltaTable, app_id: str) -> int | None:
        """What `observe`'s handle holds, which is asked for when a run is planned and when it commits."""
        if app_id not in self._held_versions:
            self._held_versions[app_id] = held_version(handle, app_id)
        return self._held_versions[app_id]

    def query(self, job: str) -> int | None:
        """The fingerprint that the last committed run of a job stored beside its watermark."""
        if self._handle is None:
            return None
        with reading(self._store, self._table):
            return held_query(self._handle, job)

    def render(self, plan: TargetPlan) -> tuple[str, ...]:
        """What a load would do, in the words of SQL where there are any."""
        return statements(plan, self._store.shown(plan.table))

    def remedy(self, drifts: Sequence[Drift]) -> tuple[str, ...]:
        """The Python that a person could run where a load may not change the table."""
        return remedy(drifts, self._store.shown(self._table))

    def load(self, plan: TargetPlan, rows: Stream) -> LoadCounts:
        """Load rows and watermark, with new columns or the whole new table, in one commit.

        Raises:
            LoadError: or one of its kinds, or what the stream raised; the table's version is as it was.
        """
        match rows:
            case Batches():
                incoming = Incoming(rows, plan, self._cancelled)
            case CopyRows():
                incoming = Incoming(rows.batches(), plan, self._cancelled)
            case ServerSelect():
                raise self._failed(
                    plan, "a Delta table is loaded from record batches, not by a server's select"
                )
        before = self._handle.version() if self._handle else None
        try:
            counts = self._load(plan, incoming)
        except EmatixError:
            raise
        except Exception as error:  # noqa: BLE001  # deltalake raises OSError, DeltaError or a plain Exception
            if incoming.error is not None:  # the Delta writer's own error only quotes it
                raise incoming.error from incoming.error.__cause__
            is_conflict = isinstance(error, CommitFailedError)
            failure = self._failed(plan, CONFLICT if is_conflict else self._store.reason(error))
            failure.transient = is_conflict
            raise failure from self._store.cause(error)
        self._tidy_up(before)
        return counts

    def _tidy_up(self, before: int | None) -> None:
        """After a commit that added to a table, put small files together; a new table has none."""
        handle = self._handle
        if handle is None or handle.version() == before:
            return
        if self._store.connection.compaction is Compaction.AUTO:
            compact(handle)
            checkpoint(handle, self._store.options)

    @property
    def kept(self) -> Watermark | None:
        """The job's watermark as it stands after `load`."""
        return self._kept

    def cancel(self) -> None:
        """Make the load fail at its next batch. From any thread."""
        self._cancelled.set()

    # --- one commit ----------------------------------------------------------------------------------

    def _load(self, plan: TargetPlan, incoming: Incoming) -> LoadCounts:
        handle = self._handle
        if handle is None and not any(isinstance(step, CreateTable) for step in plan.steps):
            raise self._failed(plan, "the table does not exist, and the plan does not create it")
        widened = [step.column for step in plan.steps if isinstance(step, WidenColumn)]
        if handle is not None and widened:
            stored = stored_schema(plan.stored)
            widen(handle, {column.name: stored.field(column.name).type for column in widened})
        held = Held(handle=handle, schema=_written_schema(plan, incoming.schema, handle))
        writer = Writer(
            store=self._store,
            stored=plan.stored,
            held=held,
            schema=held.schema,
            watermark=self._transactions(plan, handle),
            voids=_voids(plan, handle),
            adds_columns=any(isinstance(step, AddColumn) for step in plan.steps),
        )
        with checked(plan, incoming) as rows:
            match plan.action:
                case AddRows():
                    counts = LoadCounts(inserted=writer.append(rows))
                case AddNewKeys(keys=keys):
                    counts = LoadCounts(inserted=writer.add_new_keys(rows, keys))
                case AddMissing(window=window):
                    counts = LoadCounts(inserted=writer.append(_missing(plan, window, held, incoming)))
                case ReplaceRows():
                    deleted = len(held)
                    counts = LoadCounts(inserted=writer.replace(rows), deleted=deleted)
                case ReplaceSlice(window=window, keys=keys):
                    where = slice_condition(window)
                    deleted = sum(block.num_rows for block in held.rows([window.column], where))
                    counts = LoadCounts(inserted=writer.replace_slice(rows, where, keys), deleted=deleted)
                case MergeRows() | AddVersions() as action:
                    changes = Changes(plan=plan, action=action, incoming=incoming, rows=rows, held=held)
                    counts = writer.change(changes, action.keys)
                case _:
                    assert_never(plan.action)
        unchanged = incoming.rows - counts.inserted - counts.updated
        return replace(counts, read=incoming.rows, unchanged=unchanged, bytes=incoming.bytes)

    def _transactions(self, plan: TargetPlan, handle: DeltaTable | None) -> tuple[Transaction, ...]:
        if (
            plan.watermark is None
        ):  # one that is replaced by none is no longer true, even where no row is written
            return () if handle is None or plan.replaces is None else (void(handle, plan.job),)
        try:
            version = watermarks.to_version(plan.watermark.value, plan.watermark.type)
        except ValueError as error:
            raise WatermarkError(
                job=plan.job,
                table=plan.table.full_name,
                reason=f"the watermark cannot be kept in a Delta table: {error}",
            ) from error
        app_id = watermarks.app_id(plan.job, plan.watermark.cursor)
        held = None
        if handle is not None and not reads_everything(plan.read.window):
            held = self._held_version(handle, app_id)
        if held is not None and version <= held:
            self._kept = replace(plan.watermark, value=watermarks.to_text(held, plan.watermark.type))
            return ()
        self._kept = plan.watermark
        return transactions(handle, app_id, version, plan.query)

    def _failed(self, plan: TargetPlan, reason: str) -> LoadError:
        return LoadError(job=plan.job, table=plan.table.full_name, reason=reason)


def _missing(
    plan: TargetPlan, window: ColumnRange, held: Held, incoming: Incoming
) -> Iterator[pa.RecordBatch]:
    """The rows of the slice that the target lacks. Holds the slice in memory, the source's and the target's."""
    given = pa.Table.from_batches(list(incoming), incoming.schema)
    where = None if held.handle is None else slice_predicate(window, seen(held.handle, plan.table))
    blocks = held.rows(given.column_names, where)
    yield from missing_rows(given, pa.concat_tables([given.schema.empty_table(), *blocks])).to_batches()


def _voids(plan: TargetPlan, handle: DeltaTable | None) -> tuple[Transaction, ...]:
    """A run that keeps no watermark makes the stored one void: it writes rows of its own, which a later run under the
    old watermark would not mend. A slice is no run of that kind.
    """
    if handle is None or isinstance(plan.read.window, Slice):
        return ()
    previous = (
        () if plan.previous_name is None else (void(handle, plan.previous_name),)
    )  # has passed on what it had
    waits_for_a_commit = plan.watermark is not None or plan.replaces is not None
    return previous if waits_for_a_commit else (void(handle, plan.job), *previous)


def _written_schema(plan: TargetPlan, given: pa.Schema, handle: DeltaTable | None) -> pa.Schema:
    """The schema of written rows. One that takes a held row's place has the columns, too, that nobody declared."""
    match plan.action:
        case MergeRows() | AddVersions():
            stored = stored_schema(plan.stored)
            live = [] if handle is None else live_schema(handle)
            return pa.schema([*stored, *(field for field in live if field.name not in stored.names)])
        case _:
            return given
