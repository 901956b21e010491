"""What an annotated class declares."""

from __future__ import annotations

import types as python_types
from typing import Annotated, Any, ClassVar, Optional

import pytest

from ematix_flow import (
    Column,
    DeclarationError,
    Project,
    Table,
    UnknownNameError,
    comment,
    natural_key,
    pk,
    table_of,
)
from ematix_flow.spec import UniqueKey
from ematix_flow.types import (
    JSON,
    JSONB,
    UUID,
    Array,
    BigInt,
    Boolean,
    Bytes,
    DataType,
    Date,
    Decimal,
    Double,
    Float,
    Integer,
    Interval,
    ListOf,
    Numeric,
    Scalar,
    SmallInt,
    String,
    Text,
    Time,
    Timestamp,
    TimestampTZ,
    Varchar,
)


def column_of(annotation: Any) -> Column:
    """The one column of a table whose class annotates it so."""
    cls = python_types.new_class(
        "Sample", exec_body=lambda body: body.update(__annotations__={"c": annotation})
    )
    Project().table(cls)
    (column,) = table_of(cls).columns
    return column


TYPES: dict[Any, DataType] = {
    SmallInt: Scalar.SMALLINT,
    Integer: Scalar.INTEGER,
    BigInt: Scalar.BIGINT,
    Float: Scalar.REAL,
    Double: Scalar.DOUBLE,
    Boolean: Scalar.BOOLEAN,
    Text: Scalar.TEXT,
    String[256]: Varchar(256),
    Numeric[12, 2]: Decimal(12, 2),
    Date: Scalar.DATE,
    Time: Scalar.TIME,
    Timestamp: Scalar.TIMESTAMP,
    TimestampTZ: Scalar.TIMESTAMPTZ,
    Interval: Scalar.INTERVAL,
    JSON: Scalar.JSON,
    JSONB: Scalar.JSONB,
    UUID: Scalar.UUID,
    Bytes: Scalar.BYTES,
    Array[Text]: ListOf(Scalar.TEXT),
    Array[Numeric[12, 2]]: ListOf(Decimal(12, 2)),
}


@pytest.mark.parametrize(("written", "meant"), TYPES.items(), ids=str)
def test_every_type_name_stands_for_its_frozen_type(written: Any, meant: DataType) -> None:
    assert column_of(written) == Column(name="c", type=meant, nullable=False)


FORMS: dict[str, tuple[Any, Column]] = {
    "plain": (Text, Column(name="c", type=Scalar.TEXT, nullable=False)),
    "or None": (Text | None, Column(name="c", type=Scalar.TEXT, nullable=True)),
    "None first": (None | Text, Column(name="c", type=Scalar.TEXT, nullable=True)),
    "Optional": (Optional[Text], Column(name="c", type=Scalar.TEXT, nullable=True)),  # noqa: UP045  # this form is the case
    "Optional string": (Optional["Text"], Column(name="c", type=Scalar.TEXT, nullable=True)),
    "string": ("Text | None", Column(name="c", type=Scalar.TEXT, nullable=True)),
    "string in Annotated": (
        Annotated["BigInt", pk()],
        Column(name="c", type=Scalar.BIGINT, nullable=False, primary_key=True),
    ),
    "all in a string": (
        "Annotated[BigInt, pk(), comment('which')]",
        Column(name="c", type=Scalar.BIGINT, nullable=False, primary_key=True, comment="which"),
    ),
    "parametrized or None": (
        Numeric[12, 2] | None,
        Column(name="c", type=Decimal(12, 2), nullable=True),
    ),
    "None within Annotated": (
        Annotated[Text | None, comment("why")],
        Column(name="c", type=Scalar.TEXT, nullable=True, comment="why"),
    ),
    "None around Annotated": (
        Annotated[Text, comment("why")] | None,
        Column(name="c", type=Scalar.TEXT, nullable=True, comment="why"),
    ),
    "another library's marker": (Annotated[Text, "x", 5], Column(name="c", type=Scalar.TEXT, nullable=False)),
}


