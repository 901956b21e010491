"""The rows of one load on their way in: counted, and turned into their stored types."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import pyarrow as pa

from ematix_flow.backends.delta.types import stored_schema, stored_values
from ematix_flow.errors import LoadError
from ematix_flow.plan import (
    AddNewKeys,
    AddVersions,
    MergeRows,
    ReplaceRows,
    ReplaceSlice,
    TargetPlan,
    Unproven,
)
from ematix_flow.spec import Column
from ematix_flow.streams import Batches, StreamCancelledError


class Incoming:
    """A conformed stream with the declared columns in their stored Arrow types. It is iterated once.

    `rows` and `bytes` count what has come so far, the bytes as the rows travelled. `error` is what the stream raised:
    the Delta writer tells of it only as text.
    """

    def __init__(self, batches: Batches, plan: TargetPlan, cancelled: threading.Event) -> None:
        self.schema = stored_schema(replace(plan.stored, columns=given_columns(plan)))
        self.rows = 0
        self.bytes = 0
        self.error: Exception | None = None
        self._batches = batches
        self._plan = plan
        self._cancelled = cancelled

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self._batches.rows:
                self._check_cancelled()
                self.rows += batch.num_rows
                self.bytes += batch.nbytes
                yield self._stored(batch)
            self._check_cancelled()
        except Exception as error:
            self.error = error
            raise

    def _check_cancelled(self) -> None:
        if self._cancelled.is_set():
            raise StreamCancelledError

    def _stored(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        checked_later = keys_to_check(self._plan)
        arrays = []
        for column in given_columns(self._plan):
            array = batch.column(column.name)
            if array.null_count and not column.nullable and column.name not in checked_later:
                raise LoadError(
                    job=self._plan.job,
                    table=self._plan.table.full_name,
                    reason=f"column '{column.name}' is declared NOT NULL, and rows of the query hold NULL in it; "
                    "filter them out, or declare it nullable",
                )
            arrays.append(stored_values(array, column.type))
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)


def given_columns(plan: TargetPlan) -> tuple[Column, ...]:
    """The columns that the source gives, as they are stored: without those that the mode adds."""
    return tuple(column for column in plan.stored.columns if plan.table.column(column.name))


def keys_to_check(plan: TargetPlan) -> tuple[str, ...]:
    """The key whose uniqueness is not proven, or () when nothing needs to be checked."""
    match plan.action:
        case ReplaceRows(keys=()) | ReplaceSlice(keys=()):
            return ()
        case AddVersions(valid_from=str()):  # a key has several
            return plan.action.identity
        case (
            AddNewKeys(keys=keys, uniqueness=Unproven())
            | ReplaceRows(keys=keys, uniqueness=Unproven())
            | ReplaceSlice(keys=keys, uniqueness=Unproven())
            | MergeRows(keys=keys, uniqueness=Unproven())
            | AddVersions(keys=keys, uniqueness=Unproven())
        ):
            return keys
        case _:
            return ()
