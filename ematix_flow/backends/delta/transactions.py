"""A job's watermark in a table's own log: what is held there, and what to commit with the rows.

Two transaction ids stand side by side, the watermark and the version of the commit that wrote it. RESTORE takes the
rows back and leaves the ids, so a watermark counts only while no RESTORE came after its commit. A third one, which all
cursors of a job share, is the version of the job's last commit that kept a watermark or made those before it void: only
the watermark of that commit counts.
"""

from __future__ import annotations

from deltalake import DeltaTable, Transaction

from ematix_flow.backends.delta import watermarks


def held_version(handle: DeltaTable, app_id: str) -> int | None:
    """The watermark that the table's rows answer for, as a 64-bit integer; None where a full read is due."""
    version = handle.transaction_version(app_id)
    commit = commit_of(handle, app_id)
    if version is None or commit is None or commit != handle.transaction_version(_last_id(app_id)):
        return None
    return None if _restored_since(handle, commit) else version


def held_query(handle: DeltaTable, job: str) -> int | None:
    """The fingerprint beside the watermark of the job's last commit, whatever that one counts."""
    app_id = _query_id(job)
    commit = commit_of(handle, app_id)
    is_last = commit is not None and commit == handle.transaction_version(_last_id(app_id))
    return handle.transaction_version(app_id) if is_last else None


def transactions(
    handle: DeltaTable | None, app_id: str, version: int, query: int | None
) -> tuple[Transaction, ...]:
    """What to commit on top of `handle` so that the watermark is `version`, with a fingerprint where there is one."""
    # The commit is compare-and-swap, so it gets this version or fails.
    commit = 0 if handle is None else handle.version() + 1
    kept = {
        app_id: version,
        _commit_id(app_id): commit,
        _last_id(app_id): commit,
    }
    if query is not None:
        query_id = _query_id(watermarks.job_of(app_id))
        kept |= {query_id: query, _commit_id(query_id): commit}
    return tuple(Transaction(name, number) for name, number in kept.items())


def commit_of(handle: DeltaTable, app_id: str) -> int | None:
    """The version of the commit that wrote the watermark."""
    return handle.transaction_version(_commit_id(app_id))


def void(handle: DeltaTable, job: str) -> Transaction:
    """What to commit on top of `handle` so that no watermark of the job counts any more."""
    return Transaction(_last_id(watermarks.app_id(job, "")), handle.version() + 1)


def _query_id(job: str) -> str:
    return watermarks.app_id(job, "query")


def _commit_id(app_id: str) -> str:
    return f"{app_id}/commit"


def _last_id(app_id: str) -> str:
    return watermarks.app_id(watermarks.job_of(app_id), "last")


def _restored_since(handle: DeltaTable, commit: int) -> bool:
    """Whether a RESTORE followed a commit: it reads the log entries after that one, none in the usual case."""
    later = handle.version() - commit
    return later > 0 and any(entry.get("operation") == "RESTORE" for entry in handle.history(later))
