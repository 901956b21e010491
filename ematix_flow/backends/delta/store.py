"""Where a connection's tables lie, how they are opened and created, and what may be said when that fails."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from ematix_flow import secrets
from ematix_flow.backends.delta.parquet import PARQUET
from ematix_flow.backends.delta.types import live_table
from ematix_flow.errors import BackendUnavailableError, PlanError
from ematix_flow.spec import DeltaConnection, Table

_SECRET_OPTION = re.compile(r"key|secret|token|password|sas|credential|account", re.IGNORECASE)
_DECORATION = re.compile(r"\x1b\[[0-9;]*m|↳|<[^<>]*>")  # a terminal's colours, and the tags of an S3 answer
# What follows the sentence in an error: rows that a constraint refused, an S3 request's id, a Rust backtrace.
_TAIL = re.compile(r"Preview of invalid data:.*|<RequestId>.*|\n\s*\d+: <unknown>.*", re.DOTALL)
_QUOTED = re.compile(r"'[^']*'")  # how Arrow and DataFusion show the value that they could not cast
# delta-rs makes a host's name of a table's place, and panics at the first four; its kernel decodes the last twice.
_NO_PLACE = re.compile(r"[\[\]^|]|%[0-9A-Fa-f]{2}")
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
        """Where a table lies: `<url>/<schema>/<table>`, its names encoded.

        Raises:
            PlanError: delta-rs cannot work there.
        """
        if "://" in self.url:
            uri = _below(self.url, table)
        else:
            uri = (Path(self.url).expanduser().absolute() / table.schema / table.name).as_uri()
        if found := sorted(set(_NO_PLACE.findall(unquote(uri)))):
            raise PlanError(
                job=self.job,
                reason=f"table {table.full_name}: a Delta table cannot lie at {self.shown(table)}, for delta-rs works in no "
                f"folder whose name holds {' or '.join(found)}; choose another name",
            )
        return uri

    def shown(self, table: Table) -> str:
        """Where a table lies, for a reader: references unresolved, no secret."""
        reference = self.connection.reference
        return (
            _below(reference, table)
            if "://" in reference
            else f"{reference.rstrip('/')}/{table.schema}/{table.name}"
        )

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


def _below(url: str, table: Table) -> str:
    """The URL of a table below another one. Left as they are, `?` and `#` in a name would end the path."""
    return f"{url.rstrip('/')}/{quote(table.schema, safe='')}/{quote(table.name, safe='')}"


# --- tables ------------------------------------------------------------------------------------------


def open_table(store: Store, table: Table) -> DeltaTable | None:
    """The table at its latest version, or None when there is none.

    Raises:
        BackendUnavailableError: the store cannot be reached, or refuses us.
        PlanError: delta-rs cannot work where the table would lie.
    """
    uri = store.uri(table)
    with reading(store, table):
        try:
            return DeltaTable(uri, storage_options=dict(store.options))
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


def create_table(store: Store, stored: Table, rows: pa.RecordBatchReader, commit: CommitProperties) -> None:
    """Make a table with its first rows, in one commit: nobody sees it empty, unless there are none.

    Raises:
        CommitFailedError: another writer has made it meanwhile. With `max_commit_retries=0` in `commit` that holds up
            to the last moment; left to retry, the loser would commit on top of the winner's table.
    """
    try:
        write_deltalake(
            store.uri(stored),
            rows,
            mode="error",
            description=stored.comment,
            storage_options=dict(store.options),
            writer_properties=PARQUET,
            commit_properties=commit,
        )
    except CommitFailedError:
        raise
    except DeltaError as error:
        if open_table(store, stored) is None:
            raise
        raise CommitFailedError(CONFLICT) from error


def seen(handle: DeltaTable, table: Table) -> Table:
    """What the open table looks like, under the name of `table`."""
    schema = pa.schema(handle.schema().to_arrow())
    return live_table(table.schema, table.name, schema, handle.metadata().description)
