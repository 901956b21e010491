"""Column types, as users write them and as frozen values.

Users annotate with the classes at the top (`BigInt`, `String[256]`, `Array[Numeric[12, 2]]`); everything
behind `introspect` sees only the frozen `DataType` values, which compare, hash and pickle.
`to_arrow` gives the Arrow type in which a value travels between a source and a target.
"""

from __future__ import annotations

import enum
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeAlias, TypeVar, assert_never

import pyarrow as pa

# --- frozen values -----------------------------------------------------------------------------------


class Scalar(enum.Enum):
    """A type without parameters; the value is the name PostgreSQL's `format_type` prints."""

    SMALLINT = "smallint"
    INTEGER = "integer"
    BIGINT = "bigint"
    REAL = "real"
    DOUBLE = "double precision"
    BOOLEAN = "boolean"
    TEXT = "text"
    DATE = "date"
    TIME = "time without time zone"
    TIMESTAMP = "timestamp without time zone"
    TIMESTAMPTZ = "timestamp with time zone"
    INTERVAL = "interval"
    JSON = "json"
    JSONB = "jsonb"
    UUID = "uuid"
    BYTES = "bytea"

    def __str__(self) -> str:
        return _SPELLING[self]


@dataclass(frozen=True, slots=True)
class Varchar:
    """Text of at most `length` characters."""

    length: int

    def __str__(self) -> str:
        return f"String[{self.length}]"


@dataclass(frozen=True, slots=True)
class Decimal:
    """An exact number: `precision` digits, `scale` of them behind the point; both None for unbounded."""

    precision: int | None = None
    scale: int | None = None

    def __str__(self) -> str:
        return "Numeric" if self.precision is None else f"Numeric[{self.precision}, {self.scale}]"


@dataclass(frozen=True, slots=True)
class ListOf:
    """A one-dimensional array."""

    element: DataType

    def __str__(self) -> str:
        return f"Array[{self.element}]"


@dataclass(frozen=True, slots=True)
class Foreign:
    """A type met in a live database that cannot be declared, by the name its database gives it."""

    name: str

    def __str__(self) -> str:
        return self.name


DataType: TypeAlias = Scalar | Varchar | Decimal | ListOf | Foreign

# PostgreSQL manual, "Numeric Types": a declared precision is 1 to 1000.
MAX_PRECISION = 1000
# PostgreSQL manual, "Character Types": n is at most 10485760.
MAX_VARCHAR = 10_485_760
# Arrow's decimal128, which is also all that the Delta protocol stores, holds 38 digits.
MAX_ARROW_PRECISION = 38


# --- what users write --------------------------------------------------------------------------------


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
    if not (isinstance(element, type) and issubclass(element, ColumnType)):
        raise TypeError(f"Array[{element!r}]: the element is a column type, as in Array[Text]")
    if isinstance(element.value, ListOf):
        raise TypeError("Array[Array[…]]: PostgreSQL has one array type for all dimensions; declare Array[T]")
    return ListOf(element.value)


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
        """An exact number: `Numeric[12, 2]`, or plain `Numeric` for any precision."""

        value = Decimal()

    class Array(ColumnType):
        """A one-dimensional array of another column type: `Array[Text]`."""


_SPELLING = {
    cls.value: cls.__name__
    for cls in (
        SmallInt, Integer, BigInt, Float, Double, Boolean, Text, Date, Time, Timestamp, TimestampTZ, Interval,
        JSON, JSONB, UUID, Bytes,
    )
}  # fmt: skip


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


# --- Arrow -------------------------------------------------------------------------------------------

_SCALAR_TO_ARROW = {
    Scalar.SMALLINT: pa.int16(),
    Scalar.INTEGER: pa.int32(),
    Scalar.BIGINT: pa.int64(),
    Scalar.REAL: pa.float32(),
    Scalar.DOUBLE: pa.float64(),
    Scalar.BOOLEAN: pa.bool_(),
    Scalar.TEXT: pa.string(),
    Scalar.DATE: pa.date32(),
    Scalar.TIME: pa.time64("us"),
    Scalar.TIMESTAMP: pa.timestamp("us"),
    Scalar.TIMESTAMPTZ: pa.timestamp("us", tz="UTC"),
    Scalar.INTERVAL: pa.month_day_nano_interval(),
    Scalar.JSON: pa.string(),
    Scalar.JSONB: pa.string(),
    Scalar.UUID: pa.string(),
    Scalar.BYTES: pa.binary(),
}


def to_arrow(type_: DataType) -> pa.DataType:
    """The Arrow type in which values of `type_` travel; json, uuid and wide or unbounded numerics as text."""
    match type_:
        case Scalar():
            return _SCALAR_TO_ARROW[type_]
        case Varchar() | Foreign():
            return pa.string()
        case Decimal(precision=precision, scale=scale):
            if precision is None or precision > MAX_ARROW_PRECISION:
                return pa.string()
            return pa.decimal128(precision, scale)
        case ListOf(element=element):
            return pa.list_(to_arrow(element))
        case _:
            assert_never(type_)


def from_arrow(type_: pa.DataType) -> DataType:
    """The column type that an Arrow type means; what has no counterpart becomes `Foreign`."""
    if isinstance(type_, pa.BaseExtensionType):
        return _from_extension(type_)
    if pa.types.is_dictionary(type_):
        return from_arrow(type_.value_type)
    if pa.types.is_decimal(type_):
        return Decimal(type_.precision, type_.scale) if type_.scale >= 0 else Foreign(str(type_))
    if pa.types.is_timestamp(type_):
        return Scalar.TIMESTAMPTZ if type_.tz else Scalar.TIMESTAMP
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        return ListOf(from_arrow(type_.value_type))
    for known, arrow_is in _ARROW_FAMILIES:
        if arrow_is(type_):
            return known
    return Foreign(str(type_))


_ARROW_FAMILIES = (
    (Scalar.BOOLEAN, pa.types.is_boolean),
    (Scalar.SMALLINT, lambda t: pa.types.is_int8(t) or pa.types.is_uint8(t) or pa.types.is_int16(t)),
    (Scalar.INTEGER, lambda t: pa.types.is_uint16(t) or pa.types.is_int32(t)),
    (Scalar.BIGINT, lambda t: pa.types.is_uint32(t) or pa.types.is_uint64(t) or pa.types.is_int64(t)),
    (Scalar.REAL, lambda t: pa.types.is_float16(t) or pa.types.is_float32(t)),
    (Scalar.DOUBLE, pa.types.is_float64),
    (
        Scalar.TEXT,
        lambda t: pa.types.is_string(t) or pa.types.is_large_string(t) or pa.types.is_string_view(t),
    ),
    (
        Scalar.BYTES,
        lambda t: pa.types.is_binary(t) or pa.types.is_large_binary(t) or pa.types.is_binary_view(t),
    ),
    (Scalar.BYTES, pa.types.is_fixed_size_binary),
    (Scalar.DATE, pa.types.is_date),
    (Scalar.TIME, pa.types.is_time),
    (Scalar.INTERVAL, pa.types.is_interval),
)


def _from_extension(type_: pa.BaseExtensionType) -> DataType:
    match type_.extension_name:
        case "arrow.uuid":
            return Scalar.UUID
        case "arrow.json":
            return Scalar.JSON
        case _:
            return Foreign(type_.extension_name)
