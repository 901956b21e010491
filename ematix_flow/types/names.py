"""Column types by the names that databases give them."""

from __future__ import annotations

from typing import assert_never

from ematix_flow.types.values import DataType, Decimal, Foreign, ListOf, Scalar, Varchar


def postgres_name(type_: DataType) -> str:
    """The type as PostgreSQL's `format_type` prints it, for people to read; DDL is composed by the backend."""
    match type_:
        case Scalar():
            return type_.value
        case Varchar(length=length):
            return f"character varying({length})"
        case Decimal(precision=None):
            return "numeric"
        case Decimal(precision=precision, scale=scale):
            return f"numeric({precision},{scale})"
        case ListOf(element=element):
            return f"{postgres_name(element)}[]"
        case Foreign(name=name):
            return name
        case _:
            assert_never(type_)


_DELTA_NAMES = {
    Scalar.SMALLINT: "short",
    Scalar.INTEGER: "integer",
    Scalar.BIGINT: "long",
    Scalar.REAL: "float",
    Scalar.DOUBLE: "double",
    Scalar.BOOLEAN: "boolean",
    Scalar.DATE: "date",
    Scalar.TIMESTAMP: "timestamp_ntz",
    Scalar.TIMESTAMPTZ: "timestamp",
    Scalar.BYTES: "binary",
}


def delta_name(type_: DataType) -> str:
    """The type as the Delta protocol names it ("Schema Serialization Format"); text for what it has no type for."""
    match type_:
        case Scalar():
            return _DELTA_NAMES.get(type_, "string")
        case Decimal(precision=int(precision), scale=scale):
            return f"decimal({precision},{scale})"
        case ListOf(element=element):
            return f"array<{delta_name(element)}>"
        case Varchar() | Decimal() | Foreign():
            return "string"
        case _:
            assert_never(type_)
