"""What a load does to a Delta table, for a reader: SQL's words where SQL has them. Pure; nothing runs this text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from ematix_flow.backends.delta import watermarks
from ematix_flow.backends.delta.slices import slice_condition, slice_predicate
from ematix_flow.history import DELETED_AT
from ematix_flow.migration import (
    AddColumn,
    CommentColumn,
    CommentTable,
    CreateSchema,
    CreateTable,
    DropNotNull,
    Step,
    WidenColumn,
)
from ematix_flow.plan import (
    Action,
    AddMissing,
    AddNewKeys,
    AddRows,
    AddVersions,
    MergeRows,
    ReplaceRows,
    ReplaceSlice,
    TargetPlan,
)
from ematix_flow.spec import Deletes, Table


def statements(plan: TargetPlan, location: str) -> tuple[str, ...]:
    """The steps of a load, in order; `location` is the table's, fit to be shown."""
    return (
        *(line for step in plan.steps for line in _step(step, location)),
        _action(plan.action, plan.stored, location),
        *_watermark(plan),
    )


def _step(step: Step, location: str) -> Iterator[str]:
    match step:
        case CreateSchema():
            return  # a schema is a folder, which comes with the table
        case CreateTable(table=table):
            columns = ", ".join(
                f"{column.name} {column.type}{'' if column.nullable else ' not null'}"
                for column in table.columns
            )
            yield f"create table {location} ({columns})"
        case AddColumn(column=column):
            yield f"add column {column.name} {column.type} to {location}, in the commit that writes the rows"
        case WidenColumn(column=column):
            yield f"rewrite {location} with {column.name} {column.type}, in a commit of its own"
        case DropNotNull() | CommentTable() | CommentColumn():
            yield str(step)  # in no plan: see Alters
        case _:
            assert_never(step)


def _action(action: Action, stored: Table, location: str) -> str:
    match action:
        case AddRows():
            return f"append the rows to {location}"
        case AddNewKeys(keys=keys):
            return f"append to {location} the rows whose key ({', '.join(keys)}) it does not hold"
        case AddMissing(window=window):
            condition = slice_predicate(window, stored)
            where = f" where {condition}" if condition else ""
            return f"append to {location} the rows that its own slice lacks{where}"
        case ReplaceRows():
            return f"overwrite {location} with the rows"
        case ReplaceSlice(window=window):
            return f"overwrite with the rows those of {location} where {slice_condition(window)}"
        case MergeRows():
            return _merge(action, location)
        case AddVersions():
            return _versions(action, location)
        case _:
            assert_never(action)


def _merge(action: MergeRows, location: str) -> str:
    keys, columns = ", ".join(action.keys), ", ".join(action.update)
    line = (
        f"set {columns} of the rows of {location} that differ in them" if columns else "leave held rows alone"
    )
    line += f"; add the rows whose key ({keys}) it does not hold"
    match action.deletes:
        case None:
            return line
        case Deletes.HARD:
            return f"{line}; delete the rows whose key is not read"
        case Deletes.SOFT:
            return (
                f"{line}; set {DELETED_AT} of the rows whose key is not read, and clear it where it is read"
            )


def _versions(action: AddVersions, location: str) -> str:
    keys = ", ".join(action.keys)
    since = f"from {action.valid_from} on" if action.valid_from else "from now on"
    line = f"add to {location} a version of each key ({keys}), {since}, that differs from the one that holds then in"
    line += f" {', '.join(action.compare) or 'nothing'}; end the one before it"
    if action.deletes is None:
        return line
    return f"{line}; end the current versions of keys that are not read"


def _watermark(plan: TargetPlan) -> Iterator[str]:
    if plan.watermark is not None:
        app_id = watermarks.app_id(plan.job, plan.watermark.cursor)
        yield f"with transaction {app_id} = {plan.watermark.value}, in the same commit"
