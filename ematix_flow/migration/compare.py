"""diff: the declared table against the live one. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TypeAlias, assert_never

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
    LetBeSet,
    Migration,
    Remedy,
    RenameColumn,
    SetNotNull,
    WidenColumn,
)
from ematix_flow.spec import Column, Computed, Table, UniqueKey
from ematix_flow.state import Alters, TargetState
from ematix_flow.types import DataType, Decimal, Scalar, Varchar


def diff(state: TargetState, keys: tuple[str, ...]) -> Migration:
    """Compare like with like: the declared table as this backend stores it, and the live one.

    `keys` are those for which a new table gets a unique index; () for none. A live column's default is nobody's
    business, and so is a comment that the declaration does not replace.
    """
    if state.live is None:
        schema = () if state.schema_exists else (CreateSchema(schema=state.stored.schema),)
        return Migration(steps=(*schema, CreateTable(table=_with_unique(state.stored, keys))))
    found = [_as_allowed(difference, state.alters) for difference in _differences(state, state.live)]
    return Migration(
        steps=tuple(each for each in found if each is not None and not isinstance(each, Drift)),
        drifts=tuple(each for each in found if isinstance(each, Drift)),
    )


def _with_unique(table: Table, keys: tuple[str, ...]) -> Table:
    if not keys or is_unique(table, keys):
        return table
    return replace(table, unique_keys=(*table.unique_keys, UniqueKey(name="keys", columns=keys)))


def is_unique(table: Table | None, keys: tuple[str, ...]) -> bool:
    """Whether a unique index on exactly `keys` tells the rows of a table apart."""
    if table is None:
        return True  # it is about to be created with one
    return any(
        set(keys) == set(columns) for columns in (table.primary_key, *(u.columns for u in table.unique_keys))
    )


_OF_A_LAKE = (Alters.NULLABLE_COLUMNS, Alters.REWRITING)
_Alteration: TypeAlias = AddColumn | DropNotNull | WidenColumn | CommentTable | CommentColumn


def _differences(state: TargetState, live: Table) -> Iterator[_Alteration | Drift]:
    declared = state.stored
    adds_nullable_ones = state.alters in _OF_A_LAKE
    renamed = {} if state.empty or adds_nullable_ones else _renamed(declared, live)
    for column in declared.columns:
        held = live.column(column.name)
        if held is not None:
            yield from _type_difference(declared, column, held)
            yield from _null_difference(declared, column, held)
            yield from _computed_difference(declared, held)
        elif column.name in renamed:
            yield _renaming(declared, column, renamed[column.name])
        elif column.nullable or column.default is not None or state.empty or adds_nullable_ones:
            yield AddColumn(table=declared, column=column)
        else:
            yield Drift(
                text=f"column {column.name} is missing and declared NOT NULL without a default",
                remedy=AddFilledColumn(table=declared, column=column),
            )
    left_over = [column for column in _surplus(declared, live) if column.name not in renamed.values()]
    yield from (_needless(declared, column) for column in left_over)
    yield from _comment_differences(declared, live)


def _type_difference(table: Table, declared: Column, live: Column) -> Iterator[_Alteration | Drift]:
    if declared.type == live.type:
        return
    if _widens_by_rewriting(live.type, declared.type) or _widens_in_place(live.type, declared.type):
        rewrites = _widens_by_rewriting(live.type, declared.type)
        yield WidenColumn(table=table, column=declared, live=live.type, rewrites=rewrites)
    else:
        yield Drift(
            text=f"column {declared.name} is {live.type}, declared {declared.type}",
            remedy=ChangeType(table=table, column=declared),
        )


def _widens_by_rewriting(live: DataType, declared: DataType) -> bool:
    return (live, declared) in {
        (Scalar.SMALLINT, Scalar.INTEGER),
        (Scalar.SMALLINT, Scalar.BIGINT),
        (Scalar.INTEGER, Scalar.BIGINT),
        (Scalar.REAL, Scalar.DOUBLE),
    }


def _widens_in_place(live: DataType, declared: DataType) -> bool:
    match live, declared:
        case Varchar(), Scalar.TEXT:
            return True
        case Varchar(length=held), Varchar(length=wanted):
            return held < wanted
        case Decimal(precision=int(held), scale=of_held), Decimal(precision=int(wanted), scale=of_wanted):
            return held < wanted and of_held == of_wanted
        case _:
            return False


def _null_difference(table: Table, declared: Column, live: Column) -> Iterator[_Alteration | Drift]:
    if live.nullable and not declared.nullable:
        yield Drift(
            text=f"column {declared.name} is nullable, declared NOT NULL",
            remedy=SetNotNull(table=table, column=declared),
        )
    elif declared.nullable and not live.nullable and live.primary_key:
        yield Drift(text=f"column {declared.name} is part of the live primary key, declared nullable")
    elif declared.nullable and not live.nullable:
        yield DropNotNull(table=table, column=declared.name)


def _computed_difference(table: Table, live: Column) -> Iterator[Drift]:
    if live.computed is None:
        return
    text = f"column {live.name} is {live.computed.value}, and no load can set it; leave it out of the declaration"
    if live.computed is Computed.VIRTUAL:  # which PostgreSQL turns into no other column
        yield Drift(text=text)
    else:
        yield Drift(
            text=f"{text}, or let it be set",
            remedy=LetBeSet(table=table, column=live.name, computed=live.computed),
        )


# --- columns that nobody declared ---------------------------------------------------------------------


def _surplus(declared: Table, live: Table) -> list[Column]:
    """Live columns without which no row can be added; others are tolerated."""
    return [
        column
        for column in live.columns
        if declared.column(column.name) is None and not column.nullable and not column.has_default
    ]


def _needless(table: Table, live: Column) -> Drift:
    text = f"column {live.name} is NOT NULL and not declared, so no row could be added"
    if live.primary_key:
        return Drift(text=f"{text}; it is part of the live primary key")
    return Drift(text=text, remedy=DropNotNull(table=table, column=live.name))


def _renamed(declared: Table, live: Table) -> dict[str, str]:
    """Missing columns with the surplus one that each might have been, where nothing else could be meant."""
    missing = [c for c in declared.columns if live.column(c.name) is None and not c.nullable]
    surplus = _surplus(declared, live)
    return {
        column.name: candidates[0].name
        for column in missing
        if len(candidates := [each for each in surplus if each.type == column.type]) == 1
        and sum(other.type == column.type for other in missing) == 1
        and column.default is None
    }


def _renaming(table: Table, column: Column, live: str) -> Drift:
    return Drift(
        text=f"column {column.name} is missing, and {live} of the same type is NOT NULL and not declared, as if it "
        "had been renamed",
        remedy=RenameColumn(table=table, live=live, column=column.name),
    )


# --- comments -----------------------------------------------------------------------------------------


def _comment_differences(declared: Table, live: Table) -> Iterator[_Alteration]:
    if declared.comment and declared.comment != live.comment:
        yield CommentTable(table=declared)
    for column in declared.columns:
        held = live.column(column.name)
        if held is not None and column.comment and column.comment != held.comment:
            yield CommentColumn(table=declared, column=column)


# --- what may be done here ----------------------------------------------------------------------------


def _as_allowed(difference: _Alteration | Drift, alters: Alters) -> _Alteration | Drift | None:
    """The step where a load may take it, else a drift; no load fails for a comment that it may not write."""
    if isinstance(difference, Drift) or alters is Alters.ANYTHING:
        return difference
    remedy: Remedy = difference
    match difference:
        case CommentTable() | CommentColumn():
            return None
        case AddColumn(column=Column(nullable=True)) if alters in _OF_A_LAKE:
            return difference
        case WidenColumn() if alters is Alters.REWRITING:
            return replace(difference, rewrites=True)
        case AddColumn(table=table, column=column):
            text = f"column {column.name} is missing"
            if not column.nullable and column.default is None:
                remedy = AddFilledColumn(table=table, column=column)
        case DropNotNull(column=name):
            text = f"column {name} is NOT NULL, declared nullable"
        case WidenColumn(column=column, live=live):
            text = f"column {column.name} is {live}, declared {column.type}"
        case _:
            assert_never(difference)
    return Drift(text=f"{text}; {alters.value}", remedy=remedy)
