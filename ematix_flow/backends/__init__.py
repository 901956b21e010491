"""The seam between planning and the servers: sources that are read, sinks that are loaded.

A source is a context manager over one read-only snapshot, a sink one over a single unit of work. Both keep the
duties of one run only; a new run opens new ones.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol, TypeAlias, assert_never

from ematix_flow import secrets
from ematix_flow.backends.kept import KeptWatermark
from ematix_flow.migration import Drift
from ematix_flow.plan import ReadPlan, TargetPlan
from ematix_flow.results import LoadCounts
from ematix_flow.spec import Connection, DeltaConnection, JobTarget, PostgresConnection, Table
from ematix_flow.state import Inquiry, SourceState, TargetState, Watermark
from ematix_flow.streams import Stream
from ematix_flow.types import DataType, delta_name, postgres_name

if TYPE_CHECKING:
    import pyarrow as pa

Environ: TypeAlias = Mapping[str, str]


class Source(AbstractContextManager["Source"], Protocol):
    """One read-only snapshot of a database or lake. Entering opens it; leaving ends it."""

    @property
    def name(self) -> str:
        """The connection's name."""

    def read(self, sql: str) -> pa.RecordBatchReader:
        """The rows of a query, streamed, for a body that asks for them."""

    def describe(self, inquiry: Inquiry) -> SourceState:
        """Columns, types and facts of a query that is not executed.

        Raises:
            SourceQueryError: the server refuses the query.
        """

    def open(self, read: ReadPlan) -> Stream:
        """The rows of a read, cast to their declared types."""

    def cancel(self) -> None:
        """Stop what is running. From any thread, any number of times."""


class Sink(AbstractContextManager["Sink"], Protocol):
    """One unit of work on one target table. Leaving commits if, and only if, `load` returned."""

    def observe(self, table: Table) -> TargetState:
        """Take the table's lock, then look: the live table, and the declared one as this backend stores it.

        Raises:
            UnsupportedTypeError: a column's type cannot be stored here.
        """

    def watermark(self, job: str, cursor: str, type_: DataType) -> Watermark | None:
        """What the last committed run of a job stored under `cursor`, a value of `type_`."""

    def query(self, job: str) -> int | None:
        """The fingerprint that the last committed run of a job stored beside its watermark."""

    def render(self, plan: TargetPlan) -> tuple[str, ...]:
        """The statements a load would run, for a reader."""

    def remedy(self, drifts: Sequence[Drift]) -> tuple[str, ...]:
        """The statements that a person could run to mend drifts: SQL, or Python for a lake."""

    def load(self, plan: TargetPlan, rows: Stream) -> LoadCounts:
        """Apply the plan's steps, load the rows, and write the watermark.

        Raises:
            LoadError: or one of its kinds; the target is left as it was.
        """

    @property
    def kept(self) -> Watermark | None:
        """The job's watermark as it stands after `load`, once that is committed."""

    def cancel(self) -> None:
        """Stop what is running. From any thread, any number of times."""


def open_source(connection: Connection, *, job: str, environ: Environ) -> Source:
    """A source on `connection`, not entered yet; its `${VAR}` are resolved from `environ` now.

    Raises:
        UnsetVariableError: a variable is not set.
    """
    # The drivers are imported where a run needs them: loading definitions opens nothing and should cost little.
    match connection:
        case PostgresConnection():
            from ematix_flow.backends.postgres.source import PostgresSource

            return PostgresSource(connection=connection, job=job, environ=environ)
        case DeltaConnection():
            from ematix_flow.backends.delta.source import DeltaSource

            return DeltaSource(connection=connection, job=job, environ=environ)
        case _:
            assert_never(connection)


