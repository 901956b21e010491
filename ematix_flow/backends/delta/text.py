"""Rows as text: fit to be compared and to be shown. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import pyarrow as pa

Row: TypeAlias = tuple[Any, ...]  # one value a column: text, bytes, a list of them, or None
_SHOWN_CHARACTERS = 80


def text_rows(batch: pa.RecordBatch) -> list[Row]:
    """The rows of a batch; NaN equals NaN, and dates may lie in any year."""
    columns = [as_text(column).to_pylist() for column in batch.columns]
    return list(zip(*columns, strict=True))


def as_text(array: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """The values as text, or lists of text; bytes stay bytes."""
    is_list = pa.types.is_list(array.type)
    if pa.types.is_binary(array.type.value_type if is_list else array.type):
        return array
    return array.cast(pa.list_(pa.string()) if is_list else pa.string())


def shown(row: Row, names: Sequence[str]) -> str:
    """A row for an error message: `id=1, name=null`, long values cut."""
    values = ("null" if value is None else str(value)[:_SHOWN_CHARACTERS] for value in row)
    return ", ".join(f"{name}={value}" for name, value in zip(names, values, strict=True))
