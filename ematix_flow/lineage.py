"""Which tables a job reads, found without a database, and which jobs it waits for because of them."""

from __future__ import annotations

import inspect
import warnings
from typing import NoReturn, TypeAlias

from ematix_flow import dag
from ematix_flow.body import SourceHandle, takes_argument
from ematix_flow.errors import DependencyCycleError, SourceQueryError
from ematix_flow.manifest import Manifest, ResolvedJob
from ematix_flow.problems import Problems
from ematix_flow.query import parse_select, source_tables
from ematix_flow.spec import Job

TableName: TypeAlias = tuple[str, str]  # schema, table

# Where PostgreSQL looks for a name without a schema, unless its search_path says otherwise.
_DEFAULT_SCHEMA = "public"


class LineageWarning(UserWarning):
    """A job's body cannot be called without a database, so nobody sees what it reads."""


def tables_read(resolved: ResolvedJob) -> tuple[TableName, ...]:
    """The tables that a job reads, sorted: those its SQL names, and those of its `sources=`.

    A body that is no generator is called once, with a `conn` that refuses to read. When it raises, or returns
    no SQL, `sources=` is all that is known. A name without a schema is taken to lie in "public".

    Raises:
        SourceQueryError: the body returns SQL that is not one read-only SELECT; no run of it could succeed.

    Warns:
        LineageWarning: the body raises, and no `sources=` says what it reads.
    """
    declared = {_split(name) for name in resolved.job.sources}
    text = _offline_sql(resolved)
    if text is None:
        return tuple(sorted(declared))
    named = {(table.schema or _DEFAULT_SCHEMA, table.name) for table in source_tables(parse_select(text))}
    return tuple(sorted(declared | named))


def jobs_in_order(manifest: Manifest) -> dict[str, tuple[str, ...]]:
    """The jobs, each after all that it waits for, with the names of these, sorted.

    A job waits for those that its declaration and its workflows name, and for those that load what it reads.

    Raises:
        DependencyCycleError: jobs read what each other load, in a ring.

    Warns:
        LineageWarning: as `tables_read`.
    """
    waits_for = {name: _waits_for(job, manifest) for name, job in manifest.jobs.items()}
    problems = Problems()
    for ring in dag.rings(waits_for):
        job = manifest.jobs[ring[0]].job
        problems.about(f"job '{job.name}'", job.origin).add(
            f"jobs read what each other load, in a ring: {' → '.join(ring)}; let one of them read something else",
            field="its SQL",
            family=DependencyCycleError,
        )
    problems.raise_if_any()
    return {name: waits_for[name] for name in dag.in_order(waits_for)}


def _waits_for(job: ResolvedJob, manifest: Manifest) -> tuple[str, ...]:
    try:
        read = set(tables_read(job))
    except SourceQueryError:  # which its run will tell
        read = set()
    loading = {
        name
        for name, other in manifest.jobs.items()
        for target in other.targets
        if name != job.job.name
        and target.connection == job.source
        and (target.table.schema, target.table.name) in read
    }
    return tuple(sorted({*job.upstream, *loading}))


def _split(full_name: str) -> TableName:
    schema, _, table = full_name.partition(".")
    return schema, table


def _offline_sql(resolved: ResolvedJob) -> str | None:
    """The SQL that the body returns, or None when it takes more than calling it to know."""
    job = resolved.job
    if inspect.isgeneratorfunction(job.body):
        return None
    conn = SourceHandle(resolved.source.name if resolved.source else "offline", _refuse)
    try:
        given = job.body(conn) if takes_argument(job.body) else job.body()
    except Exception as error:  # noqa: BLE001  # a user's code may raise anything where it finds no database
        if not job.sources:
            _warn(job, error)
        return None
    return given if isinstance(given, str) else None


def _refuse(sql: str) -> NoReturn:
    raise RuntimeError("the body is only asked for its SQL, and no database is open")


def _warn(job: Job, error: Exception) -> None:
    # Not the error's text: it is the user's, and could hold a secret.
    warnings.warn_explicit(
        f"job '{job.name}': its body raised {type(error).__name__} when it was called without a database, so the "
        'tables that it reads are unknown; name them, as in sources=["raw.events"]',
        LineageWarning,
        filename=job.origin.file,
        lineno=job.origin.line,
    )
