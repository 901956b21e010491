"""Showing and resetting watermarks, and looking at a table, outside of any run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from deltalake import CommitProperties, DeltaTable
from deltalake.exceptions import CommitFailedError

from ematix_flow.backends.delta import watermarks
from ematix_flow.backends.delta.store import Store, open_table, reading, seen
from ematix_flow.backends.delta.transactions import commit_of, held_version, void
from ematix_flow.backends.kept import KeptWatermark
from ematix_flow.retries import retried
from ematix_flow.spec import DeltaConnection, Table
from ematix_flow.state import Watermark

# Other writers commit in between, each of them in a moment.
_ATTEMPTS = 10


def kept_watermark(
    connection: DeltaConnection, table: Table, job: str, counted: Watermark | None, environ: Mapping[str, str]
) -> KeptWatermark | None:
    """What the table's log holds for a job under the cursor of `counted`; a log does not list what else it holds."""
    store = Store.resolve(connection, job, environ)
    handle = open_table(store, table)
    if handle is None or counted is None:
        return None
    app_id = watermarks.app_id(job, counted.cursor)
    with reading(store, table):
        version = held_version(handle, app_id)
        if version is None:
            return None
        return KeptWatermark(
            cursor=counted.cursor,
            value=watermarks.to_text(version, counted.type),
            stored_at=_committed_at(handle, commit_of(handle, app_id)),
        )


def _committed_at(handle: DeltaTable, commit: int | None) -> datetime | None:
    """When a commit was made, while the log still holds it."""
    if commit is None:
        return None
    for entry in handle.history(handle.version() - commit + 1):
        if entry["version"] == commit:
            return datetime.fromtimestamp(entry["timestamp"] / 1000, UTC)
    return None


def reset_watermark(connection: DeltaConnection, table: Table, job: str, environ: Mapping[str, str]) -> bool:
    """Commit that no watermark of the job counts any more; whether there is a table.

    A run that goes on meanwhile fails at its own commit, and reads in full when it is tried again.
    """
    store = Store.resolve(connection, job, environ)
    with reading(store, table):
        return retried(lambda: _void(store, table, job), on=CommitFailedError, attempts=_ATTEMPTS)


def _void(store: Store, table: Table, job: str) -> bool:
    handle = open_table(store, table)
    if handle is None:
        return False
    handle.create_write_transaction(
        [],
        mode="append",
        schema=handle.schema(),
        partition_by=handle.metadata().partition_columns,
        commit_properties=CommitProperties(max_commit_retries=0, app_transactions=[void(handle, job)]),
    )
    return True


def live_table(connection: DeltaConnection, table: Table, environ: Mapping[str, str]) -> Table | None:
    """The table of this schema and name as it is, or None when there is none."""
    store = Store.resolve(connection, "", environ)
    handle = open_table(store, table)
    return None if handle is None else seen(handle, table)
