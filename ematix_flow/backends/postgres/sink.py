"""Loading one PostgreSQL table: lock, look, migrate, load and watermark on one session, in one transaction."""

from __future__ import annotations

import secrets as random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg import errors, sql

from ematix_flow.backends.postgres import catalog, load, watermarks
from ematix_flow.backends.postgres.append import emptied
from ematix_flow.backends.postgres.copyout import HEADER, TRAILER
from ematix_flow.backends.postgres.ddl import (
    create_schema,
    migration_statements,
    remedy_statements,
    step_statements,
    table_sql,
)
from ematix_flow.backends.postgres.locks import lock_schemas, lock_table
from ematix_flow.backends.postgres.refusals import refuse_empty, refuse_staged
from ematix_flow.backends.postgres.select import source_select
from ematix_flow.backends.postgres.session import Address, cause, connect, is_transient, mark_lock, reason
from ematix_flow.backends.postgres.stage import (
    STAGE,
    column_names,
    copy_into,
    copy_records,
    create_stage,
    does_nothing_without_rows,
    fill_stage,
    stream_names,
)
from ematix_flow.backends.postgres.statements import Count, LoadStatement, added, insert_account, told
from ematix_flow.errors import LoadError, UncheckedKeyError
from ematix_flow.migration import CreateSchema, Drift
from ematix_flow.plan import (
    AddRows,
    ArrowStream,
    CopyInto,
    InsertSelect,
    Slice,
    TargetPlan,
    reads_everything,
)
from ematix_flow.results import LoadCounts
from ematix_flow.spec import PostgresConnection, Table
from ematix_flow.state import TargetState, Watermark
from ematix_flow.streams import Batches, CopyRows, ServerSelect, Stream, started
from ematix_flow.types import DataType

# The statement of a process that was killed would run to its end, and hold the table's lock until then. Servers look
# after their clients since PostgreSQL 14.
_OUTLIVE_US_BRIEFLY = sql.SQL(
    "select set_config(name, '1s', false) from (values ('client_connection_check_interval')) as known (name)"
    " where current_setting(name, true) is not null"
)


