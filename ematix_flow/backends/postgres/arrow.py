"""Sessions that give rows as Arrow.

Opening a database makes the driver read the server's whole list of types, which takes longer than most runs do. So a
process opens each once. A type that is made later does no harm: what we read are built-in types, whose numbers are
those of every server.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import adbc_driver_postgresql
from adbc_driver_manager import AdbcConnection, AdbcDatabase, dbapi


class _StaysOpen:
    """What a session closes in place of its database."""

    def close(self) -> None:
        """The next session wants the database, too."""


def connect(url: str) -> dbapi.Connection:
    """A session in a transaction of its own.

    Raises:
        adbc_driver_manager.Error: the server is down, or refuses us.
    """
    stays: Any = _StaysOpen()
    return dbapi.Connection(stays, AdbcConnection(_database(url)))


@lru_cache(maxsize=64)
def _database(url: str) -> AdbcDatabase:
    opened: AdbcDatabase = adbc_driver_postgresql.connect(url)
    return opened
