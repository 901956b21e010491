"""What the catalog's rows say of tables, and how their names travel to it."""

from __future__ import annotations

from typing import Any

import pytest

from ematix_flow.backends.postgres.catalog import (
    Condition,
    condition,
    live_table,
    quoted,
    relation,
    relation_query,
    table_query,
)
from ematix_flow.spec import Column, Computed, Table, UniqueKey
from ematix_flow.state import Alters, RelationColumn, RelationKind, UniqueIndex
from ematix_flow.types import Foreign, Scalar

DECLARED = Table(schema="shop", name="orders", columns=())


def row(**changes: Any) -> list[Any]:
    """A row of the relation query: an ordinary table with a key."""
    facts: dict[str, Any] = {
        "schema": "raw",
        "name": "events",
        "relkind": "r",
        "oid": 16384,
        "persistence": "p",
        "secured": False,
        "inherited": False,
        "leaves": [["16384", "r"]],
        "columns": [[1, "id", "bigint", 20, True], [2, "mood", "raw.mood", 16390, True]],
        "enums": [[16390, "sad"]],
        "uniques": [["events_pkey", True, ["id"], True]],
    }
    return list((facts | changes).values())


# --- names --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "name", "literal"),
    [
        ("raw", "events", '\'"raw"."events"\''),
        (None, "events", "'\"events\"'"),
        ('Odd "s"', "a.b", '\'"Odd ""s"""."a.b"\''),
        ("it's", "t", "'\"it''s\".\"t\"'"),
    ],
)
def test_a_name_travels_as_a_literal_of_its_quoted_form(
    events: Any, schema: str | None, name: str, literal: str
) -> None:
    assert events.text(quoted(schema, name)) == literal


def test_a_table_is_looked_up_by_its_name_and_read_by_its_oid(events: Any) -> None:
    assert events.text(relation_query("raw", "events")).endswith(
        'where c.oid = to_regclass(\'"raw"."events"\')'
    )
    assert 'where c.oid = to_regclass(\'"shop"."orders"\')' in events.text(table_query(DECLARED))


# --- a table that a query names -----------------------------------------------------------------------


def test_an_ordinary_table_is_read_off_its_row() -> None:
    found = relation(row())
    assert (found.schema, found.name, found.kind) == ("raw", "events", RelationKind.HEAP)
    assert found.columns == (
        RelationColumn(name="id", type="bigint", built_in=True),
        RelationColumn(name="mood", type="raw.mood", built_in=True),
    )
    assert found.row_security is False
    assert found.unique_keys == (("id",),)


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"oid": 16383}, RelationKind.SYSTEM),
        ({"inherited": True}, RelationKind.INHERITED),
        ({"relkind": "p", "leaves": [["1", "r"], ["2", "r"]]}, RelationKind.PARTITIONED),
        ({"relkind": "p", "leaves": []}, RelationKind.PARTITIONED),
        ({"relkind": "p", "leaves": [["1", "r"], ["2", "f"]]}, RelationKind.OTHER),
        ({"relkind": "v"}, RelationKind.VIEW),
        ({"relkind": "m"}, RelationKind.VIEW),
        ({"relkind": "f"}, RelationKind.FOREIGN),
        ({"relkind": "S"}, RelationKind.OTHER),
    ],
    ids=str,
)
def test_a_name_is_of_the_kind_that_the_catalog_says(changes: dict[str, Any], kind: RelationKind) -> None:
    assert relation(row(**changes)).kind is kind


def test_an_index_over_a_column_that_may_be_null_is_no_key() -> None:
    uniques = [["a", False, ["email"], False], ["b", False, ["id", "name"], True]]
    assert relation(row(uniques=uniques)).unique_keys == (("id", "name"),)


@pytest.mark.parametrize(
    "changes",
    [
        {"oid": 16385},
        {"persistence": "u"},
        {"leaves": [["16384", "r"], ["16400", "r"]]},
        {"columns": [[1, "id", "bigint", 20, True]]},
        {"columns": [[1, "id", "integer", 23, True], [2, "mood", "raw.mood", 16390, True]]},
        {"columns": [[1, "mood", "bigint", 20, True], [2, "id", "raw.mood", 16390, True]]},
        {"enums": [[16390, "sad"], [16390, "ok"]]},
    ],
    ids=str,
)
def test_whatever_could_change_a_rows_meaning_changes_the_identity(changes: dict[str, Any]) -> None:
    assert relation(row(**changes)).identity != relation(row()).identity


# --- the live target ----------------------------------------------------------------------------------

UNIQUES = [
    ["orders_pkey", True, ["region", "id"], True],
    ["orders_email_key", False, ["email"], False],
]


def column(
    name: str, type_: str, nullable: bool = True, has_default: bool = False, computed: str | None = None
) -> list[Any]:
    return [name, type_, nullable, has_default, f"the {name}", "orders", UNIQUES, computed]


def test_no_row_is_no_table() -> None:
    assert live_table(DECLARED, []) is None


def test_a_live_table_is_read_off_its_columns() -> None:
    rows = [
        column("id", "bigint", nullable=False, has_default=True),
        column("region", "character varying", nullable=False),
        column("email", "citext"),
    ]
    assert live_table(DECLARED, rows) == Table(
        schema="shop",
        name="orders",
        comment="orders",
        columns=(
            Column(
                name="id",
                type=Scalar.BIGINT,
                nullable=False,
                primary_key=True,
                comment="the id",
                has_default=True,
            ),
            Column(name="region", type=Scalar.TEXT, nullable=False, primary_key=True, comment="the region"),
            Column(name="email", type=Foreign("citext"), comment="the email"),
        ),
        unique_keys=(UniqueKey(name="orders_email_key", columns=("email",)),),
    )


@pytest.mark.parametrize("how", Computed)
def test_of_a_column_it_is_known_how_the_server_fills_it(how: Computed) -> None:
    live = live_table(DECLARED, [column("id", "bigint", has_default=True, computed=how.name)])
    assert live is not None
    assert live.columns[0].computed is how


def test_a_table_that_does_not_exist_may_be_changed() -> None:
    assert condition(None) == Condition()
    assert Condition().alters is Alters.ANYTHING


def test_the_condition_of_a_table_is_who_owns_it_its_unique_indexes_and_its_triggers() -> None:
    row = [False, True, [["orders_pkey", ["region", "id"], True], ["by_email", ["email"], False]], True]
    assert condition(row) == Condition(
        alters=Alters.NOTHING,
        takes_copy=True,
        unique_indexes=(
            UniqueIndex(name="orders_pkey", columns=("region", "id"), is_constraint=True),
            UniqueIndex(name="by_email", columns=("email",), is_constraint=False),
        ),
        drops_rows=True,
    )
