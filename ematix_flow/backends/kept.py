"""What a target holds of how far a job got, for a person to read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptWatermark:
    """A stored watermark. `value` is text as PostgreSQL prints it (ISO dates, UTC)."""

    cursor: str  # what is counted
    value: str
    stored_at: datetime | None  # aware, UTC; None where a lake's log no longer tells
