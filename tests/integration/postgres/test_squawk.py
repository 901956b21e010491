"""A linter for migrations reads every statement that a load may run, and what it finds is justified here."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import pytest

from ematix_flow import Deletes, Merge, Project, comment, pk, plan_job
from ematix_flow.backends.postgres.ddl import create_schema, migration_statements, remedy_statements
from ematix_flow.backends.postgres.watermarks import create_watermarks
from ematix_flow.migration import (
    AddColumn,
    AddFilledColumn,
    ChangeType,
    CommentColumn,
    CommentTable,
    CreateSchema,
    CreateTable,
    DropNotNull,
    DropUnique,
    LetBeSet,
    Remedy,
    RenameColumn,
    SetNotNull,
    Step,
    WidenColumn,
)
from ematix_flow.spec import Column, Computed, Table, UniqueKey
from ematix_flow.state import UniqueIndex
from ematix_flow.types import BigInt, DataType, Decimal, ListOf, Scalar, Text, Varchar

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

ALLOWED_TO_LOADS = {
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

ALLOWED_TO_PEOPLE = {
    "require-statement-timeout": "whoever runs it chooses one",
    "require-lock-timeout": "whoever runs it chooses one",
    "changing-column-type": "the table differs from the declaration in nothing else",
    "renaming-column": "the drift says that it looks like a renaming, and a person knows",
    "adding-not-nullable-field": "the declaration says that no row is without it",
    "ban-drop-default": "the default only fills older rows",
    "ban-drop-generated-expression": "the declaration takes the column's values from the source",
    "ban-drop-constraint": "a history keeps several rows for a key",
    "require-concurrent-index-deletion": "a history keeps several rows for a key; a person may add CONCURRENTLY",
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

REMEDIES: list[Remedy] = [
    AddFilledColumn(table=TABLE, column=replace(ADDED, nullable=False)),
    RenameColumn(table=TABLE, live="old", column="added"),
    ChangeType(table=TABLE, column=ADDED),
    SetNotNull(table=TABLE, column=replace(ADDED, nullable=False)),
    *(
        LetBeSet(table=TABLE, column="added", computed=computed)
        for computed in (Computed.STORED, Computed.IDENTITY)
    ),
    *(
        DropUnique(table=TABLE, index=UniqueIndex(name="one", columns=("c0",), is_constraint=is_constraint))
        for is_constraint in (True, False)
    ),
]


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


def remedies(remedy: Remedy) -> str:
    return "".join(f"{statement.as_string()};\n" for statement in remedy_statements(remedy))


def watermarks() -> str:
    statements = (create_schema("ematix_flow"), create_watermarks("ematix_flow"))
    return "".join(f"{statement.as_string()};\n" for statement in statements)


@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS)
def test_what_the_linter_finds_in_a_load_is_justified(steps: list[Step]) -> None:
    assert findings(text(steps)) - set(ALLOWED_TO_LOADS) == set()


def test_what_the_linter_finds_in_the_table_of_watermarks_is_justified() -> None:
    assert findings(watermarks()) - set(ALLOWED_TO_LOADS) == set()


@pytest.mark.parametrize(
    "mode", ["append", "truncate", "merge", Merge(deletes=Deletes.SOFT), "scd2"], ids=str
)
def test_what_the_linter_finds_in_whole_plans_is_justified(
    databases: Any, project: Project, mode: str | Merge
) -> None:
    databases.connect(project)
    databases.origin.execute("create table raw.t (n bigint, v text)")

    @project.table(schema="analytics")
    class T:
        """One row a number."""

        n: Annotated[BigInt, pk()]
        v: Annotated[Text, comment("the text")] | None

    @project.job(name="load", target=T, source_connection="origin", target_connection="origin", mode=mode)
    def load() -> str:
        return "select n, v from raw.t"

    plan = plan_job(load, project=project).targets[0]
    assert plan.sql
    assert findings(";\n".join(plan.sql)) - set(ALLOWED_TO_LOADS) == set()


@pytest.mark.parametrize("remedy", REMEDIES, ids=lambda remedy: type(remedy).__name__)
def test_what_the_linter_finds_in_what_a_person_could_run_is_justified(remedy: Remedy) -> None:
    assert findings(remedies(remedy)) - set(ALLOWED_TO_PEOPLE) == set()


def test_every_justification_is_needed() -> None:
    assert set().union(*(findings(text(steps)) for steps in STEPS.values())) == set(ALLOWED_TO_LOADS)
    assert set().union(*(findings(remedies(remedy)) for remedy in REMEDIES)) == set(ALLOWED_TO_PEOPLE)


def test_the_linter_finds_what_no_load_does() -> None:
    assert "ban-drop-column" in findings('alter table "t" drop column "a";')
