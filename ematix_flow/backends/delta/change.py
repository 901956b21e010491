"""What a load changes in a table of rows that have an identity: as values, before any of it is written. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Rows to write, and the identity of the held rows that go or that they take the place of."""

    rows: pa.Table  # whole rows
    removed: pa.Table  # the identity columns
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    closed: int = 0


def with_columns(rows: pa.Table, values: Mapping[str, pa.Array | pa.ChunkedArray]) -> pa.Table:
    """The rows with other values in these columns."""
    for name, value in values.items():
        place = rows.schema.get_field_index(name)
        rows = rows.set_column(place, rows.schema.field(place), value)
    return rows


def whole(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """The rows with all columns of the schema, NULL in those that they lack."""
    columns = [
        rows.column(field.name) if field.name in rows.column_names else pa.nulls(rows.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def none_of(schema: pa.Schema, names: Sequence[str]) -> pa.Table:
    """No rows, with these columns."""
    return pa.schema([schema.field(name) for name in names]).empty_table()
