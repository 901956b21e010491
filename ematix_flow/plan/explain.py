"""A plan in words: the dry run that a person reads."""

from __future__ import annotations

import textwrap
from typing import assert_never

from ematix_flow.plan.values import (
    Action,
    AddMissing,
    AddNewKeys,
    AddRows,
    AddVersions,
    ArrowStream,
    ColumnRange,
    CopyInto,
    CopyStaged,
    Everything,
    InsertSelect,
    JobPlan,
    MergeRows,
    Path,
    Proven,
    ReadWindow,
    ReplaceRows,
    ReplaceSlice,
    SinceTransaction,
    Slice,
    StagedSelect,
    TargetPlan,
    Uniqueness,
    Unproven,
)


def explain(plan: JobPlan) -> str:
    """What the run will do, target by target; several lines, without a trailing newline."""
    return "\n".join([f"job {plan.job}", *(_target(target) for target in plan.targets)])


def _target(plan: TargetPlan) -> str:
    watermark = plan.watermark.value if plan.watermark else "none is kept"
    lines = [
        f"  target {plan.label}",
        f"    load      {describe_action(plan.action)}",
        f"    window    {describe_window(plan.read.window)}",
        f"    path      {describe_path(plan.path)}",
        f"    watermark {watermark}",
        *(f"    step      {step}" for step in plan.steps),
        *(f"    note      {note}" for note in plan.notes),
        *(textwrap.indent(f"sql       {statement}", "    ") for statement in plan.sql),
    ]
    return "\n".join(lines)


def describe_window(window: ReadWindow) -> str:
    """Which slice of the source is read, as a phrase."""
    match window:
        case Everything(why=why):
            return f"every row, because {why}"
        case ColumnRange(column=column, bound=None):
            return f"nothing, because the source holds no value of {column}"
        case ColumnRange(column=column, lower=None, bound=bound):
            return f"{column} up to {bound}, because no watermark is used"
        case ColumnRange(column=column, lower=lower, bound=bound, lookback=lookback):
            less = f" less {lookback}" if lookback else ""
            return f"{column} from {lower}{less} to {bound}"
        case Slice(column=column, start=start, end=end):
            return f"{column} from {start} to {end}, the end left out, because it was asked for"
        case SinceTransaction(xid=xid):
            return f"rows written since transaction {xid}"
        case _:
            assert_never(window)


def describe_action(action: Action) -> str:
    """How rows reach the target, as a phrase."""
    match action:
        case AddRows():
            return "add every row that is read"
        case AddNewKeys(keys=keys, uniqueness=uniqueness):
            return f"add rows with a new key ({', '.join(keys)}); {_describe_uniqueness(uniqueness)}"
        case AddMissing(window=window):
            return f"add the rows of the slice by {window.column} that the target lacks"
        case ReplaceRows(uniqueness=uniqueness):
            return f"replace the whole table; {_describe_uniqueness(uniqueness)}"
        case ReplaceSlice(window=window, uniqueness=uniqueness):
            return f"replace the slice by {window.column}; {_describe_uniqueness(uniqueness)}"
        case MergeRows(keys=keys, uniqueness=uniqueness, deletes=deletes):
            gone = f"; rows that are gone are deleted ({deletes.value})" if deletes else ""
            return f"merge by key ({', '.join(keys)}){gone}; {_describe_uniqueness(uniqueness)}"
        case AddVersions(keys=keys, compare=compare, valid_from=valid_from, deletes=deletes):
            since = f"since {valid_from}" if valid_from else "since this run"
            gone = "; versions of rows that are gone are closed" if deletes else ""
            return (
                f"keep versions of ({', '.join(keys)}) that differ in ({', '.join(compare)}), {since}{gone}"
            )
        case _:
            assert_never(action)


def describe_path(path: Path) -> str:
    """How rows travel, and why, as a phrase."""
    match path:
        case InsertSelect(why=why):
            return f"insert … select inside the server, because {why}"
        case StagedSelect(why=why):
            return f"staged inside the server, because {why}"
        case CopyInto(why=why):
            return f"COPY from server to server, because {why}"
        case CopyStaged(why=why):
            return f"COPY from server to server and staged there, because {why}"
        case ArrowStream(why=why):
            return f"Arrow record batches, because {why}"
        case _:
            assert_never(path)


def _describe_uniqueness(uniqueness: Uniqueness) -> str:
    match uniqueness:
        case Proven(why=why):
            return f"keys need no check, because {why}"
        case Unproven(why=why):
            return f"keys are checked first, because {why}"
        case _:
            assert_never(uniqueness)
