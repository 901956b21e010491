"""Rows on their way: one read into all the targets that share it, threads, progress and cancellation."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ematix_flow.body import Query, Rows
from ematix_flow.errors import EmatixError, LoadError
from ematix_flow.plan import CopyInto, CopyStaged, ReadPlan, TargetPlan
from ematix_flow.results import Event, Progress, TargetResult
from ematix_flow.run.prepare import Opened, Prepared, failed
from ematix_flow.streams import Batches, Broadcast, CopyRows, ServerSelect, Stream, counted


def load_group(prepared: Prepared, read: ReadPlan, group: Sequence[TargetPlan]) -> Iterator[Event]:
    """One read into all targets that share it, each in a thread of its own."""
    events: queue.SimpleQueue[Event] = queue.SimpleQueue()
    try:
        stream = _open_stream(prepared, read)
    except EmatixError as error:
        yield from (failed(prepared.opened[plan.label].target, plan, error, 0.0) for plan in group)
        return
    broadcast, feeds = _feeds(stream, group)
    threads = []
    for number, (plan, feed) in enumerate(zip(group, feeds, strict=True)):
        worker = _Worker(prepared.opened[plan.label], plan, feed, events, broadcast, number)
        threads.append(threading.Thread(target=worker.run, name=f"ematix-load-{plan.label}", daemon=True))
        threads[-1].start()
    waiting = len(group)
    try:
        while waiting:
            event = events.get()
            waiting -= isinstance(event, TargetResult)
            yield event
    finally:
        if waiting:
            _cancel(prepared, group)
        if broadcast:
            broadcast.stop()
        for thread in threads:
            thread.join()


def _open_stream(prepared: Prepared, read: ReadPlan) -> Stream:
    match prepared.given:
        case Rows(batches=batches):
            # Arrow's kernels load with the first rows, not with definitions.
            from ematix_flow.conform import conform

            return conform(batches, read)
        case Query():
            assert prepared.source is not None  # noqa: S101  # _describe refused a query without a source
            return prepared.source.open(read)


def _feeds(stream: Stream, group: Sequence[TargetPlan]) -> tuple[Broadcast | None, Sequence[Stream]]:
    match stream:
        case ServerSelect():
            return None, [stream]
        case CopyRows() if (
            all(isinstance(plan.path, CopyInto | CopyStaged) for plan in group) and len(group) == 1
        ):
            return None, [
                stream
            ]  # what one server sends is what the other takes: a thread between them gains nothing
        case Batches() | CopyRows():
            broadcast = Broadcast(stream, len(group))
            return broadcast, broadcast.start()


def _cancel(prepared: Prepared, group: Sequence[TargetPlan]) -> None:
    for plan in group:
        prepared.opened[plan.label].sink.cancel()
    if prepared.source is not None:
        prepared.source.cancel()


@dataclass(frozen=True, slots=True)
class _Worker:
    """Loads one target and tells how it went."""

    opened: Opened
    plan: TargetPlan
    rows: Stream
    events: queue.SimpleQueue[Event]
    broadcast: Broadcast | None
    feed: int

    def run(self) -> None:
        started = time.monotonic()
        try:
            with self.opened.stack:
                counts = self.opened.sink.load(self.plan, self._told())
        except EmatixError as error:
            result = failed(self.opened.target, self.plan, error, time.monotonic() - started)
        except BaseException as error:  # noqa: BLE001  # the caller waits for a result; a body may raise SystemExit
            wrapped = LoadError(
                job=self.plan.job,
                table=self.plan.table.full_name,
                reason=f"{type(error).__name__}: {error}",
            )
            wrapped.__cause__ = error
            result = failed(self.opened.target, self.plan, wrapped, time.monotonic() - started)
        else:
            result = TargetResult(
                connection=self.plan.connection,
                table=self.plan.table.full_name,
                plan=self.plan,
                counts=counts,
                watermark=self.opened.sink.kept,
                seconds=time.monotonic() - started,
            )
        if self.broadcast is not None:
            self.broadcast.abandon(self.feed)
        self.events.put(result)

    def _told(self) -> Stream:
        if isinstance(self.rows, ServerSelect):
            return self.rows
        rows = bytes_ = 0

        def on_rows(more_rows: int, more_bytes: int) -> None:
            nonlocal rows, bytes_
            rows, bytes_ = rows + more_rows, bytes_ + more_bytes
            self.events.put(Progress(label=self.plan.label, rows=rows, bytes=bytes_))

        return counted(self.rows, on_rows)
