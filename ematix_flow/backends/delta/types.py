"""What a Delta table stores for each column type, and what it reads back as.

The Delta protocol ("Primitive Types") has no time, uuid, json or interval, and decimals of at most 38 digits. Times
are kept as text `HH:MM:SS.ffffff`; uuid, json and varchar as text; what text would falsify is refused.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

import pyarrow as pa
import pyarrow.compute as pc

from ematix_flow.errors import PlanError, UnsupportedTypeError
from ematix_flow.spec import Column, Table
from ematix_flow.types import (
    MAX_ARROW_PRECISION,
    DataType,
    Decimal,
    Foreign,
    ListOf,
    Scalar,
    Varchar,
    from_arrow,
    to_arrow,
)

_COMMENT = b"comment"
_MICROSECONDS_A_DAY = 86_400_000_000


def stored_table(table: Table, job: str) -> Table:
    """The table as Delta stores it: types that read back the same, and no keys, since Delta enforces none.

    Raises:
        UnsupportedTypeError: a column's type has no faithful form in Delta; `job` is in the message.
        PlanError: two columns' names differ in nothing but their case, which Delta does not regard.
    """
    _refuse_names_alike(table, job)
    columns = tuple(
        replace(column, type=_stored_type(column.type, column, job), primary_key=False)
        for column in table.columns
    )
    return replace(table, columns=columns, unique_keys=())


def _refuse_names_alike(table: Table, job: str) -> None:
    names: dict[str, str] = {}
    for column in table.columns:
        first = names.setdefault(column.name.lower(), column.name)
        if first != column.name:
            raise PlanError(
                job=job,
                reason=f"table {table.full_name}: the columns '{first}' and '{column.name}' differ in their case only, and "
                "a Delta table does not tell them apart; rename one",
            )


def _stored_type(type_: DataType, column: Column, job: str) -> DataType:
    match type_:
        case Scalar.INTERVAL:
            raise _unsupported(column, job, "declare Text and cast it in the query (x::text)")
        case Scalar.TIME | Scalar.JSON | Scalar.JSONB | Scalar.UUID | Varchar():
            return Scalar.TEXT
        case Decimal(precision=precision):
            if precision is None or precision > MAX_ARROW_PRECISION:
                raise _unsupported(
                    column, job, f"declare Numeric[p, s] with p <= {MAX_ARROW_PRECISION}, or Text"
                )
            return type_
        case ListOf(element=element):
            return ListOf(_stored_type(element, column, job))
        case Scalar():
            return type_
        case Foreign():
            raise _unsupported(column, job, "declare Text and cast it in the query (x::text)")
        case _:
            assert_never(type_)


def _unsupported(column: Column, job: str, remedy: str) -> UnsupportedTypeError:
    return UnsupportedTypeError(
        job=job, column=column.name, type=str(column.type), backend="Delta Lake", reason=remedy
    )


# --- schemas -----------------------------------------------------------------------------------------


def stored_schema(stored: Table) -> pa.Schema:
    """The Arrow schema of a table and of the rows written to it: comments are field metadata.

    Rows must say NOT NULL where the table does: a merge that may add columns would make the column nullable.
    """
    return pa.schema([_field(column) for column in stored.columns])


def _field(column: Column) -> pa.Field:
    metadata = {_COMMENT: column.comment.encode()} if column.comment else None
    return pa.field(column.name, to_arrow(column.type), nullable=column.nullable, metadata=metadata)


def live_table(schema_name: str, name: str, schema: pa.Schema, description: str | None) -> Table:
    """A table's own schema and description, as a table."""
    return Table(
        schema=schema_name,
        name=name,
        columns=tuple(_live_column(field) for field in schema),
        comment=description or None,
    )


def _live_column(field: pa.Field) -> Column:
    comment = (field.metadata or {}).get(_COMMENT)
    return Column(
        name=field.name,
        type=from_arrow(field.type),
        nullable=field.nullable,
        comment=comment.decode() if comment else None,
    )


def without_views(schema: pa.Schema) -> pa.Schema:
    """The schema with plain strings and bytes for Arrow's views of them, for which pyarrow has few functions."""
    return pa.schema([field.with_type(_without_views(field.type)) for field in schema])


def _without_views(type_: pa.DataType) -> pa.DataType:
    if pa.types.is_string_view(type_):
        return pa.string()
    if pa.types.is_binary_view(type_):
        return pa.binary()
    return pa.list_(_without_views(type_.value_type)) if pa.types.is_list(type_) else type_


# --- values ------------------------------------------------------------------------------------------


def stored_values(array: pa.Array, type_: DataType) -> pa.Array:
    """Values of a conformed stream in the Arrow type of their stored type.

    Raises:
        pa.ArrowInvalid: a value does not fit.
    """
    wanted = to_arrow(type_)
    if array.type == wanted:
        return array
    if type_ in (Scalar.TEXT, ListOf(Scalar.TEXT)) and _holds_times(array.type):
        return _times_as_text(array)
    return array.cast(wanted, safe=True)


def _holds_times(type_: pa.DataType) -> bool:
    return bool(pa.types.is_time(type_.value_type if pa.types.is_list(type_) else type_))


def _times_as_text(array: pa.Array) -> pa.Array:
    """`HH:MM:SS.ffffff`; Arrow itself has no text for 24:00:00, which PostgreSQL allows."""
    if pa.types.is_list(array.type):
        unsliced = pa.concat_arrays([array])
        texts = _times_as_text(unsliced.values)
        return pa.ListArray.from_arrays(unsliced.offsets, texts, mask=unsliced.is_null())
    is_midnight = pc.equal(array.cast(pa.int64()), _MICROSECONDS_A_DAY)
    return pc.if_else(is_midnight, "24:00:00.000000", array.cast(pa.string()))
