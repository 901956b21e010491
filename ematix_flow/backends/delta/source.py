"""Reading a lake: SQL over its tables, through the DataFusion engine inside deltalake."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Self

import pyarrow as pa
from deltalake import QueryBuilder
from psycopg import sql

from ematix_flow.backends.delta.select import WINDOW, bound_select, every_row, schema_select, source_select
from ematix_flow.backends.delta.store import Store, open_table
from ematix_flow.backends.delta.types import without_views
from ematix_flow.backends.delta.watermarks import to_text
from ematix_flow.conform import conform
from ematix_flow.errors import RunError, SourceQueryError
from ematix_flow.plan import ColumnRange, ReadPlan
from ematix_flow.query import parse_select, source_tables
from ematix_flow.spec import DeltaConnection, Table
from ematix_flow.state import Inquiry, SourceColumn, SourceState
from ematix_flow.streams import Batches, Stream, StreamCancelledError
from ematix_flow.types import DataType, Decimal, Scalar, from_arrow, to_arrow


class DeltaSource:
    """Tables of one lake, each at the version it had when a query first named it."""

    def __init__(self, *, connection: DeltaConnection, job: str, environ: Mapping[str, str]) -> None:
        self._store = Store.resolve(connection, job, environ)
        self._engine = QueryBuilder()
        self._registered: set[tuple[str | None, str]] = set()
        self._cancelled = threading.Event()

    @property
    def name(self) -> str:
        """The connection's name."""
        return self._store.connection.name

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cancel()

    def read(self, sql: str) -> pa.RecordBatchReader:
        """The rows of one select, streamed.

        Raises:
            SourceQueryError: it is not one read-only select, or DataFusion refuses it.
        """
        select = parse_select(sql)
        self._register((table.schema, table.name) for table in source_tables(select))
        reader = self._execute(every_row(select.text))
        return reader.cast(without_views(reader.schema))

    def describe(self, inquiry: Inquiry) -> SourceState:
        """Columns and types of the query, which is planned and not executed, and the bound of its window."""
        self._register(inquiry.tables)
        schema = self._execute(schema_select(inquiry.text)).schema
        columns = tuple(SourceColumn(name=field.name, type=from_arrow(field.type)) for field in schema)
        bound = None
        for column in columns:
            if column.name == inquiry.cursor_column:
                bound = self._bound(inquiry.text, column)
        return SourceState(columns=columns, bound=bound)

    def open(self, read: ReadPlan) -> Stream:
        """The rows of a read, as record batches."""
        reader = self._execute(source_select(read))
        return conform(Batches(reader.schema, self._rows(reader, read)), read)

    def cancel(self) -> None:
        """Make the read fail at its next batch. From any thread."""
        self._cancelled.set()

    # --- the engine ----------------------------------------------------------------------------------

    def _register(self, tables: Iterable[tuple[str | None, str]]) -> None:
        """Make tables known to the engine under their own names."""
        for schema, name in set(tables) - self._registered:
            if schema is None:
                raise self._refused(f"a table of a lake is named schema.table, and {name} has no schema")
            if "." in schema:  # quoted or not, DataFusion takes what stands before the dot for a catalog
                raise self._refused(f"DataFusion reads no schema whose name holds a dot, as '{schema}' does")
            handle = open_table(self._store, Table(schema=schema, name=name, columns=()))
            if handle is None:
                where = self._store.shown(Table(schema=schema, name=name, columns=()))
                raise self._refused(f"there is no Delta table at {where}, which {schema}.{name} names")
            create = sql.SQL("create schema if not exists {}").format(sql.Identifier(schema))
            self._engine.execute(create.as_string())
            self._engine.register(sql.Identifier(schema, name).as_string(), handle)
            self._registered.add((schema, name))

    def _execute(self, query: str) -> pa.RecordBatchReader:
        try:
            return pa.RecordBatchReader.from_stream(self._engine.execute(query))
        except Exception as error:  # noqa: BLE001  # deltalake raises OSError, DeltaError or a plain Exception
            raise self._refused(self._store.reason(error)) from self._store.cause(error)

    def _rows(self, reader: pa.RecordBatchReader, read: ReadPlan) -> Iterator[pa.RecordBatch]:
        batches = iter(reader)
        while True:
            if self._cancelled.is_set():
                raise StreamCancelledError
            try:
                batch = next(batches, None)
            except (pa.ArrowException, OSError) as error:  # how the engine reports what failed half-way
                raise self._failed(
                    f"reading from {self.name} failed: {self._store.reason(error)}"
                ) from self._store.cause(error)
            if batch is None:
                return
            if isinstance(read.window, ColumnRange) and batch.column(WINDOW).null_count:
                raise self._failed(
                    f"window column '{read.window.column}': no watermark can pass NULL; filter it out in the query"
                )
            yield batch

    def _bound(self, text: str, column: SourceColumn) -> str | None:
        found = self._execute(bound_select(text, column.name)).read_all().column(0)
        if found.null_count:
            return None
        try:
            return _text_of(found.cast(to_arrow(column.type)), column.type)
        except ValueError as error:
            raise self._refused(f"window column '{column.name}': {error}") from error

    def _refused(self, why: str) -> SourceQueryError:
        return SourceQueryError(job=self._store.job, reason=f"{self.name} refuses the query: {why}")

    def _failed(self, why: str) -> RunError:
        return RunError(job=self._store.job, reason=why)


def _text_of(value: pa.ChunkedArray, type_: DataType) -> str:
    """One value as PostgreSQL prints it.

    Raises:
        ValueError: its type makes no watermark.
    """
    match type_:
        case Scalar.TIMESTAMPTZ | Scalar.TIMESTAMP:
            return to_text(value.cast(pa.int64())[0].as_py(), type_)
        case Scalar.DATE:
            return to_text(value.cast(pa.int32())[0].as_py(), type_)
        case Scalar.SMALLINT | Scalar.INTEGER | Scalar.BIGINT | Scalar.TEXT | Decimal():
            return str(value[0].as_py())
        case _:
            raise ValueError(f"a column of type {type_} cannot be a watermark")
