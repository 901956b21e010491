"""Where a connection's tables lie, how they are opened and created, and what may be said when that fails."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from ematix_flow import secrets
from ematix_flow.backends.delta.types import live_table, stored_schema
from ematix_flow.errors import BackendUnavailableError, LoadError
from ematix_flow.spec import DeltaConnection, Table

_SECRET_OPTION = re.compile(r"key|secret|token|password|sas|credential|account", re.IGNORECASE)
_DECORATION = re.compile(r"\x1b\[[0-9;]*m|↳|<[^<>]*>")  # a terminal's colours, and the tags of an S3 answer
# What follows the sentence in an error: rows that a constraint refused, an S3 request's id, a Rust backtrace.
_TAIL = re.compile(r"Preview of invalid data:.*|<RequestId>.*|\n\s*\d+: <unknown>.*", re.DOTALL)
_QUOTED = re.compile(r"'[^']*'")  # how Arrow and DataFusion show the value that they could not cast
CONFLICT = "another writer committed to the table meanwhile; nothing was loaded, run the job again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """A connection with its references resolved: the moment from which a secret exists."""

    connection: DeltaConnection
    job: str
    url: str = field(repr=False)
    options: Mapping[str, str] = field(repr=False)
    secrets: frozenset[str] = field(repr=False)

    @classmethod
    def resolve(cls, connection: DeltaConnection, job: str, environ: Mapping[str, str]) -> Store:
        """Resolve `${VAR}` in the URL and the storage options.

        Raises:
            UnsetVariableError: a variable is not set.
        """
        where = f"connection '{connection.name}'"
        url = secrets.resolve(connection.url, environ, where=where)
        options = {
            name: secrets.resolve(value, environ, where=where) for name, value in connection.storage_options
        }
        hidden = {
            options[name]
            for name, declared in connection.storage_options
            if declared != options[name] or _SECRET_OPTION.search(name)
        }
        hidden |= secrets.secrets_in(url)
        every_form = {form for secret in hidden if secret for form in (secret, quote(secret, safe=""))}
        return cls(connection=connection, job=job, url=url, options=options, secrets=frozenset(every_form))

    def uri(self, table: Table) -> str:
        """Where a table lies: `<url>/<schema>/<table>`."""
        if "://" in self.url:
            return f"{self.url.rstrip('/')}/{table.schema}/{table.name}"
        return (Path(self.url).expanduser().absolute() / table.schema / table.name).as_uri()

    def shown(self, table: Table) -> str:
        """Where a table lies, for a reader: references unresolved, no secret."""
        return f"{self.connection.reference.rstrip('/')}/{table.schema}/{table.name}"

    def redact(self, text: str) -> str:
        """`text` without any secret of the connection."""
        return secrets.redact(text, self.secrets)

    def reason(self, error: Exception) -> str:
        """What an error says, on one line: no colours, no rows, no backtrace, no secret, no hidden value."""
        text = _DECORATION.sub(" ", _TAIL.sub("", str(error)))
        if not self.connection.show_values:
            text = _QUOTED.sub(f"'{secrets.HIDDEN}'", text)
        return self.redact(" ".join(text.split()))

    def cause(self, error: Exception) -> Exception | None:
        """The error to chain: a copy without the secret where it holds one, none where values must not show."""
        if not self.connection.show_values:
            return None
        if self.redact(str(error)) == str(error):
            return error
        return DeltaError(self.redact(str(error)))


# --- tables ------------------------------------------------------------------------------------------


def open_table(store: Store, table: Table) -> DeltaTable | None:
    """The table at its latest version, or None when there is none.

    Raises:
        BackendUnavailableError: the store cannot be reached, or refuses us.
    """
    with reading(store, table):
        try:
            return DeltaTable(store.uri(table), storage_options=dict(store.options))
        except TableNotFoundError:
            return None


@contextlib.contextmanager
def reading(store: Store, table: Table) -> Iterator[None]:
    """Tell of a failing deltalake call that the store cannot be read."""
    try:
        yield
    except Exception as error:  # noqa: BLE001  # deltalake raises OSError, DeltaError or a plain Exception
        raise BackendUnavailableError(
            job=store.job,
            connection=store.connection.name,
            reason=f"cannot open {store.shown(table)}: {store.reason(error)}; check that the store is reachable, "
            "that the bucket exists and that the storage options are right",
        ) from store.cause(error)


def create_table(store: Store, stored: Table) -> DeltaTable:
    """Create an empty table, or take one that another run has just created alike and not filled.

    Raises:
        LoadError: another writer has filled it meanwhile, or made it different.
        BackendUnavailableError: the store cannot be reached, or refuses us.
    """
    with contextlib.suppress(CommitFailedError):  # somebody else did: what they made is looked at below
        DeltaTable.create(
            store.uri(stored),
            stored_schema(stored),
            mode="ignore",
            description=stored.comment,
            storage_options=dict(store.options),
            # Left to retry, the loser of a race would commit its own metadata on top of the winner's table.
            commit_properties=CommitProperties(max_commit_retries=0),
        )
    created = open_table(store, stored)
    columns = tuple(replace(column, default=None) for column in stored.columns)  # Delta stores no default
    if created is None or created.version() != 0 or seen(created, stored).columns != columns:
        raise LoadError(job=store.job, table=stored.full_name, reason=CONFLICT, transient=True)
    return created


def seen(handle: DeltaTable, table: Table) -> Table:
    """What the open table looks like, under the name of `table`."""
    schema = pa.schema(handle.schema().to_arrow())
    return live_table(table.schema, table.name, schema, handle.metadata().description)
