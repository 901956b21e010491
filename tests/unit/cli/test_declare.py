"""A live table becomes the text of a class that declares the same table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ematix_flow import DeclarationError, Project
from ematix_flow.declare import declaration
from ematix_flow.spec import Column, Table, UniqueKey
from ematix_flow.types import DataType, Decimal, Foreign, ListOf, Scalar, Varchar

KEY = Column(name="order_id", type=Scalar.BIGINT, nullable=False, primary_key=True)
NOTE = Column(name="note", type=Scalar.TEXT)


def orders(*columns: Column, **facts: Any) -> Table:
    return Table(**{"schema": "sales", "name": "orders", "columns": columns or (KEY, NOTE), **facts})


def declared(text: str) -> Table:
    """The table that the text declares, run as a module of its own."""
    project = Project()
    lines = text.replace("@ematix.table", "@project.table")
    exec(lines, {"project": project, "__name__": "declared"})  # noqa: S102  # our own text
    (table,) = project.tables.values()
    return table


def test_the_text_is_what_a_person_would_write() -> None:
    table = orders(
        KEY,
        Column(name="customer", type=Varchar(40), nullable=False),
        Column(name="amount", type=Decimal(12, 2), comment='net, in "EUR"'),
        Column(name="tags", type=ListOf(Scalar.TEXT)),
        comment="One row an order.",
        unique_keys=(UniqueKey(name="orders_customer_key", columns=("customer",)),),
    )
    assert declaration(table) == (
        "from typing import Annotated\n"
        "\n"
        "from ematix_flow import comment, ematix, natural_key, pk\n"
        "from ematix_flow.types import Array, BigInt, Numeric, String, Text\n"
        "\n"
        "\n"
        '@ematix.table(schema="sales")\n'
        "class Orders:\n"
        '    """One row an order."""\n'
        "\n"
        "    # jobs identify rows by (customer) unless they say otherwise, as in keys=(order_id)\n"
        "    order_id: Annotated[BigInt, pk()]\n"
        '    customer: Annotated[String[40], natural_key("orders_customer_key")]\n'
        '    amount: Annotated[Numeric[12, 2] | None, comment("net, in \\"EUR\\"")]\n'
        "    tags: Array[Text] | None"
    )


NAMES = ["order_id", "order id", "class", "Straße", "__private", "Text", "BigInt", "$-1", "1st", "pk", "ﬁ"]
TYPES: list[DataType] = [*Scalar, Varchar(1), Decimal(), Decimal(38, 10), ListOf(Decimal(12, 2))]


@pytest.mark.parametrize("name", NAMES)
def test_a_column_of_any_name_is_declared(name: str) -> None:
    table = orders(replace(KEY, name=name), NOTE)
    assert declared(declaration(table)) == table


@pytest.mark.parametrize("type_", TYPES, ids=str)
def test_a_column_of_any_type_is_declared(type_: DataType) -> None:
    table = orders(Column(name="a", type=type_), Column(name="b", type=type_, nullable=False))
    assert declared(declaration(table)) == table


@pytest.mark.parametrize(
    "name",
    [
        "orders",
        "Orders",
        "date",
        "text",
        "annotated",
        "order items",
        "2024",
        "_",
        "none",
        "a__b",
        "HTTPLog",
        "ﬁ",
    ],
)
def test_a_table_of_any_name_is_declared(name: str) -> None:
    table = orders(name=name)
    assert declared(declaration(table)) == table


@pytest.mark.parametrize(
    "comment",
    ["plain", 'say "x"', "two\nlines", "  indented", "trailing\\", '"""', "ends with '", "{brace} %s 🐘"],
)
def test_a_comment_is_kept_to_the_letter(comment: str) -> None:
    table = orders(replace(KEY, comment=comment), comment=comment)
    assert declared(declaration(table)) == table


columns = st.builds(
    Column,
    name=st.sampled_from(NAMES),
    type=st.sampled_from(TYPES),
    nullable=st.booleans(),
    comment=st.none()
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1),
)


@given(
    st.lists(columns, min_size=1, unique_by=lambda column: column.name),
    st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1),
)
def test_a_table_comes_back_as_it_was(columns: list[Column], comment: str | None) -> None:
    table = orders(*columns, comment=comment)
    assert declared(declaration(table)) == table


AS_TEXT = "no type to declare; load it as text: cast it in the query, declare Text"
UNUSABLE = (
    "is not a usable name; it may hold anything but '/', '\\', control characters and blanks at its ends"
)


@pytest.mark.parametrize(
    ("column", "remark"),
    [
        (
            Column(name="place", type=Foreign("point")),
            f"# place point is not declared: point is {AS_TEXT}",
        ),
        (
            Column(name="place", type=ListOf(Foreign("point")), nullable=False),
            f"# place Array[point] NOT NULL is not declared: Array[point] is {AS_TEXT}; no row can be added without it",
        ),
        (
            Column(name="tiny", type=Decimal(2, 5), nullable=False, has_default=True),
            f"# tiny Numeric[2, 5] NOT NULL is not declared: Numeric[2, 5] is {AS_TEXT}",
        ),
        (
            Column(name="a/b", type=Scalar.TEXT),
            f"# a/b Text is not declared: 'a/b' {UNUSABLE}",
        ),
    ],
)
def test_what_cannot_be_declared_is_told_and_the_rest_is_declared(column: Column, remark: str) -> None:
    text = declaration(orders(KEY, column, NOTE))
    assert f"    {remark}\n" in text
    assert declared(text) == orders()


def test_a_name_with_a_line_break_stays_within_its_comment() -> None:
    assert declared(declaration(orders(KEY, Column(name="a\nb = 1", type=Scalar.TEXT), NOTE))) == orders()


def test_a_unique_key_that_may_hold_nulls_is_no_natural_key() -> None:
    text = declaration(orders(unique_keys=(UniqueKey(name="k", columns=("order_id", "note")),)))
    assert (
        "    # unique (order_id, note) is not declared: a natural key is of declared NOT NULL columns\n"
        in text
    )
    assert declared(text) == orders()


def test_a_primary_key_of_which_a_part_is_missing_is_not_declared() -> None:
    place = Column(name="place", type=Foreign("point"), nullable=False, primary_key=True)
    text = declaration(orders(KEY, place))
    assert "    # primary key (order_id, place) is not declared: a part of it is not\n" in text
    assert declared(text) == orders(replace(KEY, primary_key=False))


def test_a_table_of_which_no_column_can_be_declared_is_refused() -> None:
    with pytest.raises(DeclarationError) as caught:
        declaration(orders(Column(name="place", type=Foreign("point"))))
    assert str(caught.value) == "table 'sales.orders': has no column that can be declared; place point"


def test_a_table_whose_name_cannot_be_declared_is_refused() -> None:
    with pytest.raises(DeclarationError, match=r"table 'sales\.a/b', name: 'a/b' is not a usable name"):
        declaration(orders(name="a/b"))
