"""Keeping a table of few files: small runs leave small files, which are put together as they grow many.

A tier at a time, so that a row is rewritten once a tier and no run pays for more than it adds to: eight files of less
than 2 MB become one, eight of those one of the next tier. Files above the last tier stay as they are.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable
from deltalake.exceptions import CommitFailedError

from ematix_flow.backends.delta.parquet import PARQUET

_LOG = logging.getLogger(__name__)

MANY = 8  # files
TIERS = (2 << 20, 16 << 20, 128 << 20)  # bytes


def due(files: Iterable[tuple[object, int]]) -> int | None:
    """The size in bytes up to which files should be put together, seen from the partition and the size of each.

    None while no partition has many of a tier.
    """
    known = list(files)
    for lower, upper in pairwise((0, *TIERS)):
        together = Counter(partition for partition, size in known if lower <= size < upper)
        if any(count >= MANY for count in together.values()):
            return upper
    return None


def compact(handle: DeltaTable) -> None:
    """Put small files together if there are many, in a commit of its own.

    The rows are loaded by then: whatever goes wrong here is told to the log, and the next run tries again.
    """
    try:
        size = due(_files(handle))
        if size is not None:
            handle.optimize.compact(
                target_size=size,
                max_concurrent_tasks=1,
                writer_properties=PARQUET,
                commit_properties=CommitProperties(max_commit_retries=0),
            )
    except CommitFailedError:
        _LOG.info("another writer was faster than the compaction of %s", handle.table_uri)
    except Exception as error:  # noqa: BLE001  # deltalake raises OSError, DeltaError or a plain Exception
        _LOG.warning("the compaction of %s failed: %s", handle.table_uri, type(error).__name__)


def _files(handle: DeltaTable) -> list[tuple[object, int]]:
    actions = pa.table(handle.get_add_actions(flatten=True))
    partitions = [name for name in actions.column_names if name.startswith("partition.")]
    rows = actions.select([*partitions, "size_bytes"]).to_pylist()
    return [(tuple(row[name] for name in partitions), row["size_bytes"]) for row in rows]
