"""How rows travel: a bounded channel between threads, and one read that feeds several targets.

Memory is bounded whatever the row count: a reader waits until the slowest target took its batch.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from ematix_flow.errors import EmatixError

if TYPE_CHECKING:
    # Loading definitions costs less without a driver, and rows between two PostgreSQL servers without Arrow.
    import pyarrow as pa
    from psycopg import sql

T = TypeVar("T")
# Batches are a few MB each; two waiting ones let reading and writing overlap without hoarding rows.
_CHANNEL_CAPACITY = 2


@dataclass(frozen=True, slots=True)
class Batches:
    """Record batches of one schema, each seen once."""

    schema: pa.Schema
    rows: Iterator[pa.RecordBatch]

    def reader(self) -> pa.RecordBatchReader:
        """The rows as an Arrow stream."""
        import pyarrow as pa

        return pa.RecordBatchReader.from_batches(self.schema, self.rows)


@dataclass(frozen=True, slots=True)
class ServerSelect:
    """A select that the target's own server runs; its columns stand in the order of the read plan.

    `misfit` tells, once it failed, which value would not become its declared type; None where that is not why.
    """

    statement: sql.Composed
    misfit: Callable[[], str | None]


@dataclass(frozen=True, slots=True)
class CopyBlock:
    """Whole records of COPY's binary format, and the length of each in bytes."""

    data: bytes | bytearray
    lengths: Sequence[int]


@dataclass(frozen=True, slots=True)
class CopyRows:
    """Rows as PostgreSQL sends them, between the format's header and its trailer; each block is seen once.

    Two servers exchange them as they are; `decode` makes record batches of them for whoever needs Arrow.
    """

    blocks: Iterator[CopyBlock]
    decode: Callable[[Iterator[CopyBlock]], Batches]

    def batches(self) -> Batches:
        """The rows as record batches."""
        return self.decode(self.blocks)


Stream: TypeAlias = Batches | CopyRows | ServerSelect


@dataclass(eq=False, kw_only=True)
class StreamCancelledError(EmatixError):
    """A read was stopped before its end; whoever was loading it must not take what came for all there is."""

    @property
    def message(self) -> str:
        """That the run was cancelled."""
        return "the run was cancelled before the last row was read"


class Channel(Generic[T]):
    """A bounded queue from one sending thread to one receiving thread, closable from either end."""

    def __init__(self, capacity: int = _CHANNEL_CAPACITY) -> None:
        self._capacity = capacity
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._finished = False
        self._error: BaseException | None = None
        self._abandoned = False

    def send(self, item: T) -> bool:
        """Hand over `item`, waiting for room. False when the receiver has gone and nothing was handed over."""
        with self._changed:
            self._changed.wait_for(lambda: self._abandoned or len(self._items) < self._capacity)
            if self._abandoned:
                return False
            self._items.append(item)
            self._changed.notify_all()
            return True

    def finish(self, error: BaseException | None = None) -> None:
        """Say that no item follows; with `error`, the receiver gets it after the items already sent."""
        with self._changed:
            self._finished, self._error = True, error
            self._changed.notify_all()

    def abandon(self) -> None:
        """Say that nobody receives any more: drop what waits, and release the sender."""
        with self._changed:
            self._abandoned = True
            self._items.clear()
            self._changed.notify_all()

    def __iter__(self) -> Iterator[T]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._items or self._finished or self._abandoned)
                if self._abandoned:
                    raise StreamCancelledError
                if not self._items:
                    if self._error is not None:
                        raise self._error
                    return
                item = self._items.popleft()
                self._changed.notify_all()
            yield item


class Broadcast:
    """One thread reads, and hands each piece to every feed; a feed that is abandoned no longer holds it up."""

    def __init__(self, stream: Batches | CopyRows, feeds: int) -> None:
        self._stream = stream
        self._channels = tuple(Channel[Any]() for _ in range(feeds))
        self._thread = threading.Thread(target=self._read, name="ematix-read", daemon=True)

    def start(self) -> tuple[Batches | CopyRows, ...]:
        """Start reading; one stream a feed."""
        self._thread.start()
        return tuple(_refilled(self._stream, iter(channel)) for channel in self._channels)

    def abandon(self, feed: int) -> None:
        """Say that `feed` takes no more of it."""
        self._channels[feed].abandon()

    def stop(self) -> None:
        """End the reading and wait for its thread."""
        for channel in self._channels:
            channel.abandon()
        self._thread.join()

    def _read(self) -> None:
        error: BaseException | None = None
        try:
            for piece in _pieces(self._stream):
                taken = [channel.send(piece) for channel in self._channels]
                if not any(taken):
                    break
        except BaseException as raised:  # noqa: BLE001  # handed to every feed, which raises it in its own thread
            error = raised
        for channel in self._channels:
            channel.finish(error)


def _pieces(stream: Batches | CopyRows) -> Iterator[Any]:
    return stream.rows if isinstance(stream, Batches) else stream.blocks


def _refilled(stream: Batches | CopyRows, pieces: Iterator[Any]) -> Batches | CopyRows:
    """A stream of the same kind over other pieces."""
    if isinstance(stream, Batches):
        return replace(stream, rows=pieces)
    return replace(stream, blocks=pieces)


def started(stream: Batches | CopyRows) -> Batches | CopyRows | None:
    """The same stream, its first piece read; None where there is none."""
    pieces = iter(_pieces(stream))
    for first in pieces:
        if _size(first)[0]:
            return _refilled(stream, chain((first,), pieces))
    return None


def counted(stream: Batches | CopyRows, on_rows: Callable[[int, int], None]) -> Batches | CopyRows:
    """The same stream; `on_rows` gets the rows and bytes of each piece as it passes."""

    def told() -> Iterator[Any]:
        for piece in _pieces(stream):
            yield piece
            on_rows(*_size(piece))

    return _refilled(stream, told())


def _size(piece: pa.RecordBatch | CopyBlock) -> tuple[int, int]:
    if isinstance(piece, CopyBlock):
        return len(piece.lengths), len(piece.data)
    return piece.num_rows, piece.nbytes
