"""Which way rows take from the source to a target, and why. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import assert_never

from ematix_flow.manifest import ResolvedJob
from ematix_flow.plan.values import (
    AddMissing,
    AddNewKeys,
    AddRows,
    AddVersions,
    Form,
    InsertSelect,
    JobPlan,
    MergeRows,
    Path,
    Proven,
    ReplaceRows,
    ReplaceSlice,
    StagedSelect,
    TargetPlan,
)
from ematix_flow.query import Select, attributes, impurity
from ematix_flow.spec import Deletes, JobTarget
from ematix_flow.state import RelationKind, SourceState, TargetState

_TABLES = (RelationKind.HEAP, RelationKind.PARTITIONED, RelationKind.INHERITED)


def why_arrow(job: ResolvedJob, target: JobTarget) -> str:
    """Why rows leave the server, as a phrase for explain."""
    if job.source is None:
        return "the body yields record batches"
    if job.source == target.connection:
        return "the rows do not come from a query in the target's own database, or go to several targets"
    return f"rows travel from {job.source.name} to {target.connection.name}"


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
