"""Changes of a live table as statements: guarded by a lock timeout, names quoted, values typed by their column."""

from __future__ import annotations

from typing import Any

import pytest

from ematix_flow.backends.postgres.ddl import migration_statements, remedy_statements
from ematix_flow.migration import (
    AddColumn,
    AddFilledColumn,
    ChangeType,
    CommentColumn,
    CommentTable,
    CreateSchema,
    CreateTable,
    DropNotNull,
    Remedy,
    RenameColumn,
    SetNotNull,
    Step,
    WidenColumn,
)
from ematix_flow.spec import Column, Constant, Table
from ematix_flow.types import DataType, Decimal, ListOf, Scalar, Varchar

ID = Column(name='the "id"', type=Scalar.BIGINT, comment="it's one")
T = Table(schema="s.x", name="select", columns=(ID,), comment="orders")
ALTER = 'alter table "s.x"."select" '


def texts(events: Any, steps: list[Step]) -> list[str]:
    return [events.text(statement) for statement in migration_statements(steps)]


def test_a_live_tables_lock_is_waited_for_two_seconds(events: Any) -> None:
    assert texts(events, [DropNotNull(table=T, column="a")]) == [
        "set local lock_timeout = '2s'",
        f'{ALTER}alter column "a" drop not null',
        "set local lock_timeout to default",
    ]


@pytest.mark.parametrize("steps", [[], [CreateSchema(schema="s"), CreateTable(table=T)]], ids=len)
def test_what_is_new_is_not_waited_for(events: Any, steps: list[Step]) -> None:
    assert not any("lock_timeout" in text for text in texts(events, steps))


STEPS: list[tuple[Step, list[str]]] = [
    (
        AddColumn(table=T, column=ID),
        [
            f'{ALTER}add column "the ""id""" bigint',
            'comment on column "s.x"."select"."the ""id""" is \'it\'\'s one\'',
        ],
    ),
    (
        WidenColumn(table=T, column=ID, live=Scalar.INTEGER, rewrites=True),
        [f'{ALTER}alter column "the ""id""" type bigint'],
    ),
    (CommentTable(table=T), ['comment on table "s.x"."select" is \'orders\'']),
    (
        CommentColumn(table=T, column=ID),
        ['comment on column "s.x"."select"."the ""id""" is \'it\'\'s one\''],
    ),
]


@pytest.mark.parametrize(("step", "wanted"), STEPS, ids=[str(step) for step, _ in STEPS])
def test_a_step(events: Any, step: Step, wanted: list[str]) -> None:
    assert texts(events, [step])[1:-1] == wanted


DEFAULTS: list[tuple[DataType, Constant, str]] = [
    (Scalar.INTEGER, -1, "integer not null default '-1'::integer"),
    (Scalar.DOUBLE, float("nan"), "double precision not null default 'nan'::double precision"),
    (Scalar.BOOLEAN, True, "boolean not null default 'True'::boolean"),
    (Scalar.TEXT, "it's", "text not null default 'it''s'::text"),
    (Decimal(5, 2), "1.50", "numeric(5, 2) not null default '1.50'::numeric(5, 2)"),
    (Scalar.DATE, "2024-01-31", "date not null default '2024-01-31'::date"),
    (ListOf(Scalar.TEXT), "{}", "text[] not null default '{}'::text[]"),
]


@pytest.mark.parametrize(("type_", "value", "wanted"), DEFAULTS, ids=[str(case[0]) for case in DEFAULTS])
def test_a_default_is_read_by_the_columns_type(
    events: Any, type_: DataType, value: Constant, wanted: str
) -> None:
    column = Column(name="a", type=type_, nullable=False, default=value)
    assert texts(events, [AddColumn(table=T, column=column)])[1] == f'{ALTER}add column "a" {wanted}'


REMEDIES: list[tuple[Remedy, list[str]]] = [
    (
        AddFilledColumn(table=T, column=Column(name="a", type=Varchar(3), nullable=False)),
        [
            (
                f"{ALTER}add column \"a\" character varying(3) not null default ''::character varying(3)"
                " /* what older rows hold: choose it */"
            ),
            f'{ALTER}alter column "a" drop default',
        ],
    ),
    (RenameColumn(table=T, live="a", column="B c"), [f'{ALTER}rename column "a" to "B c"']),
    (
        ChangeType(table=T, column=Column(name="a", type=Scalar.DATE)),
        [f'{ALTER}alter column "a" type date using "a"::date'],
    ),
    (
        ChangeType(table=T, column=Column(name="a", type=Varchar(3))),
        [f'{ALTER}alter column "a" type character varying(3)'],
    ),
    (
        SetNotNull(table=T, column=Column(name="a", type=Scalar.DATE)),
        [f'{ALTER}alter column "a" set not null'],
    ),
    (DropNotNull(table=T, column="a"), [f'{ALTER}alter column "a" drop not null']),
]


@pytest.mark.parametrize(
    ("remedy", "wanted"), REMEDIES, ids=[type(remedy).__name__ for remedy, _ in REMEDIES]
)
def test_a_remedy(events: Any, remedy: Remedy, wanted: list[str]) -> None:
    assert [events.text(statement) for statement in remedy_statements(remedy)] == wanted
