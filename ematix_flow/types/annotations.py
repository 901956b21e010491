"""Column types as users write them in an annotated class: `BigInt`, `String[256]`, `Array[Numeric[12, 2]]`."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from ematix_flow.types.values import DataType, Decimal, ListOf, Scalar, Varchar

__all__ = [
    "JSON",
    "JSONB",
    "UUID",
    "Array",
    "BigInt",
    "Boolean",
    "Bytes",
    "ColumnType",
    "Date",
    "Double",
    "Float",
    "Integer",
    "Interval",
    "Numeric",
    "SmallInt",
    "String",
    "Text",
    "Time",
    "Timestamp",
    "TimestampTZ",
]

# PostgreSQL manual, "Numeric Types": a declared precision is 1 to 1000.
MAX_PRECISION = 1000
# PostgreSQL manual, "Character Types": n is at most 10485760.
MAX_VARCHAR = 10_485_760


class _ColumnTypeMeta(type):
    """Lets a parametrized type be subscripted at run time: `String[256]` is a cached subclass."""

    def __getitem__(cls, parameters: Any) -> type[ColumnType]:
        return _parametrized(cls, parameters)


class ColumnType(metaclass=_ColumnTypeMeta):
    """The base of the annotation names; `value` is the frozen type it stands for."""

    value: ClassVar[DataType]


@functools.cache
def _parametrized(cls: _ColumnTypeMeta, parameters: Any) -> type[ColumnType]:
    value: DataType
    match cls.__name__:
        case "String":
            value = _string_value(parameters)
        case "Numeric":
            value = _numeric_value(parameters)
        case "Array":
            value = _array_value(parameters)
        case name:
            raise TypeError(f"{name} takes no parameter; only String[n], Numeric[p, s] and Array[T] do")
    subclass: type[ColumnType] = _ColumnTypeMeta(str(value), (ColumnType,), {"value": value})  # type: ignore[assignment]  # a metaclass call is not known to give a subclass
    return subclass


def _string_value(length: Any) -> Varchar:
    if not isinstance(length, int) or isinstance(length, bool) or not 1 <= length <= MAX_VARCHAR:
        raise TypeError(
            f"String[{length!r}]: the length is a whole number from 1 to {MAX_VARCHAR}, or use Text"
        )
    return Varchar(length)


def _numeric_value(parameters: Any) -> Decimal:
    match parameters:
        case (int(precision), int(scale)) if 1 <= precision <= MAX_PRECISION and 0 <= scale <= precision:
            return Decimal(precision, scale)
        case _:
            raise TypeError(
                f"Numeric[{parameters!r}]: give precision and scale, 1 <= precision <= {MAX_PRECISION} and "
                "0 <= scale <= precision, as in Numeric[12, 2]"
            )


def _array_value(element: Any) -> ListOf:
    value = getattr(element, "value", None)
    if not (isinstance(element, type) and issubclass(element, ColumnType) and value):
        raise TypeError(f"Array[{element!r}]: the element is a column type, as in Array[Text]")
    if isinstance(value, ListOf):
        raise TypeError("Array[Array[…]]: PostgreSQL has one array type for all dimensions; declare Array[T]")
    return ListOf(value)


class SmallInt(ColumnType):
    """A 2-byte integer."""

    value = Scalar.SMALLINT


class Integer(ColumnType):
    """A 4-byte integer."""

    value = Scalar.INTEGER


class BigInt(ColumnType):
    """An 8-byte integer."""

    value = Scalar.BIGINT


class Float(ColumnType):
    """A 4-byte floating-point number (PostgreSQL `real`)."""

    value = Scalar.REAL


class Double(ColumnType):
    """An 8-byte floating-point number (PostgreSQL `double precision`)."""

    value = Scalar.DOUBLE


class Boolean(ColumnType):
    """True or false."""

    value = Scalar.BOOLEAN


class Text(ColumnType):
    """Text of any length."""

    value = Scalar.TEXT


class Date(ColumnType):
    """A calendar date."""

    value = Scalar.DATE


class Time(ColumnType):
    """A time of day without zone, in microseconds."""

    value = Scalar.TIME


class Timestamp(ColumnType):
    """A date and time without zone, in microseconds."""

    value = Scalar.TIMESTAMP


class TimestampTZ(ColumnType):
    """An instant, in microseconds."""

    value = Scalar.TIMESTAMPTZ


class Interval(ColumnType):
    """A span of months, days and microseconds."""

    value = Scalar.INTERVAL


class JSON(ColumnType):
    """JSON kept as the text that was given."""

    value = Scalar.JSON


class JSONB(ColumnType):
    """JSON kept as a value (duplicate keys and the order of keys are lost)."""

    value = Scalar.JSONB


class UUID(ColumnType):
    """A universally unique identifier."""

    value = Scalar.UUID


class Bytes(ColumnType):
    """A string of bytes."""

    value = Scalar.BYTES


if TYPE_CHECKING:
    # A type checker reads String[256] and Numeric[12, 2] as literals: the only subscription of plain
    # numbers that mypy and pyright both accept in an annotation.
    from typing import Literal as Numeric
    from typing import Literal as String

    _T = TypeVar("_T")

    class Array(ColumnType, Generic[_T]):
        """A one-dimensional array of another column type."""
else:

    class String(ColumnType):
        """Text of at most n characters: `String[256]`."""

    class Numeric(ColumnType):
        """An exact number: `Numeric[12, 2]`; plain `Numeric`, which type checkers refuse, is of any precision."""

        value = Decimal()

    class Array(ColumnType):
        """A one-dimensional array of another column type: `Array[Text]`."""
