"""What a job's body gives: one SQL string, or record batches."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeAlias

import pyarrow as pa

from ematix_flow.errors import EmatixError, SourceQueryError
from ematix_flow.query import Select, parse_select
from ematix_flow.spec import Job
from ematix_flow.state import SourceColumn
from ematix_flow.streams import Batches
from ematix_flow.types import from_arrow


@dataclass(frozen=True, slots=True)
class SourceHandle:
    """What a body gets as `conn`: the source's name, and a way to read it. It holds no credentials."""

    name: str
    read: Callable[[str], pa.RecordBatchReader]


@dataclass(frozen=True, slots=True)
class Query:
    """The body returned one read-only select."""

    select: Select


@dataclass(frozen=True, slots=True)
class Rows:
    """The body yields record batches; without any, `columns` is None."""

    columns: tuple[SourceColumn, ...] | None
    batches: Batches


Given: TypeAlias = Query | Rows


def call_body(job: Job, handle: SourceHandle | None) -> Given:
    """Call the body and take what it gives.

    Raises:
        SourceQueryError: the body raises, gives something else, or its SQL is not one read-only select.
        BackendUnavailableError: the body reads the source, which cannot be reached.
    """
    try:
        given = job.body(handle) if takes_argument(job.body) else job.body()
        if isinstance(given, str):
            return Query(parse_select(given))
        return _rows(job, given)
    except SourceQueryError as error:
        raise SourceQueryError(job=job.name, reason=error.reason) from error
    except EmatixError:  # of `conn.read`, which names its job
        raise
    except Exception as error:
        raise SourceQueryError(
            job=job.name, reason=f"the body raised {type(error).__name__}: {error}"
        ) from error


def takes_argument(body: Callable[..., Any]) -> bool:
    """Whether the body wants the source connection."""
    return bool(inspect.signature(body).parameters)


def _rows(job: Job, given: Any) -> Rows:
    batches = _batches(job, given)
    first = next(batches, None)
    if first is None:
        return Rows(None, Batches(pa.schema([]), iter(())))
    names = first.schema.names
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise SourceQueryError(
            job=job.name,
            reason=f"the body yields {', '.join(repeated)} more than once; give each column its own name",
        )
    columns = tuple(SourceColumn(name=field.name, type=from_arrow(field.type)) for field in first.schema)
    return Rows(columns, Batches(first.schema, _same_schema(job, first.schema, chain([first], batches))))


def _batches(job: Job, given: Any) -> Iterator[pa.RecordBatch]:
    match given:
        case pa.RecordBatch():
            yield given
        case pa.Table():
            yield from given.to_batches()
        case _ if hasattr(given, "__arrow_c_stream__"):
            yield from pa.RecordBatchReader.from_stream(given)
        case _ if hasattr(given, "__iter__") and not isinstance(given, (dict, bytes)):
            for item in given:
                if not isinstance(item, (pa.RecordBatch, pa.Table)):
                    raise _wrong(job, f"yielded {type(item).__name__}")
                yield from _batches(job, item)
        case _:
            raise _wrong(job, f"returned {type(given).__name__}")


def _same_schema(job: Job, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        if batch.schema.names != schema.names:
            raise SourceQueryError(
                job=job.name,
                reason=f"the body yielded columns {batch.schema.names} after {schema.names}; yield one set of columns",
            )
        yield batch


def _wrong(job: Job, what: str) -> SourceQueryError:
    return SourceQueryError(
        job=job.name, reason=f"the body {what}; return one SQL string, or yield pyarrow.RecordBatch values"
    )