@pytest.mark.parametrize(("written", "meant"), FORMS.values(), ids=FORMS)
def test_a_column_in_each_form_of_annotation(written: Any, meant: Column) -> None:
    assert column_of(written) == meant


def test_a_table_is_named_after_its_class_in_the_schema_public() -> None:
    @Project().table
    class CustomerDim:
        id: BigInt

    assert table_of(CustomerDim).full_name == "public.customer_dim"


def test_schema_name_and_comment_can_be_given() -> None:
    @Project().table(schema="analytics", name="Order Details", comment="as sold")
    class Orders:
        """Not this one."""

        id: Annotated[BigInt, pk()]

    assert table_of(Orders) == Table(
        schema="analytics",
        name="Order Details",
        columns=(Column(name="id", type=Scalar.BIGINT, nullable=False, primary_key=True),),
        comment="as sold",
    )


def test_the_docstring_is_the_comment() -> None:
    @Project().table
    class Orders:
        """Orders as sold.

        One row each.
        """

        id: BigInt

    assert table_of(Orders).comment == "Orders as sold.\n\nOne row each."


def test_a_mixin_gives_columns_first_and_not_its_docstring() -> None:
    class Audited:
        """Who and when."""

        loaded_by: Text

    class Dated(Audited):
        day: Date

    @Project().table
    class Orders(Dated):
        id: BigInt

    assert [column.name for column in table_of(Orders).columns] == ["loaded_by", "day", "id"]
    assert table_of(Orders).comment is None


def test_a_class_has_the_last_word_on_a_column_of_its_base() -> None:
    class Base:
        id: Integer
        note: Text

    @Project().table
    class Orders(Base):
        id: Annotated[BigInt, pk()]  # type: ignore[assignment]  # a wider type is what this test is about

    assert [(c.name, c.type) for c in table_of(Orders).columns] == [
        ("id", Scalar.BIGINT),
        ("note", Scalar.TEXT),
    ]


def test_class_variables_and_methods_are_no_columns() -> None:
    @Project().table
    class Orders:
        limit: ClassVar[int] = 5
        id: BigInt

        def total(self) -> int:
            return self.limit

    assert [column.name for column in table_of(Orders).columns] == ["id"]


def test_natural_keys_are_grouped_in_the_order_of_their_columns() -> None:
    @Project().table
    class Orders:
        shop: Annotated[Text, natural_key(), natural_key("receipt")]
        number: Annotated[Text, natural_key()]
        receipt: Annotated[Text, natural_key("receipt")]

    assert table_of(Orders).unique_keys == (
        UniqueKey(name="default", columns=("shop", "number")),
        UniqueKey(name="receipt", columns=("shop", "receipt")),
    )


def test_string_annotations_see_the_function_around_the_class() -> None:
    class Money(Numeric[12, 2]):  # type: ignore[misc]  # checkers read Numeric[12, 2] as a literal
        """Known only in this function."""

    @Project().table
    class Orders:
        price: Money | None

    assert table_of(Orders).columns == (Column(name="price", type=Decimal(12, 2), nullable=True),)


def test_the_decorator_returns_the_class_itself() -> None:
    class Orders:
        id: BigInt

    assert Project().table(Orders) is Orders


def test_a_subclass_that_is_not_decorated_is_no_table() -> None:
    @Project().table
    class Orders:
        id: BigInt

    class Undeclared(Orders):
        pass

    with pytest.raises(UnknownNameError, match=r"Undeclared': is no table; decorate it with @ematix\.table"):
        table_of(Undeclared)


def test_a_declared_table_can_be_a_base() -> None:
    @Project().table
    class Orders:
        id: BigInt

    @Project().table
    class OldOrders(Orders):
        closed: Boolean

    assert [column.name for column in table_of(OldOrders).columns] == ["id", "closed"]


def test_a_wrong_table_is_not_kept(project: Project) -> None:
    class Orders:
        id: int

    with pytest.raises(DeclarationError):
        project.table(Orders)
    assert project.tables == {}
