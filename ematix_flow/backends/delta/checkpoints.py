"""Keeping a table quick to open: a checkpoint sums up the log, whose entries are read one by one from there on.

delta-rs makes one every hundred commits. With fifty entries behind the last one, opening a table takes four times as
long as with none, and so does every question about a watermark.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping

from deltalake import DeltaTable
from deltalake.fs import DeltaStorageHandler

_LOG = logging.getLogger(__name__)

EVERY = 10  # commits
_LAST = "_delta_log/_last_checkpoint"  # Delta protocol, "Last Checkpoint File"


def checkpoint(handle: DeltaTable, options: Mapping[str, str]) -> None:
    """Make a checkpoint if the last one is old.

    The rows are loaded by then: whatever goes wrong here is told to the log, and the next run tries again.
    """
    try:
        if handle.version() - _last(handle, options) >= EVERY:
            handle.create_checkpoint()
    except Exception as error:  # noqa: BLE001  # deltalake raises OSError, DeltaError or a plain Exception
        _LOG.warning("the checkpoint of %s failed: %s", handle.table_uri, type(error).__name__)


def _last(handle: DeltaTable, options: Mapping[str, str]) -> int:
    """The version of the last checkpoint; 0 where there is none."""
    try:
        found = DeltaStorageHandler(handle.table_uri, dict(options)).open_input_file(_LAST)
    except FileNotFoundError:
        return 0
    return int(json.loads(bytes(found.read()))["version"])
