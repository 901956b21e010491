"""COPY's binary format as Arrow, a column at a time. Pure.

A record is the number of its fields, and then each field as its length and its bytes, big-endian, NULL being the
length -1 (PostgreSQL manual, "COPY", Binary Format). All records of a block are walked at once, so that the work is
done in arrays and not row by row; every value arrives as the server sent it, or is refused by name.
"""

from __future__ import annotations

from ematix_flow.backends.postgres.wire.records import decode

__all__ = ["decode"]
