"""Column types as frozen values: they compare, hash, pickle, and print as users spell them."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TypeAlias


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
        return _SPELLING[self.name]


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


_SPELLING = {
    "SMALLINT": "SmallInt",
    "INTEGER": "Integer",
    "BIGINT": "BigInt",
    "REAL": "Float",
    "DOUBLE": "Double",
    "BOOLEAN": "Boolean",
    "TEXT": "Text",
    "DATE": "Date",
    "TIME": "Time",
    "TIMESTAMP": "Timestamp",
    "TIMESTAMPTZ": "TimestampTZ",
    "INTERVAL": "Interval",
    "JSON": "JSON",
    "JSONB": "JSONB",
    "UUID": "UUID",
    "BYTES": "Bytes",
}
