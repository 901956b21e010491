"""Record batches made to fit the declared columns: by name, cast safely, values checked."""

from __future__ import annotations

import decimal
from collections.abc import Iterator, Sequence
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from ematix_flow.casts import Cast, Refused, classify, misfit
from ematix_flow.plan import ReadColumn, ReadPlan
from ematix_flow.streams import Batches
from ematix_flow.types import DataType, Decimal, Foreign, ListOf, Scalar, Varchar, from_arrow, to_arrow

# Arrow counts days from 1970, and microseconds. The years 1 to 9999 are those of Python's dates and of Delta's
# readers; what lies outside would be refused by one target and come back as another value from the next.
_DAY = 86_400_000_000
_FIRST_DAY, _LAST_DAY = ((day - date(1970, 1, 1)).days for day in (date.min, date.max))
_YEARS = "lies outside the years 1 to 9999"
_INSTANTS = (pa.int64(), _FIRST_DAY * _DAY, (_LAST_DAY + 1) * _DAY - 1, _YEARS)
_RANGES = {
    Scalar.DATE: (pa.int32(), _FIRST_DAY, _LAST_DAY, _YEARS),
    Scalar.TIMESTAMP: _INSTANTS,
    Scalar.TIMESTAMPTZ: _INSTANTS,
    Scalar.TIME: (pa.int64(), 0, _DAY - 1, "lies outside a day, 00:00 to 23:59:59.999999"),
}


def conform(batches: Batches, read: ReadPlan) -> Batches:
    """The batches with exactly the read plan's columns, in its order and its declared Arrow types.

    Raises (while iterating):
        RunError: a value does not fit its declared type; it names the column and the value.
    """
    schema = arrow_schema(read.columns)

    def rows() -> Iterator[pa.RecordBatch]:
        for batch in batches.rows:
            _refuse_new_casts(batches.schema, batch.schema, read)
            arrays = [_column(batch, column, read) for column in read.columns]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    return Batches(schema, rows())


def arrow_schema(columns: Sequence[ReadColumn]) -> pa.Schema:
    """The Arrow schema of a conformed stream."""
    return pa.schema([pa.field(column.name, to_arrow(column.declared)) for column in columns])


def _refuse_new_casts(planned: pa.Schema, given: pa.Schema, read: ReadPlan) -> None:
    """The plan judged the first batch's types; a later batch needs no cast that the plan would have refused."""
    for column in read.columns:
        if column.source is None or given.field(column.name).type == planned.field(column.name).type:
            continue
        type_ = from_arrow(given.field(column.name).type)
        if isinstance(classify(type_, column.declared), Refused):
            raise misfit(
                read.job,
                column.name,
                column.declared,
                f"a later batch gives {type_}, the first one {column.source}",
            )


def _column(batch: pa.RecordBatch, column: ReadColumn, read: ReadPlan) -> pa.Array:
    if column.source is None:
        return pa.nulls(batch.num_rows, to_arrow(column.declared))
    try:
        array = _cast(_plain(batch.column(column.name)), to_arrow(column.declared))
        _check(array, column.declared)
        # Where the first batch held nulls only, the plan could not tell.
        if column.cast is Cast.SCALE or column.source == Foreign("null"):
            _check_scale(array, column.declared)
    except (ValueError, pa.ArrowNotImplementedError) as error:  # ArrowInvalid is a ValueError
        if not read.show_values:
            raise misfit(read.job, column.name, column.declared, "(the value is hidden)") from None
        raise misfit(read.job, column.name, column.declared, str(error)) from error
    return array


def _plain(array: pa.Array) -> pa.Array:
    """The array without extension types and dictionaries, also inside lists: a UUID becomes its text."""
    if pa.types.is_dictionary(array.type):
        return array.dictionary_decode()
    if pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
        return _plain_list(array)
    if not isinstance(array.type, pa.BaseExtensionType):
        return array
    if array.type.extension_name == "arrow.uuid":
        return pa.array([None if value is None else str(value) for value in array.to_pylist()], pa.string())
    return array.storage


def _plain_list(array: pa.Array) -> pa.Array:
    elements = _plain(array.flatten())
    if elements.type == array.type.value_type:
        return array
    ends = pc.cumulative_sum(pc.fill_null(pc.list_value_length(array), 0))
    offsets = pa.array([0, *ends.to_pylist()], pa.int32())
    return pa.ListArray.from_arrays(offsets, elements, mask=array.is_null())


def _cast(array: pa.Array, wanted: pa.DataType) -> pa.Array:
    if array.type == wanted:
        return array
    if _holds_bytes(array.type) and not _holds_bytes(wanted):
        raise ValueError("bytes are not text")  # Arrow would take them for UTF-8
    if pa.types.is_integer(array.type) and pa.types.is_decimal(wanted):
        # Arrow sizes the intermediate decimal by the integer's type, not by its values.
        return array.cast(pa.decimal128(38, 0)).cast(wanted)
    return array.cast(wanted, safe=True)


def _holds_bytes(type_: pa.DataType) -> bool:
    meant = from_arrow(type_)
    return meant in (Scalar.BYTES, ListOf(Scalar.BYTES))


# --- values that Arrow carries, and a target does not hold --------------------------------------------


def _check(array: pa.Array, declared: DataType) -> None:
    match declared:
        case ListOf(element=element):
            _check(array.flatten(), element)
        case Varchar(length=length):
            _refuse(array, pc.greater(pc.utf8_length(array), length), f"is longer than {length} characters")
        case Scalar.DATE | Scalar.TIME | Scalar.TIMESTAMP | Scalar.TIMESTAMPTZ:
            counts_as, first, last, outside = _RANGES[declared]
            count = array.view(counts_as)
            _refuse(array, pc.or_(pc.less(count, first), pc.greater(count, last)), outside)


def _refuse(array: pa.Array, unfit: pa.Array, why: str) -> None:
    if pc.any(unfit).as_py():
        sample = array.filter(unfit)[:1].cast(pa.string())[0].as_py()
        raise ValueError(f"{sample[:80]!r} {why}")


def _check_scale(array: pa.Array, declared: DataType) -> None:
    """Refuse digits that the server would round away; Arrow itself does so where it holds a decimal."""
    if not (isinstance(declared, Decimal) and declared.scale is not None and pa.types.is_string(array.type)):
        return
    for text in array.drop_null().to_pylist():
        try:
            _, digits, exponent = decimal.Decimal(text).as_tuple()
        except decimal.InvalidOperation:
            raise ValueError(f"{text[:80]!r} is not a number") from None
        # The exponent of NaN and infinity is no number, and they have no digits to lose.
        surplus = -exponent - declared.scale if isinstance(exponent, int) else 0
        if surplus > 0 and any(digits[-surplus:]):
            raise ValueError(f"{text[:80]!r} has more digits behind the point")
