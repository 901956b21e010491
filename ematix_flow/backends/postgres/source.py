"""Reading a PostgreSQL database: one REPEATABLE READ, READ ONLY snapshot for planning and for rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from types import TracebackType
from typing import Any, Self

import adbc_driver_postgresql.dbapi as adbc
import psycopg
import pyarrow as pa
from psycopg import sql

from ematix_flow.backends.postgres import arrow, catalog
from ematix_flow.backends.postgres.misfits import misfit
from ematix_flow.backends.postgres.select import (
    as_it_is,
    bound_select,
    guard_reason,
    raw,
    source_select,
)
from ematix_flow.backends.postgres.session import (
    Address,
    cause,
    connect,
    mark_lock,
    reason,
    settings_statement,
    unavailable,
)
from ematix_flow.backends.postgres.types import parse_source_type
from ematix_flow.conform import conform
from ematix_flow.errors import RunError, SourceQueryError
from ematix_flow.plan import Everything, Form, ReadPlan
from ematix_flow.query import parse_select
from ematix_flow.spec import PostgresConnection
from ematix_flow.state import Inquiry, SourceColumn, SourceState
from ematix_flow.streams import Batches, ServerSelect, Stream


class PostgresSource:
    """A snapshot of one database. Arrow rows come over a second session that shares it."""

    def __init__(self, *, connection: PostgresConnection, job: str, environ: Mapping[str, str]) -> None:
        self._address = Address.resolve(connection, job, environ)
        self._readers: list[Any] = []
        self._holder: psycopg.Connection | None = None

    @property
    def name(self) -> str:
        """The connection's name."""
        return self._address.connection.name

    def __enter__(self) -> Self:
        self._session = connect(self._address)
        self._session.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        self._session.read_only = True
        self._session.autocommit = False
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for reader in self._readers:
            reader.close()
        self._session.close()
        if self._holder is not None:
            self._holder.close()

    def read(
        self, sql: str
    ) -> pa.RecordBatchReader:  # the protocol's name; the module's `sql` is not needed here
        """The rows of one select, streamed; what has no type of ours comes as text.

        Raises:
            SourceQueryError: it is not one read-only select, or the server refuses it.
            RunError (while iterating): record batches cannot carry a value.
        """
        select = parse_select(sql)
        try:
            columns = self._columns(select.text)
        except psycopg.Error as error:
            raise self._refused(error) from cause(self._address, error)
        batches = self._batches(self._read_of(select.text, columns))
        return pa.RecordBatchReader.from_batches(batches.schema, batches.rows)

    def describe(self, inquiry: Inquiry) -> SourceState:
        """Columns, types and facts of the query, which is prepared and not executed."""
        try:
            self._hold_tables(inquiry.text)
            columns = self._columns(inquiry.text)
            relations = [
                catalog.relation(row)
                for schema, name in inquiry.tables
                if (row := self._session.execute(catalog.relation_query(schema, name)).fetchone())
            ]
            server, in_recovery, xmin = self._row(catalog.SERVER)
            return SourceState(
                columns=columns,
                relations=tuple(relations),
                overloads=tuple(self._row(catalog.OVERLOADS)[0]),
                server=None if in_recovery else server,
                snapshot_xmin=int(xmin),
                bound=self._bound(inquiry, columns),
                marks_held=frozenset(mark for mark in inquiry.marks if self._is_held(mark)),
            )
        except psycopg.Error as error:
            raise self._refused(error) from cause(self._address, error)

    def open(self, read: ReadPlan) -> Stream:
        """The rows of a read: the select itself for the same server, else record batches."""
        if read.form is Form.SERVER_SELECT:
            return ServerSelect(source_select(read), partial(misfit, self._session, read))
        return self._batches(read)

    def cancel(self) -> None:
        """Cancel what either session runs. From any thread."""
        self._session.cancel_safe()
        for reader in self._readers:
            reader.adbc_cancel()

    def _hold_tables(self, text: str) -> None:
        """Lock the query's tables, as reading them does, before the snapshot is taken and for as long as we read.

        Who truncates a table and fills it again holds readers up; a snapshot from before would then show the table empty
        (PostgreSQL manual, MVCC, "Caveats"). Planning locks partitions, too, and executes nothing.
        """
        self._holder = holder = connect(self._address)
        holder.read_only = True
        holder.autocommit = False
        _prepare(holder, text)
        holder.execute(sql.SQL("explain {}").format(raw(text)))

    def _columns(self, text: str) -> tuple[SourceColumn, ...]:
        """The query's columns by the server's own word: preparing also refuses several statements."""
        _prepare(self._session, text)
        described = self._session.pgconn.describe_prepared(b"")
        names = [(described.fname(n) or b"").decode() for n in range(described.nfields)]
        types = sql.SQL(", ").join(
            sql.SQL("format_type({}, {})").format(described.ftype(n), described.fmod(n))
            for n in range(described.nfields)
        )
        if not names:
            raise SourceQueryError(job=self._address.job, reason="the query returns no columns")
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise SourceQueryError(
                job=self._address.job,
                reason=f"the query returns {', '.join(repeated)} more than once; give each column its own name",
            )
        shown = self._row(sql.SQL("select {}").format(types))
        return tuple(
            SourceColumn(name=name, type=parse_source_type(type_name))
            for name, type_name in zip(names, shown, strict=True)
        )

    def _bound(self, inquiry: Inquiry, columns: tuple[SourceColumn, ...]) -> str | None:
        for column in columns:
            if column.name == inquiry.cursor_column:
                query = bound_select(inquiry.text, column.name, column.type)
                row = self._session.execute(query).fetchone()
                return row[0] if row else None
        return None

    def _is_held(self, mark: int) -> bool:
        """Whether another session of this very database holds the advisory lock."""
        (taken,) = self._row(sql.SQL("select pg_try_advisory_xact_lock({})").format(mark_lock(mark)))
        return not taken

    def _row(self, query: sql.SQL | sql.Composed) -> Any:
        return self._session.execute(query).fetchone()

    # --- Arrow ---------------------------------------------------------------------------------------

    def _read_of(self, text: str, columns: tuple[SourceColumn, ...]) -> ReadPlan:
        """A read of everything that a query returns, in its own types."""
        return ReadPlan(
            job=self._address.job,
            query=text,
            columns=tuple(as_it_is(column) for column in columns),
            window=Everything(why="the body asks for the rows"),
            form=Form.ARROW,
            show_values=self._address.connection.show_values,
        )

    def _batches(self, read: ReadPlan) -> Batches:
        try:
            reader = self._execute(source_select(read))
        except SourceQueryError as error:  # the driver has asked for rows already
            if told := misfit(self._session, read):
                raise RunError(job=read.job, reason=told) from error.__cause__
            raise
        return conform(Batches(reader.schema, self._rows(reader, read)), read)

    def _execute(self, query: sql.Composable) -> pa.RecordBatchReader:
        cursor = self._arrow_session().cursor()
        self._readers.append(cursor)
        try:
            cursor.execute(query.as_string(self._session))
        except adbc.Error as error:
            raise self._refused(error) from cause(self._address, error)
        return cursor.fetch_record_batch()

    def _arrow_session(self) -> Any:
        """A second session in the first one's snapshot (PostgreSQL manual, "Snapshot Synchronization")."""
        (snapshot,) = self._row(sql.SQL("select pg_export_snapshot()"))
        try:
            session = arrow.connect(self._address.url)
        except adbc.Error as error:
            raise unavailable(self._address, error) from cause(self._address, error)
        self._readers.insert(0, session)
        with session.cursor() as cursor:
            cursor.execute("set transaction isolation level repeatable read, read only")
            cursor.execute(
                sql.SQL("set transaction snapshot {}").format(sql.Literal(snapshot)).as_string(self._session)
            )
            cursor.execute(settings_statement().as_string(self._session))
        return session

    def _rows(self, reader: pa.RecordBatchReader, read: ReadPlan) -> Iterator[pa.RecordBatch]:
        try:
            yield from reader
        except (pa.ArrowException, OSError) as error:  # how the driver reports what the server said half-way
            text = guard_reason(str(error), show_values=read.show_values) or misfit(self._session, read)
            if text is None:
                told = _primary(error) if read.show_values else "(its words may show values, and are hidden)"
                text = f"reading from {self.name} failed: {told}"
            raise RunError(job=self._address.job, reason=self._address.redact(text)) from cause(
                self._address, error
            )

    def _refused(self, error: Exception) -> SourceQueryError:
        text = reason(self._address, error) if isinstance(error, psycopg.Error) else str(error)
        return SourceQueryError(
            job=self._address.job, reason=f"{self.name} refuses the query: {self._address.redact(text)}"
        )


def _primary(error: Exception) -> str:
    """What the server said, without what the driver says around it; all of it where the driver alone speaks."""
    _, found, told = str(error).partition("ERROR:")
    return told.strip().partition("\n")[0] if found else str(error)


def _prepare(session: psycopg.Connection, text: str) -> None:
    """Have the server parse a query inside a transaction; it refuses several statements."""
    session.execute("select 1")  # opens the transaction
    prepared = session.pgconn.prepare(b"", text.encode())
    if prepared.status != psycopg.pq.ExecStatus.COMMAND_OK:
        raise psycopg.errors.error_from_result(prepared)
