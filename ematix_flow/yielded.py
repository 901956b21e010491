"""What a body yields, as one stream of record batches."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

import pyarrow as pa

from ematix_flow.errors import SourceQueryError
from ematix_flow.spec import Job
from ematix_flow.state import SourceColumn
from ematix_flow.streams import Batches
from ematix_flow.types import from_arrow


def rows_of(job: Job, given: Any) -> tuple[tuple[SourceColumn, ...] | None, Batches]:
    """The columns, None where nothing came that would tell, and the rows.

    Raises:
        SourceQueryError: the body gives something else, or columns that cannot be loaded.
    """
    batches = _batches(job, given)
    first = next(batches, None)
    if first is None:
        return None, Batches(pa.schema([]), iter(()))
    names = first.schema.names
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise SourceQueryError(
            job=job.name,
            reason=f"the body yields {', '.join(repeated)} more than once; give each column its own name",
        )
    columns = tuple(SourceColumn(name=field.name, type=from_arrow(field.type)) for field in first.schema)
    return columns, Batches(first.schema, _same_schema(job, first.schema, chain([first], batches)))


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
