"""What a run tells while it goes and when it ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from ematix_flow.errors import EmatixError
from ematix_flow.plan import JobPlan, TargetPlan
from ematix_flow.state import Watermark


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadCounts:
    """Exact row counts of one load: `read` is what came from the source, `unchanged` what the target already had."""

    read: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    closed: int = 0
    bytes: int = 0  # of the rows as they travelled; 0 where none left the server


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """The plan is made; nothing was changed yet."""

    plan: JobPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Rows that reached one target so far; they are not committed yet."""

    label: str
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetResult:
    """What happened to one target: committed when `error` is None, else left as it was."""

    connection: str
    table: str  # schema.table
    plan: TargetPlan | None  # None when the run failed before it was planned
    counts: LoadCounts
    watermark: Watermark | None
    seconds: float
    error: EmatixError | None = None

    @property
    def label(self) -> str:
        """`connection:schema.table`."""
        return f"{self.connection}:{self.table}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrying:
    """A target failed in a way that passes; it was left as it was, and is tried again from the start."""

    label: str
    error: EmatixError
    attempt: int  # the one that failed, from 1


Event: TypeAlias = Planned | Progress | Retrying | TargetResult


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """What happened to every target of one run."""

    job: str
    targets: tuple[TargetResult, ...]

    @property
    def failed(self) -> tuple[TargetResult, ...]:
        """The targets that were not loaded."""
        return tuple(target for target in self.targets if target.error is not None)
