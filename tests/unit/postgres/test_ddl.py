"""Migration steps as statements: every identifier quoted, every comment a literal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ematix_flow.backends.postgres.ddl import step_statements
from ematix_flow.migration import AddColumn, CreateSchema, CreateTable, Step
from ematix_flow.spec import Column, Table, UniqueKey
from ematix_flow.types import ListOf, Scalar

ODD = Table(
    schema='Odd "schema"',
    name="select",
    columns=(
        Column(name='a"; drop table x; --', type=Scalar.BIGINT, nullable=False, primary_key=True),
        Column(name="Größe", type=ListOf(Scalar.TEXT), comment="in 'cm' \\ %s"),
    ),
    unique_keys=(UniqueKey(name="natural", columns=("Größe", 'a"; drop table x; --')),),
    comment="it's odd",
)


def statements(events: Any, step: Step) -> list[str]:
    return [events.text(statement) for statement in step_statements(step)]


def test_a_schema_is_created_unless_it_is_there(events: Any) -> None:
    assert statements(events, CreateSchema(schema='Odd "schema"')) == [
        'create schema if not exists "Odd ""schema"""'
    ]


def test_a_table_is_created_with_its_key(events: Any) -> None:
    assert statements(events, CreateTable(table=events.table)) == [
        'create table "analytics"."events" ("event_id" bigint not null, "name" text, primary key ("event_id"))'
    ]


def test_a_table_without_a_key_has_none(events: Any) -> None:
    keyless = replace(events.table, columns=events.table.columns[1:])
    assert statements(events, CreateTable(table=keyless)) == [
        'create table "analytics"."events" ("name" text)'
    ]


def test_names_and_comments_are_quoted_whatever_they_hold(events: Any) -> None:
    assert statements(events, CreateTable(table=ODD)) == [
        (
            'create table "Odd ""schema"""."select" ("a""; drop table x; --" bigint not null, "Größe" text[], '
            'primary key ("a""; drop table x; --"), unique ("Größe", "a""; drop table x; --"))'
        ),
        'comment on table "Odd ""schema"""."select" is \'it\'\'s odd\'',
        'comment on column "Odd ""schema"""."select"."Größe" is  E\'in \'\'cm\'\' \\\\ %s\'',
    ]


@pytest.mark.parametrize("column", ODD.columns)
def test_a_column_is_added_with_its_type_and_comment(events: Any, column: Column) -> None:
    table = replace(events.table, columns=(column,))
    first, *comments = statements(events, AddColumn(table=table, column=column))
    assert first.startswith('alter table "analytics"."events" add column ')
    assert len(comments) == (column.comment is not None)


def test_a_history_has_one_current_version_a_key(events: Any) -> None:
    current = UniqueKey(name="current", columns=("event_id", "name"), only_current=True)
    table = replace(events.table, unique_keys=(current,))
    assert statements(events, CreateTable(table=table)) == [
        'create table "analytics"."events" ("event_id" bigint not null, "name" text, primary key ("event_id"))',
        'create unique index on "analytics"."events" ("event_id", "name") where "is_current"',
    ]
