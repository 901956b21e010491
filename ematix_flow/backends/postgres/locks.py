"""The advisory locks by which runs take turns: statements that wait, and hold to the transaction's end. Pure."""

from __future__ import annotations

import hashlib

from psycopg import sql

from ematix_flow.spec import Table


def lock_table(table: Table) -> sql.Composed:
    """Wait for whoever loads the table, or resets a watermark of it."""
    return _lock("table", table.schema, table.name)


def lock_schemas() -> sql.Composed:
    """Wait for whoever creates what several targets share."""
    return _lock("schema")


def _lock(*parts: str) -> sql.Composed:
    """The lock of a thing of ours in one database, whose key is a signed 64-bit number."""
    digest = hashlib.blake2b("\0".join(("ematix-flow", *parts)).encode(), digest_size=8).digest()
    key = int.from_bytes(digest, "big", signed=True)
    return sql.SQL("select pg_advisory_xact_lock({})").format(key)
