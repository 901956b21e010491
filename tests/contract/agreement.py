"""One run of a backend beside one of the specification."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from contract.backends import Backend, Told

from ematix_flow import DuplicateKeyError, EmptySourceError, Job, LoadCounts, NullKeyError
from ematix_flow.testing import DuplicateKey, EmptySource, MemoryBackend, NullKey, Row

TABLE = "analytics.t"
REFUSALS: Mapping[type[Exception], type[Exception]] = {
    NullKey: NullKeyError,
    DuplicateKey: DuplicateKeyError,
    EmptySource: EmptySourceError,
}


def agree(backend: Backend, memory: MemoryBackend, rows: Sequence[Row]) -> None:
    """Load the same rows into both: they leave the same rows and tell the same counts, or refuse for one reason."""
    told = backend.run(rows)
    meant = _specified(memory, backend.job, rows, told.clock)
    assert told.refusal is meant.refusal
    assert backend.compared(told.counts) == backend.compared(meant.counts)
    assert as_texts(backend.rows()) == as_texts(memory.rows(TABLE))


def _specified(memory: MemoryBackend, job: Job, rows: Sequence[Row], clock: datetime) -> Told:
    try:
        return Told(memory.load(job, rows, loaded_at=clock), clock)
    except tuple(REFUSALS) as refusal:
        return Told(LoadCounts(), clock, REFUSALS[type(refusal)])


def as_texts(rows: Iterable[Row]) -> list[str]:
    """The rows, sorted, in a form that tells twins apart and that a reader can compare."""
    return sorted(" ".join(f"{name}={_text(value)}" for name, value in sorted(each.items())) for each in rows)


def _text(value: object) -> str:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else repr(value)
