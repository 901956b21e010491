"""default(): what older rows hold in a new NOT NULL column."""

from __future__ import annotations

from typing import Annotated, Any

import pytest

from ematix_flow import DeclarationError, Project, default, table_of
from ematix_flow.types import Array, BigInt, Boolean, Date, Double, Integer, Numeric, String, Text


def declared(annotation: Any) -> Any:
    cls = type("T", (), {"__annotations__": {"c": annotation}})
    Project().table(schema="shop")(cls)
    return table_of(cls).columns[0]


FITTING = [
    (Integer, 0),
    (BigInt, -1),
    (Double, 1),
    (Double, 0.5),
    (Numeric[5, 2], "1.50"),
    (Boolean, False),
    (Text, ""),
    (String[2], "EU"),
    (Date, "2024-01-31"),
    (Array[Text], "{}"),
]


@pytest.mark.parametrize(("type_", "value"), FITTING, ids=str)
def test_a_constant_of_the_columns_kind_is_its_default(type_: Any, value: Any) -> None:
    column = declared(Annotated[type_, default(value)])
    assert (column.default, column.nullable) == (value, False)


MISFITS = [
    (Integer, "1", "cannot have the default '1'; give an int"),
    (Integer, True, "cannot have the default True; give an int"),
    (Integer, 1.0, "cannot have the default 1.0; give an int"),
    (Numeric[5, 2], False, "cannot have the default False; give a number"),
    (Boolean, "yes", "cannot have the default 'yes'; give True or False"),
    (String[2], "EUR", "cannot have the default 'EUR'; give text of at most 2 characters"),
    (Date, 2024, "cannot have the default 2024; give text, as PostgreSQL reads it"),
    (Text | None, "x", "is nullable and cannot have a default: older rows hold NULL"),
]


@pytest.mark.parametrize(("type_", "value", "objection"), MISFITS, ids=str)
def test_any_other_is_a_mistake(type_: Any, value: Any, objection: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        declared(Annotated[type_, default(value)])
    assert objection in str(caught.value)


def test_default_without_parentheses_is_a_mistake() -> None:
    with pytest.raises(DeclarationError, match=r"write default\(\), with parentheses"):
        declared(Annotated[Text, default])
