"""PostgreSQL's names for column types, both ways."""

from __future__ import annotations

import re
from typing import assert_never

from psycopg import sql

from ematix_flow.types import DataType, Decimal, Foreign, ListOf, Scalar, Varchar

_BY_NAME = {scalar.value: scalar for scalar in Scalar} | {"character varying": Scalar.TEXT}
_VARCHAR = re.compile(r"character varying\((\d+)\)")
_NUMERIC = re.compile(r"numeric\((\d+),(\d+)\)")
_TIME_PRECISION = re.compile(r"^(time|timestamp|interval)(.*?)\(\d\)")


def parse_type(name: str) -> DataType:
    """The type that `format_type` prints as `name`; what we cannot declare becomes `Foreign`."""
    if name.endswith("[]"):
        return ListOf(parse_type(name.removesuffix("[]")))
    if name in _BY_NAME:
        return _BY_NAME[name]
    if name == "numeric":
        return Decimal()
    if match := _VARCHAR.fullmatch(name):
        return Varchar(int(match[1]))
    if match := _NUMERIC.fullmatch(name):
        return Decimal(int(match[1]), int(match[2]))
    return Foreign(name)


def parse_source_type(name: str) -> DataType:
    """As `parse_type`, for values that are read: a time rounded to fewer digits is still a time."""
    return parse_type(_TIME_PRECISION.sub(r"\1\2", name))


def type_sql(type_: DataType) -> sql.Composable:
    """The type as it stands in DDL and casts."""
    match type_:
        case Scalar():
            return sql.SQL(type_.value)
        case Varchar(length=length):
            return sql.SQL("character varying({})").format(length)
        case Decimal(precision=None):
            return sql.SQL("numeric")
        case Decimal(precision=precision, scale=scale):
            return sql.SQL("numeric({}, {})").format(precision, scale)
        case ListOf(element=element):
            return sql.SQL("{}[]").format(type_sql(element))
        case Foreign(name=name):
            raise ValueError(f"the type {name} cannot be declared")
        case _:
            assert_never(type_)
