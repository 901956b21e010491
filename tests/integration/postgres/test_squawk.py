"""A linter for migrations reads every statement that a load may run, and what it finds is justified here."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ematix_flow.backends.postgres.ddl import migration_statements
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
from ematix_flow.spec import Column, Table, UniqueKey
from ematix_flow.types import DataType, Decimal, ListOf, Scalar, Varchar

TYPES: list[DataType] = [*Scalar, Varchar(20), Decimal(12, 2), Decimal(), ListOf(Scalar.TEXT)]
TABLE = Table(
    schema="shop",
    name="orders",
    columns=(
        Column(name="order_id", type=Scalar.BIGINT, nullable=False, primary_key=True, comment="its number"),
        Column(name="is_current", type=Scalar.BOOLEAN, nullable=False),
        *(Column(name=f"c{number}", type=type_) for number, type_ in enumerate(TYPES)),
    ),
    unique_keys=(
        UniqueKey(name="natural", columns=("c0",)),
        UniqueKey(name="current", columns=("c1",), only_current=True),
    ),
    comment="one row an order",
)
ADDED = Column(name="added", type=Scalar.TEXT, comment="a new one")

ALLOWED = {
    "require-statement-timeout": "the load's transaction takes as long as its rows take to arrive",
    "require-lock-timeout": "in a transaction of its own a new table's lock is waited for by nobody",
    "changing-column-type": "only to a type that holds every value; the plan says where the table is rewritten",
    "ban-drop-not-null": "the declaration says that the column may be null",
    "adding-required-field": "the table was seen to have no rows",
    "prefer-bigint-over-int": "the user declared the type",
    "prefer-bigint-over-smallint": "the user declared the type",
    "prefer-text-field": "the user declared the type",
    "prefer-timestamp-tz": "the user declared the type",
}

STEPS: dict[str, list[Step]] = {
    "create": [CreateSchema(schema="shop"), CreateTable(table=TABLE)],
    "add a nullable column": [AddColumn(table=TABLE, column=ADDED)],
    "add a column with a default": [
        AddColumn(table=TABLE, column=replace(ADDED, nullable=False, default="EU"))
    ],
    "add a column to a table without rows": [AddColumn(table=TABLE, column=replace(ADDED, nullable=False))],
    "drop not null": [DropNotNull(table=TABLE, column="c0")],
    "widen by rewriting": [WidenColumn(table=TABLE, column=ADDED, live=Scalar.INTEGER, rewrites=True)],
    "widen in place": [WidenColumn(table=TABLE, column=ADDED, live=Varchar(5), rewrites=False)],
    "comment": [CommentTable(table=TABLE), CommentColumn(table=TABLE, column=TABLE.columns[0])],
}


def squawk() -> str:
    """The linter beside this interpreter, or on the path."""
    beside = Path(sys.executable).parent / "squawk"
    found = str(beside) if beside.exists() else shutil.which("squawk")
    if found is None:
        pytest.fail("squawk is not installed; it comes with the extra dev")
    return found


def findings(statements: str) -> set[str]:
    done = subprocess.run(
        [squawk(), "--pg-version", "15", "--assume-in-transaction", "--reporter", "json"],
        input=statements,
        capture_output=True,
        text=True,
        check=False,
    )
    return {finding["rule_name"] for finding in json.loads(done.stdout)}


def text(steps: list[Step]) -> str:
    return "".join(f"{statement.as_string()};\n" for statement in migration_statements(steps))


@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS)
def test_what_the_linter_finds_is_justified(steps: list[Step]) -> None:
    assert findings(text(steps)) - set(ALLOWED) == set()


def test_every_justification_is_needed() -> None:
    assert set().union(*(findings(text(steps)) for steps in STEPS.values())) == set(ALLOWED)


def test_the_linter_finds_what_no_load_does() -> None:
    assert "ban-drop-column" in findings('alter table "t" drop column "a";')
