"""What users write beside a column's type, inside `Annotated[…]`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from ematix_flow.spec import Constant
from ematix_flow.types import DataType, Decimal, Foreign, ListOf, Scalar, Varchar


@dataclass(frozen=True, slots=True)
class PrimaryKey:
    """The column is part of the primary key."""


@dataclass(frozen=True, slots=True)
class NaturalKey:
    """The column is part of the natural key called `group`."""

    group: str


@dataclass(frozen=True, slots=True)
class Comment:
    """The column's comment."""

    text: str


# By identity: typing keeps what Annotated[…] returned for equal arguments, and True equals 1.
@dataclass(frozen=True, slots=True, eq=False)
class Default:
    """What rows hold that were in the table before the column was."""

    value: Constant


def pk() -> PrimaryKey:
    """Mark a column as part of the primary key: `order_id: Annotated[BigInt, pk()]`."""
    return PrimaryKey()


def natural_key(group: str = "default") -> NaturalKey:
    """Mark a column as part of a natural key, which identifies a row in the world outside.

    Columns with the same `group` form one key; a column may be in several groups.
    """
    return NaturalKey(group)


def comment(text: str) -> Comment:
    """Give a column a comment, which the database stores and Dagster shows."""
    return Comment(text)


def default(value: Constant) -> Default:
    """Say what older rows hold in a new NOT NULL column: `region: Annotated[Text, default("EU")]`.

    A table that exists then gets the column without being rewritten. `value` is a constant: a number for numbers, a
    bool for Boolean, else text as PostgreSQL reads it ("2024-01-31" for a Date). Loads always write the column, so
    the query must return it.
    """
    return Default(value)


MARKERS = (pk, natural_key, comment, default)


def objection_to_default(value: object, type_: DataType, *, nullable: bool) -> str | None:
    """Why a column cannot have the default; None where it can, as far as its text can tell."""
    if nullable:
        return "is nullable and cannot have a default: older rows hold NULL; take `| None` or default() away"
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    match type_:
        case Scalar.SMALLINT | Scalar.INTEGER | Scalar.BIGINT:
            fits, wanted = is_number and isinstance(value, int), "an int"
        case Scalar.REAL | Scalar.DOUBLE | Decimal():
            fits, wanted = is_number or isinstance(value, str), "a number"
        case Scalar.BOOLEAN:
            fits, wanted = isinstance(value, bool), "True or False"
        case Varchar(length=length):
            fits = isinstance(value, str) and len(value) <= length
            wanted = f"text of at most {length} characters"
        case Scalar() | ListOf() | Foreign():
            fits, wanted = isinstance(value, str), "text, as PostgreSQL reads it"
        case _:
            assert_never(type_)
    return None if fits else f"cannot have the default {value!r}; give {wanted}"
