"""Blocks of records as record batches: walked field by field, each into a column. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from ematix_flow.backends.postgres.wire.columns import column_array, width_of
from ematix_flow.backends.postgres.wire.fields import Fields, Wire
from ematix_flow.casts import misfit
from ematix_flow.streams import Batches, CopyBlock
from ematix_flow.types import DataType, to_arrow

_FIELD_COUNT = 2  # bytes before the first field


def decode(
    blocks: Iterator[CopyBlock],
    names: Sequence[str],
    types: Sequence[DataType],
    *,
    job: str,
    show_values: bool,
) -> Batches:
    """The rows of a job's read, a batch a block, in the Arrow types of their columns.

    Raises (while iterating):
        RunError: Arrow cannot carry a value; it names the column, and shows the value if it may.
    """
    schema = pa.schema([pa.field(name, to_arrow(type_)) for name, type_ in zip(names, types, strict=True)])

    def batches() -> Iterator[pa.RecordBatch]:
        for block in blocks:
            arrays = []
            for name, type_, fields in zip(names, types, _walked(block, types), strict=True):
                try:
                    arrays.append(column_array(fields, type_))
                except ValueError as error:
                    raise misfit(
                        job, name, type_, str(error) if show_values else "(the value is hidden)"
                    ) from None
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    return Batches(schema, batches())


def _walked(block: CopyBlock, types: Sequence[DataType]) -> Iterator[Fields]:
    """The first field of every record, then the second, and so on."""
    wire = Wire(block.data)
    lengths = np.array(block.lengths, dtype=np.int64)
    offsets = np.cumsum(lengths) - lengths + _FIELD_COUNT
    for type_ in types:
        fields = Fields.read(wire, offsets, width_of(type_))
        yield fields
        offsets = fields.ends
