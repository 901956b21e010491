"""One error tree; the family says which stage failed.

Every error carries its facts as attributes and builds its message from them, so a caller can act on
the facts and a reader gets a sentence: what is wrong, where, and what to do. Errors pickle (Dagster
moves them between processes) and never hold a secret.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ematix_flow.results import JobResult


@dataclass(eq=False, kw_only=True)
class EmatixError(Exception):
    """The base of every error that ematix-flow raises on purpose."""

    @property
    def message(self) -> str:
        """The sentence a person reads, built from the error's facts."""
        raise NotImplementedError

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        facts = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return (_rebuild, (type(self), facts))


def _rebuild(cls: type[EmatixError], facts: dict[str, Any]) -> EmatixError:
    return cls(**facts)


# --- declarations: found when a decorator runs, or at manifest() -------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake in a declaration: where it stands and how to mend it."""

    file: str
    line: int
    declaration: str  # "job 'load_orders'", "connection 'warehouse'", …
    field: str | None
    text: str  # what is wrong, then what to do

    def __str__(self) -> str:
        field = f", {self.field}" if self.field else ""
        # A name that is asked for at run time stands in no file.
        where = f"{self.file}:{self.line}: " if self.line else ""
        return f"{where}{self.declaration}{field}: {self.text}"


@dataclass(eq=False, kw_only=True)
class DeclarationError(EmatixError):
    """One or more declarations are wrong; `problems` lists them all."""

    problems: tuple[Problem, ...]

    @property
    def message(self) -> str:
        """Every problem on a line of its own, under a count."""
        if len(self.problems) == 1:
            return str(self.problems[0])
        lines = "\n".join(f"  {problem}" for problem in self.problems)
        return f"{len(self.problems)} problems in the declarations:\n{lines}"


class DuplicateNameError(DeclarationError):
    """A name is declared twice."""


class UnknownNameError(DeclarationError):
    """A declaration refers to a connection, table, job or workflow that does not exist."""


class DependencyCycleError(DeclarationError):
    """Jobs depend on each other in a ring."""


# --- planning: the databases were looked at, and nothing was changed ----------------------------------


@dataclass(eq=False, kw_only=True)
class PlanError(EmatixError):
    """A run cannot be planned."""

    job: str
    reason: str

    @property
    def message(self) -> str:
        """The job, and why no plan can be made."""
        return f"job '{self.job}': {self.reason}"


@dataclass(eq=False, kw_only=True)
class SourceQueryError(PlanError):
    """A job's query is not one read-only SELECT, or the source cannot run it."""

    job: str = ""  # empty where a query is read outside a job

    @property
    def message(self) -> str:
        """The job where it is known, and what is wrong with its query."""
        where = f"job '{self.job}': " if self.job else ""
        return f"{where}{self.reason}"


@dataclass(eq=False, kw_only=True)
class UnsupportedTypeError(PlanError):
    """A column's type cannot be stored by the backend that was asked to."""

    column: str
    type: str
    backend: str

    @property
    def message(self) -> str:
        """The column, its type, the backend, and the way out."""
        return f"job '{self.job}': column '{self.column}': {self.backend} cannot store {self.type}; {self.reason}"


@dataclass(eq=False, kw_only=True)
class UnsafeCastError(PlanError):
    """A source column could lose information in the declared type."""

    column: str
    source_type: str
    declared_type: str

    @property
    def message(self) -> str:
        """The column, both types, and the SQL that would say what is meant."""
        return (
            f"job '{self.job}': column '{self.column}': the source gives {self.source_type}, the table declares "
            f"{self.declared_type}; {self.reason}"
        )


@dataclass(eq=False, kw_only=True)
class SchemaDriftError(PlanError):
    """The live table differs from the declared one in a way that is not migrated automatically."""

    table: str
    drifts: tuple[str, ...]
    sql: tuple[str, ...]

    @property
    def message(self) -> str:
        """The differences, and the statements a person could run."""
        lines = [f"job '{self.job}': table {self.table} differs from its declaration; {self.reason}"]
        lines += [f"  - {drift}" for drift in self.drifts]
        if self.sql:
            lines += ["  what would mend it, for you to review and run:"]
            lines += [f"    {statement};" for statement in self.sql]
        return "\n".join(lines)


# --- running -----------------------------------------------------------------------------------------


@dataclass(eq=False, kw_only=True)
class RunError(EmatixError):
    """A run failed; `result` says what happened to each target, those that committed included."""

    job: str
    reason: str
    result: JobResult | None = None
    transient: bool = False  # the same run, tried again, may well succeed, and nothing was changed

    @property
    def message(self) -> str:
        """The job, and what failed."""
        return f"job '{self.job}': {self.reason}"


@dataclass(eq=False, kw_only=True)
class BackendUnavailableError(RunError):
    """A database or lake cannot be reached, or refuses us."""

    job: str = ""  # empty where a connection is used outside a job
    connection: str

    @property
    def message(self) -> str:
        """The job where there is one, the connection, and what its server or store answered."""
        where = f"job '{self.job}', " if self.job else ""
        return f"{where}connection '{self.connection}': {self.reason}"


@dataclass(eq=False, kw_only=True)
class LoadError(RunError):
    """Loading one target failed; its rows and its watermark are as they were."""

    table: str

    @property
    def message(self) -> str:
        """The job, the table, and what failed."""
        return f"job '{self.job}', table {self.table}: {self.reason}"


@dataclass(eq=False, kw_only=True)
class UncheckedKeyError(LoadError):
    """A table's own constraint refused a key of rows that went straight into it. A run meets it once, and goes on
    through a staging table, which can tell equal rows from conflicting ones.
    """


@dataclass(eq=False, kw_only=True)
class NullKeyError(LoadError):
    """Rows carry NULL in a key column."""

    columns: tuple[str, ...]
    count: int
    samples: tuple[str, ...]

    @property
    def message(self) -> str:
        """The key columns, how many rows, and up to five of them."""
        rows = "; ".join(self.samples)
        return (
            f"job '{self.job}', table {self.table}: {self.count} rows have NULL in the key "
            f"({', '.join(self.columns)}): {rows}; {self.reason}"
        )


@dataclass(eq=False, kw_only=True)
class DuplicateKeyError(LoadError):
    """Different rows share one key within a batch."""

    columns: tuple[str, ...]
    count: int
    samples: tuple[str, ...]

    @property
    def message(self) -> str:
        """The key columns, how many keys, and up to five of them."""
        rows = "; ".join(self.samples)
        return (
            f"job '{self.job}', table {self.table}: {self.count} keys ({', '.join(self.columns)}) stand in several "
            f"different rows: {rows}; {self.reason}"
        )


@dataclass(eq=False, kw_only=True)
class EmptySourceError(LoadError):
    """Nothing was read by a load that deletes what it does not read."""


@dataclass(eq=False, kw_only=True)
class WatermarkError(LoadError):
    """A window column holds a value that no watermark can pass, or a stored watermark cannot be used."""
