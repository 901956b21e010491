"""What a job's body gives: one SQL string, or record batches."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from ematix_flow.errors import EmatixError, SourceQueryError
from ematix_flow.query import Select, parse_select
from ematix_flow.spec import Job
from ematix_flow.state import SourceColumn
from ematix_flow.streams import Batches

if TYPE_CHECKING:
    import pyarrow as pa


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
        from ematix_flow.yielded import rows_of  # with Arrow, which SQL does without

        return Rows(*rows_of(job, given))
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
