"""What users declare, as frozen values: columns, tables, connections, modes, jobs, workflows."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeAlias

from ematix_flow import secrets
from ematix_flow.types import DataType


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a declaration stands: the real path of its file, the line, and the qualified name."""

    file: str
    line: int
    qualname: str


NOWHERE = Origin(file="<unknown>", line=0, qualname="")


# --- tables ------------------------------------------------------------------------------------------


Constant: TypeAlias = str | int | float | bool


class Computed(enum.Enum):
    """How a server fills a live column by itself; the value completes the sentence "the column is …"."""

    STORED = "generated from other columns"
    VIRTUAL = "generated from other columns when it is read"
    IDENTITY = "generated always as identity"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a table."""

    name: str
    type: DataType
    nullable: bool = True
    primary_key: bool = False
    comment: str | None = None
    default: Constant | None = None  # of a declared one: what rows hold that were there before it
    has_default: bool = False  # of a live column: rows can be added without it
    computed: Computed | None = None  # of a live column: no load can set it


@dataclass(frozen=True, slots=True, kw_only=True)
class UniqueKey:
    """Columns that identify a row in the world outside: a natural key (Kimball), or a unique constraint."""

    name: str
    columns: tuple[str, ...]
    only_current: bool = False  # among the current versions of a history only


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What a table looks like, declared or live."""

    schema: str
    name: str
    columns: tuple[Column, ...]
    unique_keys: tuple[UniqueKey, ...] = ()
    comment: str | None = None
    origin: Origin = field(default=NOWHERE, compare=False, repr=False)

    @property
    def full_name(self) -> str:
        """`schema.table`, for people; SQL quotes the two parts."""
        return f"{self.schema}.{self.name}"

    @property
    def primary_key(self) -> tuple[str, ...]:
        """The names of the primary key's columns, in declaration order; empty for a keyless table."""
        return tuple(column.name for column in self.columns if column.primary_key)

    def column(self, name: str) -> Column | None:
        """The column called `name`, or None."""
        return next((column for column in self.columns if column.name == name), None)


# --- connections -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresConnection:
    """A PostgreSQL database. `url` is a libpq URL or keyword string and may hold `${VAR}` references."""

    name: str
    url: str = field(repr=False)
    state_schema: str = "ematix_flow"
    show_values: bool = True  # whether error messages may show sample rows
    origin: Origin = field(default=NOWHERE, compare=False, repr=False)

    @property
    def reference(self) -> str:
        """The URL as declared, `${VAR}` unresolved and a literal password hidden."""
        return secrets.mask(self.url)


class Compaction(enum.Enum):
    """Whether a load puts the small files together that many loads have left."""

    AUTO = "auto"
    OFF = "off"  # somebody else does


@dataclass(frozen=True, slots=True, kw_only=True)
class DeltaConnection:
    """A folder of Delta tables, local or in an object store; a table lies at `<url>/<schema>/<table>`."""

    name: str
    url: str = field(repr=False)
    storage_options: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # values may hold ${VAR}
    compaction: Compaction = Compaction.AUTO
    show_values: bool = True
    origin: Origin = field(default=NOWHERE, compare=False, repr=False)

    @property
    def reference(self) -> str:
        """The URL as declared, `${VAR}` unresolved and a literal password hidden."""
        return secrets.mask(self.url)


Connection: TypeAlias = PostgresConnection | DeltaConnection


# --- how a job loads ---------------------------------------------------------------------------------


class Deletes(enum.Enum):
    """What becomes of a row whose key a full read no longer finds."""

    HARD = "hard"  # it is deleted
    SOFT = "soft"  # merge marks it in `deleted_at`, scd2 closes its current version


