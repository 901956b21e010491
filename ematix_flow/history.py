"""The columns that a mode adds to a declared table: the validity of versions, the mark of deleted rows. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from ematix_flow.spec import Append, Column, Deletes, JobTarget, Merge, Scd2, Table, Truncate, UniqueKey
from ematix_flow.types import Scalar

VALID_FROM, VALID_TO, IS_CURRENT, DELETED_AT = "valid_from", "valid_to", "is_current", "deleted_at"


def physical_table(target: JobTarget) -> Table:
    """The table that the target's mode keeps: the declared one, and what the mode adds to it.

    A history's physical key is the key and `valid_from`, and one version a key is current (Kimball, "Type 2").
    """
    table, mode = target.table, target.mode
    match mode:
        case Append() | Truncate():
            return table
        case Merge(deletes=Deletes.SOFT):
            return replace(
                table, columns=(*table.columns, _instant(DELETED_AT, "when the row was found gone"))
            )
        case Merge():
            return table
        case Scd2(keys=keys):
            declared = tuple(replace(column, primary_key=column.name in keys) for column in table.columns)
            current = UniqueKey(name="current", columns=keys, only_current=True)
            return replace(table, columns=(*declared, *_VALIDITY), unique_keys=(current,))
        case _:
            assert_never(mode)


def added_columns(mode: object) -> tuple[str, ...]:
    """The names that a mode adds, which a table may not declare itself."""
    match mode:
        case Scd2():
            return (VALID_FROM, VALID_TO, IS_CURRENT)
        case Merge(deletes=Deletes.SOFT):
            return (DELETED_AT,)
        case _:
            return ()


def _instant(name: str, comment: str) -> Column:
    return Column(name=name, type=Scalar.TIMESTAMPTZ, comment=comment)


_VALIDITY = (
    replace(_instant(VALID_FROM, "since when the version holds"), nullable=False, primary_key=True),
    _instant(VALID_TO, "until when the version held; null while it holds"),
    Column(name=IS_CURRENT, type=Scalar.BOOLEAN, nullable=False, comment="whether the version holds now"),
)
