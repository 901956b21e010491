"""What a run writes into Dagster's log."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import assert_never

from ematix_flow import Event, Planned, Progress, Retrying, TargetResult, explain

# Often enough to see that a load moves, rare enough for a load of hours.
_SECONDS_BETWEEN_PROGRESS = 10.0


@dataclass(slots=True)
class Story:
    """Logs the events of one run; rows in flight at most every ten seconds a target."""

    log: logging.Logger
    clock: Callable[[], float]
    _told_at: dict[str, float] = field(default_factory=dict)

    def tell(self, event: Event) -> None:
        """Log one event, unless it is progress told too recently."""
        match event:
            case Planned(plan=plan):
                self.log.info(explain(plan))
            case Progress(label=label):
                if self._is_due(label):
                    self.log.info(f"{label}: {event.rows:,} rows so far")
            case Retrying(label=label):
                self.log.warning(f"{label}: attempt {event.attempt} failed, trying again. {event.error}")
            case TargetResult(error=None):
                self.log.info(_loaded(event))
            case TargetResult(error=error):
                self.log.error(f"{event.label}: not loaded, and left as it was. {error}")
            case _:
                assert_never(event)

    def _is_due(self, label: str) -> bool:
        now = self.clock()
        due = now - self._told_at.setdefault(label, now) >= _SECONDS_BETWEEN_PROGRESS
        if due:
            self._told_at[label] = now
        return due


def _loaded(result: TargetResult) -> str:
    counts = result.counts
    return (
        f"{result.label}: committed after {result.seconds:.1f} s; {counts.read:,} rows read, {counts.inserted:,} "
        f"inserted, {counts.updated:,} updated, {counts.unchanged:,} unchanged, {counts.deleted:,} deleted"
    )
