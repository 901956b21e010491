"""Reading a PostgreSQL database: one REPEATABLE READ, READ ONLY snapshot for planning and for rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus

from ematix_flow.backends.postgres import catalog
from ematix_flow.backends.postgres.copyout import copy_out
from ematix_flow.backends.postgres.misfits import misfit
from ematix_flow.backends.postgres.select import as_it_is, bound_select, raw, source_select
from ematix_flow.backends.postgres.session import (
    Address,
    cause,
    connect,
    mark_lock,
    reason,
)
from ematix_flow.backends.postgres.types import parse_source_type
from ematix_flow.errors import RunError, SourceQueryError
from ematix_flow.plan import Everything, Form, ReadPlan
from ematix_flow.query import parse_select
from ematix_flow.spec import PostgresConnection
from ematix_flow.state import Inquiry, SourceColumn, SourceState
from ematix_flow.streams import Batches, CopyBlock, CopyRows, ServerSelect, Stream

if TYPE_CHECKING:
    import pyarrow as pa

# A read that failed leaves its snapshot behind, in which to look for what it failed on.
_SAVE = sql.SQL("savepoint ematix_read")
_BACK = sql.SQL("rollback to savepoint ematix_read")


class PostgresSource:
    """A snapshot of one database."""

    def __init__(self, *, connection: PostgresConnection, job: str, environ: Mapping[str, str]) -> None:
        self._address = Address.resolve(connection, job, environ)
        self._holder: psycopg.Connection | None = None
        self._readers: list[psycopg.Connection] = []
        self._snapshot: str | None = None  # once rows are read

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
        for session in (*self._readers, self._session, self._holder):
            if session is not None:
                session.close()

    def read(
        self, sql: str
    ) -> pa.RecordBatchReader:  # the protocol's name; the module's `sql` is not needed here
        """The rows of one select, streamed; what has no type of ours comes as text.

        Raises:
            SourceQueryError: it is not one read-only select, or the server refuses it.
            RunError (while iterating): record batches cannot carry a value.
        """
        text = parse_select(sql).text
        try:
            session = self._session_beside()  # a query that is refused must not end the snapshot for others
            columns = self._columns(session, text)
        except psycopg.Error as error:
            raise self._refused(error) from cause(self._address, error)
        return self._rows(self._read_of(text, columns), session).batches().reader()

    def describe(self, inquiry: Inquiry) -> SourceState:
        """Columns, types and facts of the query, which is prepared and not executed."""
        try:
            if not self._lock_plain_tables(inquiry):
                self._hold_tables(inquiry.text)
            columns = self._columns(self._session, inquiry.text)
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
        """The rows of a read: the select itself for the same server, else the rows as the server sends them."""
        if read.form is Form.SERVER_SELECT:
            return ServerSelect(source_select(read), partial(misfit, self._session, read))
        return self._rows(read, None)

    def cancel(self) -> None:
        """Cancel what any session runs. From any thread."""
        for session in (self._session, *self._readers):
            session.cancel_safe()

    def _lock_plain_tables(self, inquiry: Inquiry) -> bool:
        """Lock the query's tables, as reading them does, before the snapshot is taken and for as long as we read;
        False where they are more than tables, where we may not, or where the body has read the snapshot already.

        Who truncates a table and fills it again holds readers up; a snapshot from before would then show the table empty
        (PostgreSQL manual, MVCC, "Caveats"). LOCK TABLE takes none.
        """
        session = self._session
        if not inquiry.tables or session.info.transaction_status != TransactionStatus.IDLE:
            return False
        session.autocommit = True
        (plain,) = self._row(catalog.plain_query(inquiry.tables))
        session.autocommit = False
        if not plain:
            return False
        names = sql.SQL(", ").join(catalog.name(schema, table) for schema, table in inquiry.tables)
        try:
            session.execute(sql.SQL("lock table {} in access share mode").format(names))
        except (
            psycopg.errors.InsufficientPrivilege
        ):  # LOCK needs the whole table; a query may do with some columns
            session.rollback()
            return False
        return True

    def _hold_tables(self, text: str) -> None:
        """The same for whatever a query reads, on a session of its own: planning it locks what it stands for, and
        executes nothing.
        """
        self._holder = holder = connect(self._address)
        holder.read_only = True
        holder.autocommit = False
        _prepare(holder, text)
        holder.execute(sql.SQL("explain {}").format(raw(text)))

    def _columns(self, session: psycopg.Connection, text: str) -> tuple[SourceColumn, ...]:
        """The query's columns by the server's own word: preparing also refuses several statements."""
        _prepare(session, text)
        described = session.pgconn.describe_prepared(b"")
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
        shown: Any = session.execute(sql.SQL("select {}").format(types)).fetchone()
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

    # --- rows ----------------------------------------------------------------------------------------

    def _read_of(self, text: str, columns: tuple[SourceColumn, ...]) -> ReadPlan:
        """A read of everything that a query returns, in its own types."""
        return ReadPlan(
            job=self._address.job,
            query=text,
            columns=tuple(as_it_is(column) for column in columns),
            window=Everything(why="the body asks for the rows"),
            form=Form.COPY,
            show_values=self._address.connection.show_values,
        )

    def _rows(self, read: ReadPlan, session: psycopg.Connection | None) -> CopyRows:
        """The rows of a read, over a session that shows the snapshot, or else the next one."""

        def decoded(blocks: Iterator[CopyBlock]) -> Batches:
            from ematix_flow.backends.postgres.wire import (
                decode,  # with Arrow and numpy, for whoever needs them
            )

            names, types = zip(*((column.name, column.declared) for column in read.columns), strict=True)
            return decode(blocks, names, types, job=read.job, show_values=read.show_values)

        return CopyRows(self._blocks(read, session), decoded)

    def _blocks(self, read: ReadPlan, beside: psycopg.Connection | None) -> Iterator[CopyBlock]:
        session = beside or self._first_session()
        try:
            session.execute(_SAVE)
            yield from copy_out(session, source_select(read))
        except psycopg.Error as error:
            raise RunError(job=self._address.job, reason=self._told(error, read, session)) from cause(
                self._address.showing(read), error
            )

    def _told(self, error: psycopg.Error, read: ReadPlan, session: psycopg.Connection) -> str:
        """What to say of a read that failed half-way: the value if one did not fit, else the server's words."""
        if isinstance(error, psycopg.DataError):
            with suppress(psycopg.Error):  # the session is lost: what the server said stands
                session.execute(_BACK)
                if told := misfit(session, read):
                    return self._address.redact(told)
        return f"reading from {self.name} failed: {reason(self._address.showing(read), error)}"

    def _first_session(self) -> psycopg.Connection:
        """The planning session for the first rows; for what is read beside them or after them, others."""
        if self._snapshot is not None:
            return self._session_beside()
        self._export_snapshot()
        return self._session

    def _session_beside(self) -> psycopg.Connection:
        """Another session that shows the snapshot (PostgreSQL manual, "Snapshot Synchronization")."""
        snapshot = self._snapshot or self._export_snapshot()
        session = connect(self._address)
        self._readers.append(session)
        session.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        session.read_only = True
        session.autocommit = False
        session.execute(sql.SQL("set transaction snapshot {}").format(sql.Literal(snapshot)))
        return session

    def _export_snapshot(self) -> str:
        (snapshot,) = self._row(sql.SQL("select pg_export_snapshot()"))
        self._snapshot = snapshot
        return str(snapshot)

    def _refused(self, error: psycopg.Error) -> SourceQueryError:
        return SourceQueryError(
            job=self._address.job, reason=f"{self.name} refuses the query: {reason(self._address, error)}"
        )


def _prepare(session: psycopg.Connection, text: str) -> None:
    """Have the server parse a query inside a transaction; it refuses several statements."""
    session.execute("select 1")  # opens the transaction
    prepared = session.pgconn.prepare(b"", text.encode())
    if prepared.status != psycopg.pq.ExecStatus.COMMAND_OK:
        raise psycopg.errors.error_from_result(prepared)
