"""A private PostgreSQL for examples and tests: no container, no administrator, no network.

    server = Embedded(home=Path(".ematix/pg"), dbname="demo")
    with server.serve() as dsn:
        ...

Where the DSN comes from, in this order: `$EMATIX_PG_DSN`; the server already running for this data
folder; a server started from `$EMATIX_PG_BIN`, the programs of the `embedded` extra, or a PostgreSQL
installed on this machine. Linux and macOS; elsewhere set `$EMATIX_PG_DSN`.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ematix_flow.embedded.errors import (
    BinariesNotFoundError,
    DataFolderError,
    EmbeddedError,
    MissingExtraError,
    ServerFailedError,
    UnreachableFolderError,
    VersionMismatchError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = [
    "BinariesNotFoundError",
    "DataFolderError",
    "Embedded",
    "EmbeddedError",
    "MissingExtraError",
    "ServerFailedError",
    "UnreachableFolderError",
    "VersionMismatchError",
]

_DSN_VARIABLE = "EMATIX_PG_DSN"

# The methods import `server` when they are called, because it needs the packages of the `embedded`
# extra, and whoever brings a DSN of his own needs none of them.


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """Where a private server keeps its data: a value, not a handle to a process.

    `home` is the data root, such as `<project>/.ematix/pg`; `dbname` is created if missing;
    `settings` (`{"fsync": "off"}`) hold for a server that is started, not for one that already runs.

    The server listens on 127.0.0.1 and a free port, opens no socket file, and wants the random
    password that lies in `home`, readable by its owner only. When we are root, which PostgreSQL
    refuses, it runs as `nobody` (as the owner of `home`'s data, once there is some).
    """

    home: Path
    dbname: str = "postgres"
    settings: Mapping[str, str] = field(default_factory=dict, hash=False)

    def ensure(self) -> str:
        """Give the DSN (a libpq URL with the password) of a running server, starting one if needed.

        Any number of threads and processes may call this at once; they get the same server. It
        outlives them all until `stop()`. `$EMATIX_PG_DSN` is returned as it is.

        Raises an EmbeddedError that says what is missing or what the server logged.
        """
        given = _given_dsn()
        if given is not None:
            return given
        from ematix_flow.embedded import server

        return server.ensure(self).dsn

    def running_dsn(self) -> str | None:
        """Give the DSN that `ensure()` would give without starting anything, or None."""
        given = _given_dsn()
        if given is not None:
            return given
        from ematix_flow.embedded import server

        return server.running_dsn(self)

    def stop(self) -> None:
        """Stop the server of this data folder, whoever started it; its clients are cut off.

        Does nothing if none runs. `$EMATIX_PG_DSN` plays no part: the process that started a server
        and passed its DSN on by that variable stops its own.
        """
        from ematix_flow.embedded import server

        server.stop(self.home)

    @contextmanager
    def serve(self) -> Iterator[str]:
        """Give a DSN as `ensure()` does; at the end stop the server if this very call started it.

        So of several processes the one that started it should outlive the rest, and give them the
        DSN in `$EMATIX_PG_DSN`.
        """
        given = _given_dsn()
        if given is not None:
            yield given
            return
        from ematix_flow.embedded import server

        found = server.ensure(self)
        try:
            yield found.dsn
        finally:
            if found.started:
                server.stop(self.home)


def _given_dsn() -> str | None:
    return os.environ.get(_DSN_VARIABLE) or None
