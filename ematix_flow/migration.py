"""Declared against live: what is applied before a load, and what is drift. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

from ematix_flow.spec import Column, Table, UniqueKey
from ematix_flow.state import TargetState


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateSchema:
    """The schema does not exist yet."""

    schema: str

    def __str__(self) -> str:
        return f"create schema {self.schema}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateTable:
    """The table does not exist yet; `table` is as the backend stores it."""

    table: Table

    def __str__(self) -> str:
        return f"create table {self.table.full_name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AddColumn:
    """The declaration has a nullable column more than the live table."""

    table: Table
    column: Column

    def __str__(self) -> str:
        return f"add column {self.column.name} {self.column.type}"


Step: TypeAlias = CreateSchema | CreateTable | AddColumn


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One difference that is not migrated automatically."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """The steps that make the live table fit, and the drifts that stand in the way."""

    steps: tuple[Step, ...] = ()
    drifts: tuple[Drift, ...] = ()


def diff(state: TargetState, keys: tuple[str, ...]) -> Migration:
    """Compare like with like: the declared table as this backend stores it, and the live one.

    `keys` are those that a load leans on a unique index for; () when it does not.
    """
    if state.live is None:
        schema = () if state.schema_exists else (CreateSchema(schema=state.stored.schema),)
        return Migration(steps=(*schema, CreateTable(table=_with_unique(state.stored, keys))))
    steps: list[Step] = []
    drifts: list[Drift] = []
    for column in state.stored.columns:
        live = state.live.column(column.name)
        if live is not None:
            drifts += _column_drifts(column, live)
        elif column.nullable:
            steps.append(AddColumn(table=state.stored, column=column))
        else:
            drifts.append(
                Drift(text=f"column {column.name} is missing and declared NOT NULL without a default")
            )
    drifts += _surplus(state.stored, state.live)
    if state.enforces_keys and keys and not _is_unique(state.live, keys):
        drifts.append(
            Drift(text=f"no unique index on exactly ({', '.join(keys)}), by which rows are told apart")
        )
    return Migration(steps=tuple(steps), drifts=tuple(drifts))


def _with_unique(table: Table, keys: tuple[str, ...]) -> Table:
    if not keys or _is_unique(table, keys):
        return table
    return replace(table, unique_keys=(*table.unique_keys, UniqueKey(name="keys", columns=keys)))


def _is_unique(table: Table, keys: tuple[str, ...]) -> bool:
    return any(
        set(keys) == set(columns) for columns in (table.primary_key, *(u.columns for u in table.unique_keys))
    )


def _column_drifts(declared: Column, live: Column) -> list[Drift]:
    drifts = []
    if declared.type != live.type:
        drifts.append(Drift(text=f"column {declared.name} is {live.type}, declared {declared.type}"))
    if declared.nullable and not live.nullable:
        drifts.append(Drift(text=f"column {declared.name} is NOT NULL, declared nullable"))
    if live.nullable and not declared.nullable:
        drifts.append(Drift(text=f"column {declared.name} is nullable, declared NOT NULL"))
    return drifts


def _surplus(declared: Table, live: Table) -> list[Drift]:
    """Live columns that nobody declared are tolerated as long as a row can be added without them."""
    return [
        Drift(text=f"column {column.name} is NOT NULL and not declared, so no row could be added")
        for column in live.columns
        if declared.column(column.name) is None and not column.nullable and not column.has_default
    ]
