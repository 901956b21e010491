"""Where the fields of many records lie, and numbers read from there. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Ints: TypeAlias = npt.NDArray[np.int64]
Flags: TypeAlias = npt.NDArray[np.bool_]

_LENGTH = 4  # bytes
# A number is read where a NULL's would stand, too; behind the last field that must not run over the edge.
_PADDING = bytes(32)


class Wire:
    """The bytes of a block, to be read at any offsets at once."""

    def __init__(self, data: bytes | bytearray) -> None:
        self.data = b"".join((data, _PADDING))
        self._views: dict[str, npt.NDArray[Any]] = {}

    def at(self, type_: str, offsets: Ints) -> npt.NDArray[Any]:
        """The big-endian numbers at some offsets, in the machine's own order; `type_` as numpy names it ("i4")."""
        view = self._views.get(type_)
        if view is None:
            wide = np.dtype(f">{type_}")
            count = len(self.data) - wide.itemsize + 1
            view = self._views[type_] = np.ndarray((count,), wide, self.data, strides=(1,))
        return view[offsets].astype(type_)

    def all_lengths_are(self, width: int, offsets: Ints) -> bool:
        """Whether every length that stands at some offsets is the same one; compared as it stands, big-endian."""
        view = self._views.get("lengths")
        if view is None:
            view = self._views["lengths"] = np.ndarray((len(self.data) - 3,), "=u4", self.data, strides=(1,))
        (expected,) = np.array([width], ">u4").view("=u4")
        return bool((view[offsets] == expected).all())


@dataclass(frozen=True, slots=True)
class Fields:
    """One field of each record: where its bytes start and end, and which are NULL (those are empty)."""

    wire: Wire
    starts: Ints
    ends: Ints
    nulls: Flags | None  # None: there are none

    @classmethod
    def read(cls, wire: Wire, offsets: Ints, width: int | None = None) -> Fields:
        """The fields whose lengths stand at `offsets`: all of one `width` where the type has one and none is NULL."""
        if width is not None and wire.all_lengths_are(width, offsets):
            starts = offsets + _LENGTH
            return cls(wire, starts, starts + width, None)
        lengths = wire.at("i4", offsets)
        starts = offsets + _LENGTH
        if lengths.min(initial=0) >= 0:
            return cls(wire, starts, starts + lengths, None)
        nulls = lengths < 0
        return cls(wire, starts, starts + np.where(nulls, 0, lengths), nulls)

    def __len__(self) -> int:
        return len(self.starts)

    def numbers(self, type_: str, skip: int = 0) -> npt.NDArray[Any]:
        """The number that stands `skip` bytes into each field; zero in place of a NULL."""
        values = self.wire.at(type_, self.starts + skip if skip else self.starts)
        if self.nulls is not None:
            values[self.nulls] = 0
        return values

    @property
    def validity(self) -> pa.Buffer | None:
        """Arrow's bitmap of the values that are not NULL."""
        return None if self.nulls is None else bitmap(~self.nulls)

    def array(self, type_: pa.DataType, values: npt.NDArray[Any]) -> pa.Array:
        """Numbers of the fields as an Arrow array of a fixed width."""
        return pa.Array.from_buffers(type_, len(self), [self.validity, pa.py_buffer(values)])


def bitmap(flags: Flags) -> pa.Buffer:
    """Flags as Arrow keeps them: a bit each, the lowest first."""
    return pa.py_buffer(np.packbits(flags, bitorder="little"))
