"""Column types and Arrow's: the type in which values travel where record batches do.

Arrow is loaded by whoever first asks: rows between two PostgreSQL servers, and definitions, do without.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

from ematix_flow.types.values import DataType, Decimal, Foreign, ListOf, Scalar, Varchar

# Arrow's decimal128, which is also all that the Delta protocol stores, holds 38 digits.
MAX_ARROW_PRECISION = 38


def travels_as_text(type_: DataType) -> bool:
    """Whether Arrow carries values of `type_` as strings."""
    match type_:
        case Varchar() | Foreign():
            return True
        case Decimal(precision=precision):
            return precision is None or precision > MAX_ARROW_PRECISION
        case _:
            return type_ in (Scalar.TEXT, Scalar.JSON, Scalar.JSONB, Scalar.UUID)


def to_arrow(type_: DataType) -> pa.DataType:
    """The Arrow type in which values of `type_` travel; json, uuid and wide or unbounded numerics as text."""
    import pyarrow as pa

    match type_:
        case Scalar() if not travels_as_text(type_):
            return _scalars()[type_]
        case Decimal(precision=precision, scale=scale) if not travels_as_text(type_):
            return pa.decimal128(precision, scale)
        case ListOf(element=element):
            return pa.list_(to_arrow(element))
        case _:
            return pa.string()


def from_arrow(type_: pa.DataType) -> DataType:
    """The column type that an Arrow type means; what has no counterpart becomes `Foreign`."""
    import pyarrow as pa

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
    for known, arrow_is in _families():
        if arrow_is(type_):
            return known
    return Foreign(str(type_))


@functools.cache
def _scalars() -> dict[Scalar, pa.DataType]:
    import pyarrow as pa

    return {
        Scalar.SMALLINT: pa.int16(),
        Scalar.INTEGER: pa.int32(),
        Scalar.BIGINT: pa.int64(),
        Scalar.REAL: pa.float32(),
        Scalar.DOUBLE: pa.float64(),
        Scalar.BOOLEAN: pa.bool_(),
        Scalar.DATE: pa.date32(),
        Scalar.TIME: pa.time64("us"),
        Scalar.TIMESTAMP: pa.timestamp("us"),
        Scalar.TIMESTAMPTZ: pa.timestamp("us", tz="UTC"),
        Scalar.INTERVAL: pa.month_day_nano_interval(),
        Scalar.BYTES: pa.binary(),
    }


@functools.cache
def _families() -> tuple[tuple[DataType, Callable[[pa.DataType], bool]], ...]:
    """What a column type is called whose Arrow type passes a test."""
    import pyarrow as pa

    return (
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
