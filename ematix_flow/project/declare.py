"""`Project`: the decorators by which users declare connections, tables, jobs and workflows.

Each decorator reads what it is given, raises one error with every mistake it can see, and keeps a frozen value.
What needs other declarations is judged by `Project.manifest()`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, TypeVar, overload

from ematix_flow.introspect import TableNames, snake_case, table_from_class
from ematix_flow.manifest import Manifest, build_manifest
from ematix_flow.problems import Problems
from ematix_flow.project.classes import remember
from ematix_flow.project.connections import connection_from_class, warn_of_literal_secrets
from ematix_flow.project.jobs import Body, JobName, JobWords, job_name, parse_job
from ematix_flow.project.modes import Keys
from ematix_flow.project.origins import Registry, calling_place
from ematix_flow.project.targets import ConnectionName, Target, TargetConnection, TargetWords
from ematix_flow.project.workflows import Edges, WorkflowWords, parse_workflow
from ematix_flow.spec import Connection, ExtraColumns, Incremental, Job, LoadMode, OnDrift, Table, Workflow

_Class = TypeVar("_Class", bound=type[Any])


class Project:
    """A set of declarations. `ematix_flow.ematix` is a ready-made one; tests make their own."""

    def __init__(self) -> None:
        self._connections: Registry[Connection] = Registry("connection")
        self._tables: Registry[Table] = Registry("table")
        self._jobs: Registry[Job] = Registry("job")
        self._workflows: Registry[Workflow] = Registry("workflow")

    # --- what is declared ----------------------------------------------------------------------------

    @property
    def connections(self) -> Mapping[str, Connection]:
        """The connections by name, in the order of their declarations."""
        return MappingProxyType(self._connections.by_name())

    @property
    def tables(self) -> Mapping[str, Table]:
        """The tables by full name (`schema.table`), in the order of their declarations."""
        return MappingProxyType(self._tables.by_name())

    @property
    def jobs(self) -> Mapping[str, Job]:
        """The jobs by name, in the order of their declarations."""
        return MappingProxyType(self._jobs.by_name())

    @property
    def workflows(self) -> Mapping[str, Workflow]:
        """The workflows by name, in the order of their declarations."""
        return MappingProxyType(self._workflows.by_name())

    def manifest(self) -> Manifest:
        """The project as it stands now, with every name resolved.

        Raises:
            DeclarationError: declarations do not fit together; it lists everything that is wrong.
        """
        return build_manifest(
            self.connections.values(), self.tables.values(), self.jobs.values(), self.workflows.values()
        )

    # --- declaring -----------------------------------------------------------------------------------

    @overload
    def connection(self, cls: _Class, /) -> _Class: ...
    @overload
    def connection(self, /, *, name: str | None = None) -> Callable[[_Class], _Class]: ...
    def connection(
        self, cls: type[Any] | None = None, /, *, name: str | None = None
    ) -> type[Any] | Callable[[type[Any]], type[Any]]:
        """Declare a connection by a class whose attributes are `kind` and the fields of that kind.

        It is called like the class unless `name` is given. Nothing is opened, and `${VAR}` references stay as
        they are until a run opens the connection.

        Raises:
            DeclarationError: a field is wrong, missing or unknown, or the name is taken.

        Warns:
            LiteralPasswordWarning: a secret stands in it in plain text.
        """

        def declare(cls: type[Any]) -> type[Any]:
            chosen = cls.__name__ if name is None else name
            origin = calling_place().origin(cls.__qualname__)
            problems = Problems()
            report = problems.about(f"connection '{chosen}'", origin)
            connection = connection_from_class(cls, chosen, origin=origin, report=report)
            self._connections.check_free(chosen, origin, report)
            problems.raise_if_any()
            if connection is not None:
                warn_of_literal_secrets(connection)
                self._connections.put(chosen, connection)
                remember(cls, connection)
            return cls

        return declare if cls is None else declare(cls)

    @overload
    def table(self, cls: _Class, /) -> _Class: ...
    @overload
    def table(
        self, /, *, schema: str = "public", name: str | None = None, comment: str | None = None
    ) -> Callable[[_Class], _Class]: ...
    def table(
        self,
        cls: type[Any] | None = None,
        /,
        *,
        schema: str = "public",
        name: str | None = None,
        comment: str | None = None,
    ) -> type[Any] | Callable[[type[Any]], type[Any]]:
        """Declare a table by a class whose annotations are its columns.

        Its name is the class name in snake case, and its comment the class's docstring, unless they are given.

        Raises:
            DeclarationError: an annotation is no column type, a name is unusable, or the name is taken.
        """

        def declare(cls: type[Any]) -> type[Any]:
            names = TableNames(
                schema=schema, name=snake_case(cls.__name__) if name is None else name, comment=comment
            )
            place = calling_place()
            origin = place.origin(cls.__qualname__)
            problems = Problems()
            report = problems.about(f"table '{names.schema}.{names.name}'", origin)
            table = table_from_class(cls, names, origin=origin, scope=place.scope, report=report)
            self._tables.check_free(table.full_name, origin, report)
            problems.raise_if_any()
            self._tables.put(table.full_name, table)
            remember(cls, table)
            return cls

        return declare if cls is None else declare(cls)

    def job(
        self,
        name: str | None = None,
        *,
        target: type[Any] | Target | None = None,
        targets: Sequence[type[Any] | Target] | None = None,
        target_connection: TargetConnection | None = None,
        source_connection: ConnectionName | None = None,
        mode: str | LoadMode = "append",
        keys: Keys | None = None,
        incremental: str | Incremental | Literal[False] | None = None,
        source_table: str | None = None,
        column_map: Mapping[str, str] | None = None,
        on_drift: str | OnDrift = OnDrift.ERROR,
        extra_columns: str | ExtraColumns = ExtraColumns.ERROR,
        previous_name: str | None = None,
        schedule: str | None = None,
        timezone: str = "UTC",
        depends_on: JobName | Sequence[JobName] = (),
        sources: str | Sequence[str] = (),
        description: str | None = None,
        group: str | None = None,
        owners: str | Sequence[str] = (),
        tags: Mapping[str, str] | None = None,
    ) -> Callable[[Body], Job]:
        """Declare a job by a function that returns one SELECT, or yields `pyarrow.RecordBatch`es.

        Args:
            name: how it is called; the function's name unless given.
            target: the table class that it loads; or `targets`, several of them.
            targets: table classes, or `Target(…)` where one differs from the others in more than its connection.
            target_connection: a connection's name or class; a dict by table name where targets differ; may be
                left out in a project with one connection.
            source_connection: where the SELECT runs; unless given the first target that is a Postgres, else the
                project's only Postgres.
            mode: "append", "truncate", "merge" (also "scd1") or "scd2", or a mode object for what else a mode can do.
            keys: columns that identify a row; unless given the table's natural key, else its primary key.
            incremental: the column by which new rows are found, or an `Incremental`; False reads every row each
                time; left out, the engine tracks the source itself where that is sound.
            source_table: the table to read (`schema.table`), instead of what an empty function would return.
            column_map: with `source_table`, the source's name of each column that is called otherwise there.
            on_drift: "error", "ignore" to load a live table that differs from its declaration all the same, or "rewrite"
                to write a Delta table anew where a declared type is wider; a Postgres table is widened in any case.
            extra_columns: "error", or "ignore" to leave out columns of the query that no target declares.
            previous_name: what the job was called when it kept its watermarks; without it a renamed job starts anew.
            schedule: a cron expression of five fields, or an alias such as "@daily".
            timezone: the time zone of the schedule.
            depends_on: jobs that must have run before.
            sources: tables that the function reads (`schema.table`), where its SQL cannot tell.
            description: shown in Dagster; the function's docstring unless given.
            group: the Dagster group.
            owners: e-mail addresses, or `team:name`.
            tags: Dagster tags.

        Raises:
            DeclarationError: anything of this is wrong, or the name is taken.
        """
        words = JobWords(
            name=name,
            targets=TargetWords(
                target=target, targets=targets, target_connection=target_connection, mode=mode, keys=keys
            ),
            source_connection=source_connection,
            incremental=incremental,
            source_table=source_table,
            column_map=column_map,
            on_drift=on_drift,
            extra_columns=extra_columns,
            previous_name=previous_name,
            schedule=schedule,
            timezone=timezone,
            depends_on=depends_on,
            sources=sources,
            description=description,
            group=group,
            owners=owners,
            tags=tags,
        )
        _refuse_bare(name)
        return lambda body: self._declare_job(words, body)

    pipeline = job  # its historical name

    def _declare_job(self, words: JobWords, body: Body) -> Job:
        chosen = job_name(words, body)
        origin = calling_place().origin(getattr(body, "__qualname__", type(body).__qualname__))
        problems = Problems()
        report = problems.about(f"job '{chosen}'", origin)
        job = parse_job(words, body, origin, report)
        self._jobs.check_free(chosen, origin, report)
        problems.raise_if_any()
        self._jobs.put(chosen, job)
        return job

    def workflow(
        self,
        name: str,
        *,
        jobs: Sequence[JobName],
        schedule: str | None = None,
        timezone: str = "UTC",
        triggered_by: JobName | Workflow | Sequence[JobName | Workflow] = (),
        depends_on: Edges = MappingProxyType({}),
    ) -> Workflow:
        """Declare jobs that run together, in the order of their dependencies, at one trigger.

        Args:
            name: how it is called.
            jobs: the jobs, or their names.
            schedule: a cron expression of five fields, or an alias; or `triggered_by`; or neither.
            timezone: the time zone of the schedule.
            triggered_by: jobs and workflows; it runs after all of them did.
            depends_on: for a job of the workflow, those of the workflow that must have run before, beside what
                the jobs themselves say.

        Raises:
            DeclarationError: anything of this is wrong, or the name is taken.
        """
        words = WorkflowWords(
            name=name,
            jobs=jobs,
            schedule=schedule,
            timezone=timezone,
            triggered_by=triggered_by,
            depends_on=depends_on,
        )
        origin = calling_place().origin(f"workflow {name}")
        problems = Problems()
        report = problems.about(f"workflow '{name}'", origin)
        workflow = parse_workflow(words, origin, report)
        self._workflows.check_free(name, origin, report)
        problems.raise_if_any()
        self._workflows.put(name, workflow)
        return workflow


def _refuse_bare(name: object) -> None:
    """Refuse `@ematix.job` without parentheses, which hands over the function as the name."""
    if callable(name):
        word = getattr(name, "__qualname__", repr(name))
        problems = Problems()
        problems.about(f"job '{word}'", calling_place().origin(word)).add(
            "needs a target; write @ematix.job(target=…), with parentheses"
        )
        problems.raise_if_any()
