"""Which way rows take from the source to a target, and why. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import assert_never

from ematix_flow.manifest import ResolvedJob
from ematix_flow.migration import is_unique
from ematix_flow.plan.values import (
    Action,
    AddMissing,
    AddNewKeys,
    AddRows,
    AddVersions,
    ArrowStream,
    CopyInto,
    CopyStaged,
    Form,
    InsertSelect,
    JobPlan,
    MergeRows,
    Path,
    Proven,
    ReadColumn,
    ReplaceRows,
    ReplaceSlice,
    StagedSelect,
    TargetPlan,
)
from ematix_flow.query import Select, attributes, impurity
from ematix_flow.spec import Deletes, JobTarget, PostgresConnection
from ematix_flow.state import RelationKind, RunRequest, SourceState, TargetState
from ematix_flow.types import ListOf, Scalar

_TABLES = (RelationKind.HEAP, RelationKind.PARTITIONED, RelationKind.INHERITED)


def travelling(
    job: ResolvedJob,
    target: JobTarget,
    select: Select | None,
    action: Action,
    state: TargetState,
    request: RunRequest,
    columns: Sequence[ReadColumn],
) -> Path:
    """How rows that leave their server reach a target."""
    why = _why_they_travel(job, target)
    if form_of(job, select) is Form.ARROW or not isinstance(target.connection, PostgresConnection):
        return ArrowStream(why=why)
    if reason := _why_other(columns, target, state) or _why_staged(action, target, state, request):
        return CopyStaged(why=f"{why}, and {reason}")
    return CopyInto(why=why)


def form_of(job: ResolvedJob, select: Select | None) -> Form:
    """What the source hands over where rows leave it."""
    return Form.COPY if select is not None and isinstance(job.source, PostgresConnection) else Form.ARROW


def _why_they_travel(job: ResolvedJob, target: JobTarget) -> str:
    if job.source is None:
        return "the body yields record batches"
    if job.source == target.connection:
        return "the rows do not come from a query in the target's own database, or go to several targets"
    return f"rows travel from {job.source.name} to {target.connection.name}"


def _why_other(columns: Sequence[ReadColumn], target: JobTarget, state: TargetState) -> str | None:
    """Why the stream's records are not those of the table, which binary COPY takes only as they are."""
    if len(columns) != len(target.table.columns):
        return "the stream carries columns of other targets"
    for column in columns:
        for table in (target.table, state.live):
            held = table.column(column.name) if table else None
            if held is not None and held.type != column.declared:
                return f"{column.name} is {held.type} in the table and {column.declared} in the stream"
        if column.declared == ListOf(Scalar.TEXT) and state.live and state.live.column(column.name):
            # A record names the type of an array's elements, and text is another one than varchar.
            return f"{column.name} is an array of texts in the table, perhaps of varchar"
    return None


def _why_staged(action: Action, target: JobTarget, state: TargetState, request: RunRequest) -> str | None:
    """Why rows cannot go straight into the table; None where they can.

    Where nothing is held yet, the table's own index tells whether a key repeats, and NOT NULL whether one is missing;
    only then is the load done again in a way that says which.
    """
    if target.label in request.staged:
        return "a key repeats or is missing"
    if not state.takes_copy:
        return "COPY loads neither a view nor a table under row security"
    match action:
        case AddRows() | ReplaceRows(keys=()) | ReplaceSlice(keys=()):
            return None
        case AddMissing():
            return "the slice is compared with the target's"
        case AddVersions():
            return "versions are compared with those that are held"
        case ReplaceSlice():
            return "a key may be held outside of the slice"
        case AddNewKeys() | MergeRows() if not state.empty:
            return "their keys are looked for in the table"
        case (
            AddNewKeys(uniqueness=Proven())
            | MergeRows(uniqueness=Proven())
            | ReplaceRows(uniqueness=Proven())
        ):
            return None
        case AddNewKeys(keys=keys) | MergeRows(keys=keys):
            # A new table gets an index on the key, which a live one may lack.
            indexed = is_unique(state.live, keys)
        case ReplaceRows(keys=keys):
            indexed = is_unique(state.live or state.stored, keys)
        case _:
            assert_never(action)
    return None if indexed and _not_null(state, keys) else "no index of the table refuses a repeated key"


def _not_null(state: TargetState, keys: tuple[str, ...]) -> bool:
    held = (state.live or state.stored).columns
    return all(not column.nullable for column in held if column.name in keys)


def inside_the_server(
    plan: JobPlan, select: Select | None, source: SourceState, states: Mapping[str, TargetState]
) -> JobPlan:
    """A read that serves one target in the source's own database need not leave the server."""
    if select is None:
        return plan
    targets: dict[str, TargetPlan] = {}
    for read, group in plan.reads().items():
        for target in group:
            state = states[target.label]
            if len(group) == 1 and state.mark is not None and state.mark in source.marks_held:
                path = _server_path(target, select, source, state)
                own = tuple(column for column in read.columns if target.stored.column(column.name))
                alone = replace(read, columns=own, form=Form.SERVER_SELECT)
                targets[target.label] = replace(target, path=path, read=alone)
            else:
                targets[target.label] = target
    return replace(plan, targets=tuple(targets[target.label] for target in plan.targets))


def _server_path(target: TargetPlan, select: Select, source: SourceState, state: TargetState) -> Path:
    same = "source and target are one database"
    if why := impurity(select) or _more_than_tables(select, source):
        return StagedSelect(why=f"{same}, but {why}")
    if any((r.schema, r.name) == (target.table.schema, target.table.name) for r in source.relations):
        return StagedSelect(why=f"{same}, but the query reads the target itself")
    if state.drops_rows:
        return StagedSelect(why=f"{same}, but a trigger of the target may leave rows out")
    match target.action:
        case AddRows():
            return InsertSelect(why=same)
        case AddMissing():
            return StagedSelect(why=f"{same}, but the slice is compared with the target's")
        case ReplaceSlice(keys=(_, *_)):
            return StagedSelect(why=f"{same}, and the slice's keys are looked for outside of it")
        case AddVersions():
            return StagedSelect(why=f"{same}, and versions are compared with those that are held")
        case MergeRows(deletes=Deletes()):
            return StagedSelect(why=f"{same}, and rows that are gone are looked for")
        case AddNewKeys(indexed=False) | MergeRows(indexed=False):
            return StagedSelect(why=f"{same}, but no unique index of the target tells its rows apart")
        case (
            AddNewKeys(uniqueness=unique)
            | ReplaceRows(uniqueness=unique)
            | ReplaceSlice(uniqueness=unique)
            | MergeRows(uniqueness=unique)
        ):
            if isinstance(unique, Proven):
                return InsertSelect(why=f"{same}, and {unique.why}")
            return StagedSelect(why=f"{same}, but {unique.why}")
        case _:
            assert_never(target.action)


def _more_than_tables(select: Select, source: SourceState) -> str | None:
    """Why the query might run somebody's code: what its text cannot tell, and the catalog can."""
    if source.overloads:
        return f"{source.overloads[0]} is somebody's own beside the built-in one, and might be what it means"
    for relation in source.relations:
        name = f"{relation.schema}.{relation.name}"
        if relation.kind not in _TABLES:
            return f"{name} is {relation.kind.value}"
        if relation.row_security:
            return f"row security is active on {name}"
        for column in relation.columns:
            if not column.built_in:
                return f"the type {column.type} of {name} is not built in"
    known = {column.name for relation in source.relations for column in relation.columns}
    if unknown := sorted(attributes(select) - known):
        return f"{unknown[0]} is no column of the tables that it names, and may be a function"
    return None