class PostgresSink:
    """One transaction on one target table.

    READ COMMITTED on purpose: under REPEATABLE READ the snapshot of a run that waited for the lock would be older
    than the lock, and it would read a stale watermark.
    """

    def __init__(self, *, connection: PostgresConnection, job: str, environ: Mapping[str, str]) -> None:
        self._address = Address.resolve(connection, job, environ)
        self._state_schema = connection.state_schema
        self._plan: TargetPlan | None = None  # set once its load returned
        self._kept: Watermark | None = None

    def __enter__(self) -> Self:
        self._session = connect(self._address)
        with suppress(errors.InvalidParameterValue):  # a platform on which a server cannot tell
            self._session.execute(_OUTLIVE_US_BRIEFLY)
        self._session.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        self._session.autocommit = False
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._plan is not None and error is None:
                self._commit(self._plan)
        finally:
            self._session.close()

    def _commit(self, plan: TargetPlan) -> None:
        """Commit. A deferred constraint speaks now; and where the session is lost now, nobody knows what became of it:
        only a load that absorbs rows it has already may then be tried again.
        """
        try:
            with self._failing_clearly():
                self._session.commit()
        except LoadError as error:
            absorbs = not isinstance(plan.action, AddRows) or plan.watermark is not None
            error.transient = error.transient and absorbs
            raise

    def observe(self, table: Table) -> TargetState:
        """Take the table's lock, then look at it."""
        self._table = table
        with self._failing_clearly():
            return self._observe(table)

    def _observe(self, table: Table) -> TargetState:
        self._session.execute(lock_table(table))
        mark = random.randbits(63)
        self._session.execute(sql.SQL("select pg_advisory_xact_lock({})").format(mark_lock(mark)))
        live = catalog.live_table(table, self._session.execute(catalog.table_query(table)).fetchall())
        condition = catalog.condition(self._row(catalog.condition_query(table)))
        return TargetState(
            stored=table,
            live=live,
            schema_exists=self._exists(
                sql.SQL("select to_regnamespace({})"), catalog.quoted(None, table.schema)
            ),
            empty=live is None
            or not self._row(sql.SQL("select exists (select from {})").format(table_sql(table)))[0],
            mark=mark,
            clock=self._row(sql.SQL("select clock_timestamp()"))[0],
            alters=condition.alters,
            takes_copy=condition.takes_copy,
            unique_indexes=condition.unique_indexes,
            drops_rows=condition.drops_rows,
        )

    def watermark(self, job: str, cursor: str, type_: DataType) -> Watermark | None:
        """What the last committed run of a job stored under `cursor`."""
        with self._failing_clearly():
            if not self._has_watermarks():
                return None
            query = watermarks.read_watermark(self._state_schema, job, self._table, cursor)
            row = self._row(query)
        return Watermark(cursor=cursor, value=row[0], type=type_) if row else None

    def query(self, job: str) -> int | None:
        """The fingerprint that the last committed run of a job stored beside its watermark."""
        with self._failing_clearly():
            if not self._has_watermarks():
                return None
            row = self._row(watermarks.read_query(self._state_schema, job, self._table))
        return row[0] if row else None

    def render(self, plan: TargetPlan) -> tuple[str, ...]:
        """The statements in order, as they would run."""
        statements: list[sql.Composed | sql.SQL] = [*migration_statements(plan.steps)]
        match plan.path:
            case InsertSelect():
                statements += [each.statement for each in load.direct_load(plan, source_select(plan.read))]
            case CopyInto():
                statements += [each.statement for each in emptied(plan)]
                statements.append(copy_records(table_sql(plan.stored), stream_names(plan)))
            case ArrowStream() if isinstance(plan.action, AddRows):
                statements.append(copy_into(table_sql(plan.stored), column_names(plan)))
            case _:
                statements.append(create_stage(plan))
                statements += [each.statement for each in load.staged_load(plan)]
        return tuple(statement.as_string(self._session) for statement in statements)

    def remedy(self, drifts: Sequence[Drift]) -> tuple[str, ...]:
        """The SQL of the drifts that a person could mend in the table, in order."""
        remedies = [drift.remedy for drift in drifts if drift.remedy is not None]
        statements = [statement for remedy in remedies for statement in remedy_statements(remedy)]
        return tuple(statement.as_string(self._session) for statement in statements)

    def load(self, plan: TargetPlan, rows: Stream) -> LoadCounts:
        """Apply the steps, load the rows, write the watermark. Committed when the sink is left."""
        self._address = self._address.showing(plan.read)
        with self._failing_clearly(rows):
            self._migrate(plan)
            counts = self._load(plan, rows)
            self._keep_watermark(plan)
        self._plan = plan
        return counts

    def _keep_watermark(self, plan: TargetPlan) -> None:
        """Store the run's watermark. One that keeps none makes the stored one void: it wrote rows of its own, which a
        later run under the old watermark would not mend. A slice is no run of that kind.
        """
        state, job = self._state_schema, plan.job
        if plan.watermark is not None:
            anew = reads_everything(plan.read.window)
            write = watermarks.restart_watermark if anew else watermarks.raise_watermark
            (value,) = self._row(write(state, job, plan.table, plan.watermark, plan.query))
            self._kept = replace(plan.watermark, value=value)
        elif not isinstance(plan.read.window, Slice) and self._has_watermarks():
            self._session.execute(watermarks.delete_watermark(state, job, plan.table))
        if plan.previous_name is not None and self._has_watermarks():  # it has passed on what it had
            self._session.execute(watermarks.delete_watermark(state, plan.previous_name, plan.table))

    @property
    def kept(self) -> Watermark | None:
        """The job's watermark as it stands after `load`."""
        return self._kept

    def cancel(self) -> None:
        """Cancel the running statement. From any thread."""
        self._session.cancel_safe()

    # --- schema --------------------------------------------------------------------------------------

    def _migrate(self, plan: TargetPlan) -> None:
        if plan.watermark is not None and not self._has_watermarks():
            self._settle(create_schema(self._state_schema), watermarks.create_watermarks(self._state_schema))
        schemas = [step for step in plan.steps if isinstance(step, CreateSchema)]
        for schema in schemas:
            self._settle(*step_statements(schema))
        for statement in migration_statements(step for step in plan.steps if step not in schemas):
            self._session.execute(statement)

    def _settle(self, *statements: sql.Composed) -> None:
        """Create what several targets share in a short transaction of its own.

        Inside the load's transaction, a second target that needs the same new schema would wait for this load to
        commit, while both are fed from one read. `if not exists` is not enough when two sessions race (one of them
        meets a unique violation), so they take turns.
        """
        with connect(self._address) as session, session.transaction():
            session.execute(lock_schemas())
            for statement in statements:
                session.execute(statement)

    def _has_watermarks(self) -> bool:
        name = catalog.quoted(self._state_schema, "watermarks")
        return self._exists(sql.SQL("select to_regclass({})"), name)

    # --- rows ----------------------------------------------------------------------------------------

    def _load(self, plan: TargetPlan, rows: Stream) -> LoadCounts:
        match rows, plan.path, plan.action:
            case ServerSelect(statement=select), InsertSelect(), _:
                return self._run(load.direct_load(plan, select), LoadCounts())
            case CopyRows(), CopyInto(), _:
                return self._copy_straight(plan, rows)
            case Batches(), _, AddRows():
                copied = self._copy(table_sql(plan.stored), column_names(plan), rows)
                unchanged = copied.read - copied.inserted  # a trigger has left them out
                return replace(copied, unchanged=unchanged)
            case ((Batches() | CopyRows()), _, _) if does_nothing_without_rows(plan.action):
                # A temporary table is a dozen rows of the catalog, and most runs of many find nothing new.
                begun = started(rows)
                return LoadCounts() if begun is None else self._load_staged(plan, begun)
            case _:
                return self._load_staged(plan, rows)

    def _load_staged(self, plan: TargetPlan, rows: Stream) -> LoadCounts:
        self._session.execute(create_stage(plan))
        staged = replace(self._fill_stage(plan, rows), inserted=0)
        refuse_staged(self._session, plan, staged.read)
        return self._run(load.staged_load(plan), staged)

    def _run(self, statements: Sequence[LoadStatement], counts: LoadCounts) -> LoadCounts:
        """Run the statements of a load. What was read and changed nothing counts as unchanged."""
        for each in statements:
            if each.count is Count.BY_ACCOUNT:
                (told_,) = self._row(told(each.statement))
                account = insert_account(told_)
                counts = replace(
                    counts,
                    read=counts.read or account.read,
                    inserted=account.inserted,
                    updated=account.updated,
                )
            else:
                counts = added(each.count, counts, self._session.execute(each.statement).rowcount)
        return replace(counts, unchanged=counts.read - counts.inserted - counts.updated)

    def _fill_stage(self, plan: TargetPlan, rows: Stream) -> LoadCounts:
        match rows:
            case Batches():
                return self._copy(STAGE, stream_names(plan), rows)
            case CopyRows():
                return self._copy_records(STAGE, stream_names(plan), rows)
            case ServerSelect(statement=select):
                # The user's query may call anything; in a read-only subtransaction it can write nothing but the
                # temporary table, and releasing the savepoint lets us write again.
                with self._session.transaction():
                    self._session.execute(sql.SQL("set transaction read only"))
                    return LoadCounts(read=self._session.execute(fill_stage(plan, select)).rowcount)

    def _copy_straight(self, plan: TargetPlan, rows: CopyRows) -> LoadCounts:
        """Empty what is replaced, and let the rows in as they come; the table's own constraints check their keys."""
        counts = self._run(emptied(plan), LoadCounts())
        try:
            copied = self._copy_records(table_sql(plan.stored), stream_names(plan), rows)
        except (errors.UniqueViolation, errors.NotNullViolation) as error:
            if isinstance(plan.action, AddRows):
                raise
            raise UncheckedKeyError(
                job=plan.job, table=plan.table.full_name, reason=reason(self._address, error)
            ) from cause(self._address, error)
        refuse_empty(plan, copied.read)
        return replace(copied, deleted=counts.deleted, unchanged=copied.read - copied.inserted)

    def _copy_records(self, into: sql.Composable, columns: tuple[str, ...], rows: CopyRows) -> LoadCounts:
        """The rows that came, and those of them that the table took."""
        read = size = 0
        with self._session.cursor() as cursor:
            with cursor.copy(copy_records(into, columns)) as copy:
                copy.write(HEADER)
                for block in rows.blocks:
                    copy.write(block.data)
                    read += len(block.lengths)
                    size += len(block.data)
                copy.write(TRAILER)
            return LoadCounts(read=read, inserted=cursor.rowcount, bytes=size)

    def _copy(self, into: sql.Composable, columns: tuple[str, ...], rows: Batches) -> LoadCounts:
        """The same of record batches."""
        from ematix_flow.backends.postgres.copy import encode  # with Arrow, for whom batches come

        read = size = 0
        with self._session.cursor() as cursor:
            with cursor.copy(copy_into(into, columns)) as copy:
                for batch in rows.rows:
                    copy.write(encode(batch.select(list(columns))))
                    read += batch.num_rows
                    size += batch.nbytes
            return LoadCounts(read=read, inserted=cursor.rowcount, bytes=size)

    # --- the session ---------------------------------------------------------------------------------

    def _exists(self, query: sql.SQL, name: sql.Literal) -> bool:
        return self._row(sql.SQL("{} is not null").format(query.format(name)))[0] is True

    def _row(self, query: sql.SQL | sql.Composed) -> Any:
        return self._session.execute(query).fetchone()

    @contextmanager
    def _failing_clearly(self, rows: Stream | None = None) -> Iterator[None]:
        """Say of a server's error which job and table it met, and not what it shows of the rows."""
        try:
            yield
        except psycopg.Error as error:
            raise self._failure(error, rows) from cause(self._address, error)

    def _failure(self, error: psycopg.Error, rows: Stream | None) -> LoadError:
        text = reason(self._address, error)
        if isinstance(rows, ServerSelect) and isinstance(error, psycopg.DataError):
            text = rows.misfit() or text
        if isinstance(error, errors.InsufficientPrivilege):
            text += f"; grant the role what it lacks, such as: grant create on database … to …; grant usage, create on schema {self._table.schema} to …"
        if isinstance(error, errors.LockNotAvailable):
            text += "; somebody reads or writes the table, or the job's own query reads it"
        return LoadError(
            job=self._address.job,
            table=self._table.full_name,
            reason=text,
            transient=is_transient(error),
        )