@dataclass(frozen=True, slots=True, kw_only=True)
class Append:
    """Add new rows; with keys, a row whose key is already there is left alone."""

    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Truncate:
    """Make the target exactly the source, atomically."""

    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """Insert new keys, and set the columns of held ones where any of them differs (Kimball: type 1)."""

    keys: tuple[str, ...] = ()
    update: tuple[str, ...] = ()  # the columns that are compared and set; () for all but the keys
    deletes: Deletes | None = None
    allow_empty_source: bool = False  # with deletes: an empty read means that everything is gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Scd2:
    """Keep every version of a row, each valid from one instant to the next (Kimball: type 2)."""

    keys: tuple[str, ...] = ()
    compare: tuple[str, ...] = ()  # the columns that make a new version; () for all but keys and `valid_from`
    valid_from: str | None = None  # the column that says since when a row holds; None for the run's own clock
    deletes: Deletes | None = None  # SOFT, or None
    allow_empty_source: bool = False


LoadMode: TypeAlias = Append | Truncate | Merge | Scd2


def mode_name(mode: LoadMode) -> str:
    """The word users write for a mode."""
    return type(mode).__name__.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Incremental:
    """Read by a column that only grows: `[watermark - lookback, bound]`."""

    column: str
    lookback: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class EveryRow:
    """Read the whole source each time (`incremental=False`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Automatic:
    """Nothing was declared: track the source by transaction id where that is sound, else read in full."""


Increment: TypeAlias = Incremental | EveryRow | Automatic


class OnDrift(enum.Enum):
    """What a run does about a live table that differs from its declaration."""

    ERROR = "error"
    IGNORE = "ignore"  # load what fits, and leave the difference as it is
    REWRITE = "rewrite"  # as ERROR, but a Delta table is written anew where that widens a type


class ExtraColumns(enum.Enum):
    """What a run does about columns of the source that no target declares."""

    ERROR = "error"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectFrom:
    """The body of a job that reads one table as it is: called, it gives the SELECT."""

    schema: str
    table: str
    columns: tuple[tuple[str, str], ...]  # (the target's name, the source's name)

    def __call__(self) -> str:
        """The SELECT, quoted: the names are those of the catalog, capitals and all."""
        from psycopg import sql  # here, because declarations load without a driver

        columns = sql.SQL(", ").join(
            sql.SQL("{} as {}").format(sql.Identifier(source), sql.Identifier(name))
            for name, source in self.columns
        )
        table = sql.Identifier(self.schema, self.table)
        return sql.SQL("select {} from {}").format(columns, table).as_string()


# --- jobs and workflows ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A table and the name of the connection that holds it, as a job declares them."""

    table: Table
    connection: str | None  # None: the project's only connection; see Manifest
    mode: LoadMode


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTarget:
    """A table, the connection that holds it, and how it is loaded: resolved."""

    table: Table
    connection: Connection
    mode: LoadMode

    @property
    def label(self) -> str:
        """`connection:schema.table`, unique within a project."""
        return f"{self.connection.name}:{self.table.full_name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A query (or a generator of record batches), its targets, and when it runs. Calling it calls the body."""

    name: str
    body: Callable[..., Any]
    targets: tuple[Target, ...]
    source: str | None = None  # a connection's name; None: see Manifest
    increment: Increment = Automatic()
    on_drift: OnDrift = OnDrift.ERROR
    extra_columns: ExtraColumns = ExtraColumns.ERROR
    previous_name: str | None = None  # under which earlier runs kept their watermarks
    schedule: str | None = None
    timezone: str = "UTC"
    depends_on: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()  # tables the body reads, where its SQL cannot tell
    description: str | None = None
    group: str | None = None
    owners: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    origin: Origin = field(default=NOWHERE, compare=False, repr=False)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the body, as if the decorator were not there."""
        return self.body(*args, **kwargs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """Jobs with a DAG between them and one trigger."""

    name: str
    jobs: tuple[str, ...]
    schedule: str | None = None
    timezone: str = "UTC"
    triggered_by: tuple[str, ...] = ()  # names of jobs or workflows; it runs after all of them did
    depends_on: tuple[tuple[str, tuple[str, ...]], ...] = ()  # (job, the jobs it waits for)
    origin: Origin = field(default=NOWHERE, compare=False, repr=False)
