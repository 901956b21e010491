"""Declared against live: what is applied before a load, and what is drift. Pure."""

from __future__ import annotations

from ematix_flow.migration.compare import diff, is_unique
from ematix_flow.migration.values import (
    AddColumn,
    AddFilledColumn,
    ChangeType,
    CommentColumn,
    CommentTable,
    CreateSchema,
    CreateTable,
    Drift,
    DropNotNull,
    DropUnique,
    LetBeSet,
    Migration,
    Remedy,
    RenameColumn,
    SetNotNull,
    Step,
    WidenColumn,
)
from ematix_flow.migration.versions import version_drifts

__all__ = [
    "AddColumn",
    "AddFilledColumn",
    "ChangeType",
    "CommentColumn",
    "CommentTable",
    "CreateSchema",
    "CreateTable",
    "Drift",
    "DropNotNull",
    "DropUnique",
    "LetBeSet",
    "Migration",
    "Remedy",
    "RenameColumn",
    "SetNotNull",
    "Step",
    "WidenColumn",
    "diff",
    "is_unique",
    "version_drifts",
]
