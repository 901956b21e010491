"""What one run will do, as data: frozen, comparable, and readable through `explain`."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias, assert_never

from ematix_flow.casts import Cast
from ematix_flow.migration import Step
from ematix_flow.spec import Deletes, LoadMode, Table
from ematix_flow.state import Watermark
from ematix_flow.types import DataType

# --- which slice of the source -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Everything:
    """The whole source, and the reason (which makes no difference to what is read)."""

    why: str = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnRange:
    """Rows whose column lies in `[lower - lookback, bound]`, bounds as text in the column's own type.

    `lower` is None on a first run; `bound` is None when the source holds no value. The read also meets NULL,
    infinity and NaN in the column, and fails on them: no watermark could ever pass them.
    """

    column: str
    type: DataType
    lower: str | None
    lookback: timedelta
    bound: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SinceTransaction:
    """Rows written by transaction `xid` (64 bits) or a later one.

    `start` and `end` are the offsets of the table's name in the query text, which is replaced by a sub-select;
    `name` is what the rest of the query calls the table where it gave no alias.
    """

    xid: int
    start: int
    end: int
    name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Rows whose column lies in `[start, end)`: asked for by whoever started the run, and no matter of watermarks."""

    column: str
    type: DataType
    start: str
    end: str


ReadWindow: TypeAlias = Everything | ColumnRange | SinceTransaction | Slice


def reads_everything(window: ReadWindow) -> bool:
    """Whether no stored watermark bounds the read, so that the run's own one takes its place, be it a smaller one."""
    match window:
        case Everything() | ColumnRange(lower=None):
            return True
        case ColumnRange() | SinceTransaction() | Slice():
            return False
        case _:
            assert_never(window)


# --- how it is read ----------------------------------------------------------------------------------


class Form(enum.Enum):
    """What the source hands over."""

    ARROW = "arrow"
    COPY = "copy"  # rows as a PostgreSQL server sends them; whoever needs Arrow makes batches of them
    SERVER_SELECT = "server select"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadColumn:
    """One column of the stream: where it comes from and what it is cast to."""

    name: str
    source: DataType | None  # None: absent in the source, read as null
    declared: DataType
    cast: Cast


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPlan:
    """One read. Targets whose read plans are equal share it."""

    job: str
    query: str | None  # None: the body yields record batches
    columns: tuple[ReadColumn, ...]
    window: ReadWindow
    form: Form
    show_values: bool = True  # whether an error may show a value of the source


# --- what happens in a target ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """The key cannot repeat or be null in what is read, so nothing needs to be checked."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unproven:
    """The rows are staged, and their keys checked, before any of them is loaded."""

    why: str


Uniqueness: TypeAlias = Proven | Unproven


@dataclass(frozen=True, slots=True, kw_only=True)
class AddRows:
    """Every row read is added."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddNewKeys:
    """Rows whose key the target does not hold are added."""

    keys: tuple[str, ...]
    uniqueness: Uniqueness
    indexed: bool = True  # a unique index on exactly the key arbitrates; without one, the key is looked up


@dataclass(frozen=True, slots=True, kw_only=True)
class AddMissing:
    """Rows are added as often as they stand in the slice more than in the target's own slice (multisets).

    `window` bounds the target's slice as it bounds the source's; the target may lack the window's column, and
    then all of its rows are compared.
    """

    window: ColumnRange


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceRows:
    """The target becomes exactly what is read."""

    keys: tuple[str, ...]
    uniqueness: Uniqueness


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceSlice:
    """The target's rows in the slice become exactly what is read."""

    window: Slice
    keys: tuple[str, ...]
    uniqueness: Uniqueness


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeRows:
    """Rows with a new key are added; of held ones `update` is set where any of it differs."""

    keys: tuple[str, ...]
    update: tuple[str, ...]
    deletes: Deletes | None
    allow_empty_source: bool
    uniqueness: Uniqueness
    indexed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AddVersions:
    """Rows become versions of their key, unless they equal in `compare` the version that holds at their time.

    The time is the column `valid_from`, or `clock` where that is None.
    """

    keys: tuple[str, ...]
    compare: tuple[str, ...]
    valid_from: str | None
    deletes: Deletes | None
    allow_empty_source: bool
    uniqueness: Uniqueness

    @property
    def identity(self) -> tuple[str, ...]:
        """What tells two observations apart."""
        return self.keys if self.valid_from is None else (*self.keys, self.valid_from)


Action: TypeAlias = AddRows | AddNewKeys | AddMissing | ReplaceRows | ReplaceSlice | MergeRows | AddVersions


@dataclass(frozen=True, slots=True, kw_only=True)
class InsertSelect:
    """One `insert … select` inside the server."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedSelect:
    """The server's own select fills a temporary table, read-only for the query, and is loaded from there."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyInto:
    """Rows go from one server straight into the table of another, as they are."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyStaged:
    """Rows go from one server into a temporary table of another, as they are, and are loaded from there."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrowStream:
    """Record batches travel from the source to the target."""

    why: str


Path: TypeAlias = InsertSelect | StagedSelect | CopyInto | CopyStaged | ArrowStream


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetPlan:
    """What one run does to one target."""

    job: str
    connection: str
    table: Table  # as declared
    stored: Table  # with what the mode adds, as the backend stores it; extra live columns left out
    mode: LoadMode
    action: Action
    steps: tuple[Step, ...]
    path: Path
    read: ReadPlan
    watermark: Watermark | None  # written with the rows
    replaces: Watermark | None = (
        None  # the stored one whose place that takes, or that is void where none is written
    )
    query: int | None = None  # fingerprint, kept beside the watermark of a target without a key
    clock: datetime  # the target's, after the lock: when the run takes place
    show_values: bool = True
    previous_name: str | None = None  # of the job; a watermark stored under it is void once this run commits
    notes: tuple[str, ...] = ()
    sql: tuple[str, ...] = ()  # rendered by the target's sink, for a reader

    @property
    def label(self) -> str:
        """`connection:schema.table`."""
        return f"{self.connection}:{self.table.full_name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPlan:
    """What one run of a job does, target by target."""

    job: str
    targets: tuple[TargetPlan, ...]

    def reads(self) -> dict[ReadPlan, tuple[TargetPlan, ...]]:
        """The targets grouped by the read they share, in order."""
        groups: dict[ReadPlan, tuple[TargetPlan, ...]] = {}
        for target in self.targets:
            groups[target.read] = (*groups.get(target.read, ()), target)
        return groups
