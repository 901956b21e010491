"""Planning: what one run will do, computed from what was declared, asked and seen."""

from __future__ import annotations

from ematix_flow.plan.cursors import Cursor, NoCursor, cursor_for
from ematix_flow.plan.explain import describe_action, describe_path, describe_window, explain
from ematix_flow.plan.make import make_plan
from ematix_flow.plan.values import (
    Action,
    AddMissing,
    AddNewKeys,
    AddRows,
    ArrowStream,
    ColumnRange,
    Everything,
    Form,
    InsertSelect,
    JobPlan,
    Path,
    Proven,
    ReadColumn,
    ReadPlan,
    ReadWindow,
    ReplaceRows,
    SinceTransaction,
    StagedSelect,
    TargetPlan,
    Uniqueness,
    Unproven,
)

__all__ = [
    "Action",
    "AddMissing",
    "AddNewKeys",
    "AddRows",
    "ArrowStream",
    "ColumnRange",
    "Cursor",
    "Everything",
    "Form",
    "InsertSelect",
    "JobPlan",
    "NoCursor",
    "Path",
    "Proven",
    "ReadColumn",
    "ReadPlan",
    "ReadWindow",
    "ReplaceRows",
    "SinceTransaction",
    "StagedSelect",
    "TargetPlan",
    "Uniqueness",
    "Unproven",
    "cursor_for",
    "describe_action",
    "describe_path",
    "describe_window",
    "explain",
    "make_plan",
]
