"""Which source column feeds which declared one, and the cast between them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from ematix_flow.casts import Cast, Refused, classify
from ematix_flow.errors import PlanError, UnsafeCastError
from ematix_flow.manifest import ResolvedJob
from ematix_flow.plan.values import ReadColumn
from ematix_flow.spec import Column, ExtraColumns, Incremental, Job, Table
from ematix_flow.state import SourceState
from ematix_flow.types import DataType, ListOf, Scalar, travels_as_text


def read_columns(
    resolved: ResolvedJob, tables: Sequence[Table], source: SourceState
) -> tuple[ReadColumn, ...]:
    """The stream's columns: those of `tables`, each once, in the order in which they are declared.

    `tables` are those of the targets that take part in this run.

    Raises:
        PlanError: a NOT NULL column is missing in the source, the source has columns that no target declares, or
            two targets declare one column with types of which neither holds the other's values.
        UnsafeCastError: a source type could lose information in the declared one.
    """
    job = resolved.job
    wanted: dict[str, Column] = {}
    for table in tables:
        for column in table.columns:
            wanted[column.name] = _narrower(job, wanted.get(column.name), column)
    given = {column.name: column.type for column in source.columns}
    _refuse_surplus(job, given, {c.name for target in resolved.targets for c in target.table.columns})
    return tuple(_read_column(job, column, given) for column in wanted.values())


def _narrower(job: Job, one: Column | None, other: Column) -> Column:
    """A column whose values both targets hold: a fan-out has the narrowest types of its targets."""
    if one is None:
        return other
    nullable = one.nullable and other.nullable
    if _holds(one.type, other.type):
        return replace(other, nullable=nullable)
    if _holds(other.type, one.type):
        return replace(one, nullable=nullable)
    raise PlanError(
        job=job.name,
        reason=f"column '{one.name}' is {one.type} in one target and {other.type} in another, and one stream cannot "
        "serve both; declare one type, or use two jobs",
    )


def _holds(wide: DataType, narrow: DataType) -> bool:
    """Whether a target of the wide type takes a stream of the narrow one as it is."""
    match wide, narrow:
        case ListOf(element=of_wide), ListOf(element=of_narrow):
            return _holds(of_wide, of_narrow)
        case Scalar.TEXT, _ if not travels_as_text(narrow):
            return False  # each backend would spell the value in its own way
        case _:
            return wide == narrow or classify(narrow, wide) is Cast.LOSSLESS


def _refuse_surplus(job: Job, given: dict[str, DataType], declared: set[str]) -> None:
    exempt = {job.increment.column} if isinstance(job.increment, Incremental) else set()
    surplus = [name for name in given if name not in declared | exempt]
    if surplus and job.extra_columns is ExtraColumns.ERROR:
        raise PlanError(
            job=job.name,
            reason=f"the query returns {_names(surplus)}, which no target declares, so the values would be lost; "
            f"declare them, leave them out of the query, or say extra_columns='ignore' (the targets declare {_names(sorted(declared))})",
        )


def _read_column(job: Job, column: Column, given: dict[str, DataType]) -> ReadColumn:
    source = given.get(column.name)
    if source is None:
        if column.nullable:
            return ReadColumn(name=column.name, source=None, declared=column.type, cast=Cast.ABSENT)
        raise PlanError(
            job=job.name,
            reason=f"the query does not return '{column.name}', which is declared NOT NULL; the query returns "
            f"{_names(given)}",
        )
    verdict = classify(source, column.type)
    if isinstance(verdict, Refused):
        raise UnsafeCastError(
            job=job.name,
            column=column.name,
            source_type=str(source),
            declared_type=str(column.type),
            reason="that could lose information without notice; declare another type, or say what you mean in the "
            f"query, over the column x: {verdict.remedy}",
        )
    return ReadColumn(name=column.name, source=source, declared=column.type, cast=verdict)


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
