"""Whole records: walk a block field by field, each into a column. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from ematix_flow.backends.postgres.wire.columns import column_array
from ematix_flow.backends.postgres.wire.fields import Fields, Wire
from ematix_flow.streams import CopyBlock
from ematix_flow.types import DataType

_FIELD_COUNT = 2  # bytes before the first field


class UnfitValueError(ValueError):
    """A value that Arrow cannot carry, or that would be another one there."""

    def __init__(self, column: str, type_: DataType, what: str) -> None:
        super().__init__(column, type_, what)
        self.column, self.type, self.what = column, type_, what


def decode(block: CopyBlock, names: Sequence[str], types: Sequence[DataType]) -> list[pa.Array]:
    """The columns of a block, in order, in their Arrow types.

    Raises:
        UnfitValueError: Arrow cannot carry a value.
    """
    wire = Wire(block.data)
    lengths = np.array(block.lengths, dtype=np.int64)
    offsets = np.cumsum(lengths) - lengths + _FIELD_COUNT
    arrays = []
    for name, type_ in zip(names, types, strict=True):
        fields = Fields.read(wire, offsets)
        try:
            arrays.append(column_array(fields, type_))
        except ValueError as error:
            raise UnfitValueError(name, type_, str(error)) from error
        offsets = fields.ends
    return arrays
