"""What was asked of a run, and what was seen of its source and targets: the inputs of planning."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime

from ematix_flow.spec import Table
from ematix_flow.types import DataType


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """An explicit slice of the source: rows whose column lies in `[start, end)`, such as a partition.

    `start` and `end` are text that PostgreSQL reads as the column's type; `column` is by default the one that
    `incremental=` names.
    """

    start: str
    end: str
    column: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What a caller wants of one run. `loaded_at` is the run's time (aware, UTC)."""

    loaded_at: datetime
    full_refresh: bool = False
    window: Window | None = None
    targets: frozenset[str] | None = None  # labels of job targets; None for all
    staged: frozenset[str] = (
        frozenset()
    )  # labels of targets whose index refused a key that was loaded unchecked


@dataclass(frozen=True, slots=True, kw_only=True)
class Watermark:
    """How far the last committed run got.

    `cursor` names what is counted (a column, or the transaction ids of one relation of one server); a stored
    watermark is used only while the cursor is the same. `value` is the text that PostgreSQL prints for a value of
    `type` (ISO dates, UTC).
    """

    cursor: str
    value: str
    type: DataType


# --- the source --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceColumn:
    """One column that the query returns, with the source's own type."""

    name: str
    type: DataType


class RelationKind(enum.Enum):
    """What `pg_class` says a name is; the value completes the sentence "it reads …"."""

    HEAP = "an ordinary table"
    PARTITIONED = "a partitioned table whose every leaf is an ordinary table"
    VIEW = "a view"
    FOREIGN = "a foreign table"
    INHERITED = "a table with inheritance children"
    SYSTEM = "a system catalog"
    OTHER = "something that is not an ordinary table"


@dataclass(frozen=True, slots=True, kw_only=True)
class RelationColumn:
    """One column of a table that a query names."""

    name: str
    type: str  # as `format_type` prints it
    built_in: bool  # a type of pg_catalog, or an enum: its operators and casts are nobody's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """What the source's catalog says of one table that the query names."""

    schema: str
    name: str
    kind: RelationKind
    columns: tuple[RelationColumn, ...]
    row_security: bool
    unique_keys: tuple[tuple[str, ...], ...]  # of valid, immediate, whole-table indexes over NOT NULL columns
    identity: str  # oids, columns with their numbers and types, enum labels: changes when the table does


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """What planning wants to know of a source, besides the query's columns."""

    text: str
    tables: tuple[tuple[str | None, str], ...] = ()  # (schema, name) as the query spells them, folded
    cursor_column: str | None = None
    marks: tuple[int, ...] = ()  # advisory locks held by this run's own units of work


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """What a source said of a query without executing it."""

    columns: tuple[SourceColumn, ...]
    server: str | None = None  # identity of server and database; None where transactions cannot be tracked
    relations: tuple[Relation, ...] = ()
    overloads: tuple[
        str, ...
    ] = ()  # visible functions, operators and casts of somebody's that built-in calls may mean
    snapshot_xmin: int | None = (
        None  # 64-bit id below which every transaction had ended, see pg_snapshot_xmin
    )
    bound: str | None = None  # largest value of the inquiry's cursor column, as text
    marks_held: frozenset[int] = (
        frozenset()
    )  # those of the inquiry's marks seen held in the source's database


# --- a target ----------------------------------------------------------------------------------------


class Alters(enum.Enum):
    """What a load may change in a table that exists; the value says what it may not, to people."""

    ANYTHING = "anything"
    NULLABLE_COLUMNS = (
        "a load adds nullable columns to a Delta table, and rewrites it only to widen a type, where on_drift='rewrite' "
        "says so"
    )
    REWRITING = (
        "a load adds nullable columns to a Delta table, and rewrites it to widen a type, for no other change"
    )
    NOTHING = "only the table's owner may change it"


@dataclass(frozen=True, slots=True, kw_only=True)
class UniqueIndex:
    """An index of a live table by which no two rows agree in its columns; a constraint's, or one by itself."""

    name: str
    columns: tuple[str, ...]
    is_constraint: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetState:
    """What a target looks like now, after its lock was taken."""

    stored: Table  # the declared table, as this backend stores it
    live: Table | None  # None when it does not exist yet
    schema_exists: bool
    empty: bool  # holds no row
    clock: datetime  # the target's, read after the lock
    mark: int | None = None  # an advisory lock only this unit of work holds (Postgres)
    watermark: Watermark | None = None
    query: int | None = None  # fingerprint kept beside the job's watermark, whatever that one counts
    alters: Alters = Alters.ANYTHING
    takes_copy: bool = True  # not a view, nor under row security: those take inserts only (Postgres)
    unique_indexes: tuple[
        UniqueIndex, ...
    ] = ()  # those over whole tables, primary and deferrable ones among them
    drops_rows: bool = False  # a trigger of somebody's may leave out rows that a load writes
