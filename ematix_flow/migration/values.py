"""Schema changes as values: the steps that a load takes, and what it leaves to a person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from ematix_flow.spec import Column, Computed, Table
from ematix_flow.state import UniqueIndex
from ematix_flow.types import DataType

# --- applied in the load's own transaction ------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateSchema:
    """The schema does not exist yet."""

    schema: str

    def __str__(self) -> str:
        return f"create schema {self.schema}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateTable:
    """The table does not exist yet; `table` is as the backend stores it."""

    table: Table

    def __str__(self) -> str:
        return f"create table {self.table.full_name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AddColumn:
    """The live table lacks a column that is nullable, or has a default for its rows, or it has no rows."""

    table: Table
    column: Column

    def __str__(self) -> str:
        default = "" if self.column.default is None else f" with {self.column.default!r} in every row"
        return f"add column {self.column.name} {self.column.type}{default}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DropNotNull:
    """The live column refuses NULL, and the declaration takes it, or says nothing of the column."""

    table: Table
    column: str

    def __str__(self) -> str:
        return f"let column {self.column} be null"


@dataclass(frozen=True, slots=True, kw_only=True)
class WidenColumn:
    """The declared type holds every value of the live one, exactly.

    Whether the server `rewrites` the table was measured on PostgreSQL 15 by relfilenode. A rewrite takes a while,
    and a transaction whose snapshot is older sees an empty table afterwards (PostgreSQL manual, "Caveats" of MVCC).
    """

    table: Table
    column: Column
    live: DataType
    rewrites: bool

    def __str__(self) -> str:
        rewrite = ", which rewrites the table" if self.rewrites else ""
        return f"widen column {self.column.name} from {self.live} to {self.column.type}{rewrite}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentTable:
    """The declaration describes the table in other words."""

    table: Table

    def __str__(self) -> str:
        return f"comment on table {self.table.full_name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentColumn:
    """The declaration describes the column in other words."""

    table: Table
    column: Column

    def __str__(self) -> str:
        return f"comment on column {self.column.name}"


Step: TypeAlias = (
    CreateSchema | CreateTable | AddColumn | DropNotNull | WidenColumn | CommentTable | CommentColumn
)

# --- left to a person ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AddFilledColumn:
    """A NOT NULL column is missing, and a person must choose what the rows that are there hold in it."""

    table: Table
    column: Column


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameColumn:
    """A column is missing where one of its type is left over."""

    table: Table
    live: str
    column: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeType:
    """The declared type cannot hold every value of the live one, or not exactly."""

    table: Table
    column: Column


@dataclass(frozen=True, slots=True, kw_only=True)
class SetNotNull:
    """The live column takes NULL, and the declaration refuses it."""

    table: Table
    column: Column


@dataclass(frozen=True, slots=True, kw_only=True)
class LetBeSet:
    """The server fills the live column by itself, and the declaration takes its values from the source."""

    table: Table
    column: str
    computed: Computed


@dataclass(frozen=True, slots=True, kw_only=True)
class DropUnique:
    """A unique index refuses rows that the mode keeps."""

    table: Table
    index: UniqueIndex


Remedy: TypeAlias = Step | AddFilledColumn | RenameColumn | ChangeType | SetNotNull | LetBeSet | DropUnique


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One difference that is not migrated automatically, and what a person could do to the live table.

    `remedy` is None where the declaration is what must change.
    """

    text: str
    remedy: Remedy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """The steps that make the live table fit, and the drifts that stand in the way."""

    steps: tuple[Step, ...] = ()
    drifts: tuple[Drift, ...] = ()
