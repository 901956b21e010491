"""Record batches as COPY's CSV bytes. Pure.

Arrow's own CSV writer does the common types; intervals, arrays and bytes are first turned into the text that
PostgreSQL reads. A null is an unquoted empty field and the empty string a quoted one, which is how COPY tells them
apart (PostgreSQL manual, "COPY", CSV format).
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

_OPTIONS = csv.WriteOptions(include_header=False, quoting_style="needed")


def encode(batch: pa.RecordBatch) -> bytes:
    """The batch as CSV lines, columns in the batch's order.

    Raises:
        pa.ArrowInvalid: PostgreSQL cannot hold a value; it names the column.
    """
    texts = [_column(name, array) for name, array in zip(batch.schema.names, batch.columns, strict=True)]
    out = io.BytesIO()
    csv.write_csv(pa.RecordBatch.from_arrays(texts, names=batch.schema.names), out, _OPTIONS)
    lines = out.getvalue()
    if b"\0" in lines:
        _refuse_zero_bytes(batch.schema.names, texts)
    return lines


def _column(name: str, array: pa.Array) -> pa.Array:
    try:
        return _text(array)
    except pa.ArrowInvalid as error:
        raise pa.ArrowInvalid(f"column '{name}': {error}") from error


def _refuse_zero_bytes(names: Sequence[str], texts: Sequence[pa.Array]) -> None:
    for name, array in zip(names, texts, strict=True):
        if pa.types.is_string(array.type) and pc.any(pc.match_substring(array, "\0")).as_py():
            raise pa.ArrowInvalid(f"column '{name}': a text holds a zero byte, which PostgreSQL cannot store")


def _text(array: pa.Array) -> pa.Array:
    """The column in a form whose CSV PostgreSQL reads back to the same value."""
    if pa.types.is_binary(array.type):
        return _mapped(array, _bytes_text)
    if pa.types.is_interval(array.type):
        return _mapped(array, _interval_text)
    if pa.types.is_list(array.type):
        return _mapped(array, _array_text)
    return array


def _mapped(array: pa.Array, text: Callable[[Any], str]) -> pa.Array:
    return pa.array([None if value is None else text(value) for value in array.to_pylist()], pa.string())


def _bytes_text(value: bytes) -> str:
    return f"\\x{value.hex()}"


def _interval_text(value: pa.MonthDayNano) -> str:
    microseconds, rest = divmod(value.nanoseconds, 1000)
    if rest:
        raise pa.ArrowInvalid(
            f"an interval of {value.nanoseconds} ns is finer than PostgreSQL's microseconds"
        )
    return f"{value.months} months {value.days} days {microseconds} microseconds"


def _array_text(values: list[Any]) -> str:
    return "{" + ",".join(_element_text(value) for value in values) + "}"


def _element_text(value: Any) -> str:
    match value:
        case None:
            return "NULL"
        case bool():
            return "true" if value else "false"
        case bytes():
            text = _bytes_text(value)
        case pa.MonthDayNano():
            text = _interval_text(value)
        case float():
            text = repr(value)
        case _:
            text = str(value)
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
