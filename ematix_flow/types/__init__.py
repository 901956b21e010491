"""Column types, as users write them and as frozen values.

Users annotate with the classes of `annotations`; everything behind `introspect` sees only the frozen values.
"""

from __future__ import annotations

from ematix_flow.types.annotations import (
    JSON,
    JSONB,
    UUID,
    Array,
    BigInt,
    Boolean,
    Bytes,
    ColumnType,
    Date,
    Double,
    Float,
    Integer,
    Interval,
    Numeric,
    SmallInt,
    String,
    Text,
    Time,
    Timestamp,
    TimestampTZ,
)
from ematix_flow.types.arrow import MAX_ARROW_PRECISION, from_arrow, to_arrow, travels_as_text
from ematix_flow.types.names import delta_name, postgres_name
from ematix_flow.types.values import DataType, Decimal, Foreign, ListOf, Scalar, Varchar

__all__ = [
    "JSON",
    "JSONB",
    "MAX_ARROW_PRECISION",
    "UUID",
    "Array",
    "BigInt",
    "Boolean",
    "Bytes",
    "ColumnType",
    "DataType",
    "Date",
    "Decimal",
    "Double",
    "Float",
    "Foreign",
    "Integer",
    "Interval",
    "ListOf",
    "Numeric",
    "Scalar",
    "SmallInt",
    "String",
    "Text",
    "Time",
    "Timestamp",
    "TimestampTZ",
    "Varchar",
    "delta_name",
    "from_arrow",
    "postgres_name",
    "to_arrow",
    "travels_as_text",
]
