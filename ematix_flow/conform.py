"""Record batches made to fit the declared columns: by name, cast safely, lengths checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from ematix_flow.errors import RunError
from ematix_flow.plan import ReadColumn, ReadPlan
from ematix_flow.streams import Batches
from ematix_flow.types import DataType, Decimal, ListOf, Scalar, Varchar, to_arrow


def conform(batches: Batches, read: ReadPlan) -> Batches:
    """The batches with exactly the read plan's columns, in its order and its declared Arrow types.

    Raises (while iterating):
        RunError: a value does not fit its declared type; it names the column and the value.
    """
    schema = arrow_schema(read.columns)

    def rows() -> Iterator[pa.RecordBatch]:
        for batch in batches.rows:
            arrays = [_column(batch, column, read.job) for column in read.columns]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    return Batches(schema, rows())


def arrow_schema(columns: Sequence[ReadColumn]) -> pa.Schema:
    """The Arrow schema of a conformed stream."""
    return pa.schema([pa.field(column.name, to_arrow(column.declared)) for column in columns])


def _column(batch: pa.RecordBatch, column: ReadColumn, job: str) -> pa.Array:
    wanted = to_arrow(column.declared)
    if column.source is None:
        return pa.nulls(batch.num_rows, wanted)
    array = _plain(batch.column(column.name))
    try:
        array = _cast(array, column.declared)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise _misfit(job, column, str(error)) from error
    if isinstance(column.declared, Varchar):
        _check_length(job, column, column.declared, array)
    return array


def _plain(array: pa.Array) -> pa.Array:
    """The array without an extension type or dictionary: a UUID becomes its text."""
    if isinstance(array.type, pa.BaseExtensionType):
        if array.type.extension_name == "arrow.uuid":
            return pa.array(
                [None if value is None else str(value) for value in array.to_pylist()], pa.string()
            )
        return array.storage
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _cast(array: pa.Array, declared: DataType) -> pa.Array:
    wanted = to_arrow(declared)
    if array.type == wanted:
        return array
    match declared:
        case Decimal() if pa.types.is_integer(array.type) and pa.types.is_decimal(wanted):
            # Arrow sizes the intermediate decimal by the integer's type, not by its values.
            return array.cast(pa.decimal128(38, 0)).cast(wanted)
        case Scalar.JSON | Scalar.JSONB | Scalar.TEXT | Varchar() if pa.types.is_binary(array.type):
            raise pa.ArrowInvalid("bytes are not text")
        case ListOf() | Scalar() | Varchar() | Decimal():
            return array.cast(wanted, safe=True)
        case _:
            raise pa.ArrowInvalid(f"no cast from {array.type}")


def _check_length(job: str, column: ReadColumn, declared: Varchar, array: pa.Array) -> None:
    too_long = pc.greater(pc.utf8_length(array), declared.length)
    if pc.any(too_long).as_py():
        sample = array.filter(too_long)[0].as_py()
        raise _misfit(job, column, f"{sample[:80]!r} has {len(sample)} characters")


def _misfit(job: str, column: ReadColumn, what: str) -> RunError:
    return RunError(
        job=job,
        reason=f"column '{column.name}': a value does not fit {column.declared}: {what}; mend the row, declare a wider "
        "type, or cast it in the query",
    )