def open_sink(connection: Connection, *, job: str, environ: Environ) -> Sink:
    """A sink on `connection`, not entered yet; its `${VAR}` are resolved from `environ` now.

    Raises:
        UnsetVariableError: a variable is not set.
    """
    match connection:
        case PostgresConnection():
            from ematix_flow.backends.postgres.sink import PostgresSink

            return PostgresSink(connection=connection, job=job, environ=environ)
        case DeltaConnection():
            from ematix_flow.backends.delta.sink import DeltaSink

            return DeltaSink(connection=connection, job=job, environ=environ)
        case _:
            assert_never(connection)


def lock_order(target: JobTarget, environ: Environ) -> tuple[str, ...]:
    """A sort key by which every run takes its locks, so that two runs never wait for each other in a ring.

    It goes by what the URL resolves to, since one server may be known under several names.
    """
    url = secrets.resolve_known(target.connection.url, environ)
    match target.connection:
        case PostgresConnection():
            from ematix_flow.backends.postgres.session import server_of

            return (*server_of(url), target.table.schema, target.table.name)
        case DeltaConnection():
            return (url, target.table.schema, target.table.name)
        case _:
            assert_never(target.connection)


def count_rows(connection: Connection, table: Table, *, environ: Environ = os.environ) -> int | None:
    """How many rows a table holds now; None where only a long scan could tell (a Postgres table over 256 MB).

    Raises:
        BackendUnavailableError: the server or store cannot be reached, or refuses us.
    """
    match connection:
        case PostgresConnection():
            from ematix_flow.backends.postgres.count import count_rows

            return count_rows(connection, table, environ)
        case DeltaConnection():
            from ematix_flow.backends.delta.store import Store, open_table

            handle = open_table(Store.resolve(connection, "", environ), table)
            return handle.count() if handle else None
        case _:
            assert_never(connection)


def kept_watermark(
    connection: Connection, table: Table, *, job: str, counted: Watermark | None, environ: Environ
) -> KeptWatermark | None:
    """What is stored of how far a job got in a table.

    `counted` is what a run would store now. A lake tells only what it holds under the same cursor, and nothing without
    one; a database tells what it holds.

    Raises:
        BackendUnavailableError: the server or store cannot be reached, or refuses us.
    """
    match connection:
        case PostgresConnection():
            from ematix_flow.backends.postgres import kept as in_postgres

            return in_postgres.kept_watermark(connection, table, job, environ)
        case DeltaConnection():
            from ematix_flow.backends.delta import kept as in_delta

            return in_delta.kept_watermark(connection, table, job, counted, environ)
        case _:
            assert_never(connection)


def reset_watermark(connection: Connection, table: Table, *, job: str, environ: Environ) -> bool:
    """Forget how far a job got in a table, so that its next run reads everything; whether there was anything.

    Raises:
        BackendUnavailableError: the server or store cannot be reached, or refuses us.
    """
    match connection:
        case PostgresConnection():
            from ematix_flow.backends.postgres import kept as in_postgres

            return in_postgres.reset_watermark(connection, table, job, environ)
        case DeltaConnection():
            from ematix_flow.backends.delta import kept as in_delta

            return in_delta.reset_watermark(connection, table, job, environ)
        case _:
            assert_never(connection)


def live_table(connection: Connection, schema: str, name: str, *, environ: Environ) -> Table | None:
    """A table as it is in its database or lake; None when there is none.

    Raises:
        BackendUnavailableError: the server or store cannot be reached, or refuses us.
    """
    table = Table(schema=schema, name=name, columns=())
    match connection:
        case PostgresConnection():
            from ematix_flow.backends.postgres import kept as in_postgres

            return in_postgres.live_table(connection, table, environ)
        case DeltaConnection():
            from ematix_flow.backends.delta import kept as in_delta

            return in_delta.live_table(connection, table, environ)
        case _:
            assert_never(connection)


def type_name(type_: DataType, connection: Connection) -> str:
    """The name that the connection's database or lake gives a type, for people to read."""
    match connection:
        case PostgresConnection():
            return postgres_name(type_)
        case DeltaConnection():
            return delta_name(type_)
        case _:
            assert_never(connection)
