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


def transactions(handle: DeltaTable, app_id: str, version: int) -> tuple[Transaction, ...]:
    """What to commit on top of `handle` so that the watermark is `version`; nothing when it would not rise."""
    held = held_version(handle, app_id)
    if held is not None and version <= held:
        return ()
    # The commit is compare-and-swap, so it gets this version or fails.
    commit = handle.version() + 1
    return (
        Transaction(app_id, version),
        Transaction(_commit_id(app_id), commit),
        Transaction(_last_id(app_id), commit),
    )


def commit_of(handle: DeltaTable, app_id: str) -> int | None:
    """The version of the commit that wrote the watermark."""
    return handle.transaction_version(_commit_id(app_id))


def void(handle: DeltaTable, job: str) -> Transaction:
    """What to commit on top of `handle` so that no watermark of the job counts any more."""
    return Transaction(_last_id(watermarks.app_id(job, "")), handle.version() + 1)


def _commit_id(app_id: str) -> str:
    return f"{app_id}/commit"


def _last_id(app_id: str) -> str:
    return watermarks.app_id(watermarks.job_of(app_id), "last")


def _restored_since(handle: DeltaTable, commit: int) -> bool:
    """Whether a RESTORE followed a commit: it reads the log entries after that one, none in the usual case."""
    later = handle.version() - commit
    return later > 0 and any(entry.get("operation") == "RESTORE" for entry in handle.history(later))
