"""Channels and broadcasts between threads: everything arrives once, errors arrive last, nobody waits for ever."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ematix_flow.streams import (
    Batches,
    Broadcast,
    Channel,
    CopyBlock,
    CopyRows,
    StreamCancelledError,
    counted,
)

# A deadlock shows as a test that does not end.
pytestmark = pytest.mark.timeout(20)

SCHEMA = pa.schema([("n", pa.int64())])


def batch(n: int) -> pa.RecordBatch:
    return pa.record_batch({"n": [n]}, schema=SCHEMA)


def numbers(batches: Batches) -> list[int]:
    return [n for batch in batches.rows for n in batch.column("n").to_pylist()]


def started(broadcast: Broadcast) -> list[Batches]:
    """The feeds of a broadcast of batches."""
    return [feed for feed in broadcast.start() if isinstance(feed, Batches)]


def endless() -> Iterator[pa.RecordBatch]:
    return map(batch, itertools.count())


def reading_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "ematix-read"]


def eventually(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.001)
    return holds()


# --- channel ------------------------------------------------------------------------------------------


def test_items_arrive_in_order_and_then_it_ends() -> None:
    channel = Channel[int](capacity=3)
    assert all(channel.send(n) for n in range(3))
    channel.finish()
    assert list(channel) == [0, 1, 2]


def test_an_error_arrives_after_the_items_sent_before_it() -> None:
    channel = Channel[int]()
    channel.send(1)
    channel.finish(OSError("the disk is full"))
    received = iter(channel)
    assert next(received) == 1
    with pytest.raises(OSError, match="the disk is full"):
        next(received)


def test_a_sender_waits_for_room() -> None:
    channel = Channel[int](capacity=1)
    sent: list[int] = []

    def send() -> None:
        for n in range(3):
            channel.send(n)
            sent.append(n)
        channel.finish()

    sender = threading.Thread(target=send)
    sender.start()
    assert eventually(lambda: sent == [0])
    time.sleep(0.05)
    assert sent == [0]
    assert list(channel) == [0, 1, 2]
    sender.join()


def test_a_sender_that_waits_is_released_when_the_receiver_goes() -> None:
    channel = Channel[int](capacity=1)
    channel.send(0)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(channel.send, 1)
        channel.abandon()
        assert waiting.result(10) is False


def test_a_receiver_that_waits_is_released_when_the_channel_is_abandoned() -> None:
    channel = Channel[int]()
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(next, iter(channel))
        channel.abandon()
        with pytest.raises(StreamCancelledError):
            waiting.result(10)


def test_what_waits_in_an_abandoned_channel_is_not_taken_for_all_there_is() -> None:
    channel = Channel[int]()
    channel.send(1)
    channel.finish()
    channel.abandon()
    with pytest.raises(StreamCancelledError, match="cancelled before the last row"):
        list(channel)


@given(items=st.lists(st.integers(), max_size=50), capacity=st.integers(1, 5))
@settings(max_examples=50)
def test_a_channel_changes_nothing(items: list[int], capacity: int) -> None:
    channel = Channel[int](capacity)

    def send() -> None:
        for item in items:
            channel.send(item)
        channel.finish()

    sender = threading.Thread(target=send)
    sender.start()
    assert list(channel) == items
    sender.join()


# --- broadcast ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("feeds", [1, 2, 5])
def test_every_feed_gets_every_batch(feeds: int) -> None:
    broadcast = Broadcast(Batches(SCHEMA, map(batch, range(20))), feeds)
    with ThreadPoolExecutor(feeds) as pool:
        assert list(pool.map(numbers, started(broadcast))) == [list(range(20))] * feeds
    broadcast.stop()
    assert reading_threads() == []


def test_a_feed_has_the_schema_also_without_batches() -> None:
    broadcast = Broadcast(Batches(SCHEMA, iter(())), 1)
    (feed,) = started(broadcast)
    assert feed.schema == SCHEMA
    assert numbers(feed) == []
    broadcast.stop()


def test_the_reader_waits_for_the_slowest_feed() -> None:
    read: list[int] = []

    def noticed() -> Iterator[pa.RecordBatch]:
        for n in range(1000):
            read.append(n)
            yield batch(n)

    broadcast = Broadcast(Batches(SCHEMA, noticed()), 2)
    fast, _slow = started(broadcast)
    with ThreadPoolExecutor() as pool:
        pool.submit(numbers, fast)
        assert eventually(lambda: len(read) >= 3)
        time.sleep(0.05)
        assert len(read) <= 5
        broadcast.stop()


def test_a_feed_that_is_given_up_holds_nobody_up() -> None:
    broadcast = Broadcast(Batches(SCHEMA, map(batch, range(100))), 2)
    kept, given_up = started(broadcast)
    next(given_up.rows)
    broadcast.abandon(1)
    assert numbers(kept) == list(range(100))
    broadcast.stop()


def test_an_error_of_the_source_reaches_every_feed_after_its_rows() -> None:
    def failing() -> Iterator[pa.RecordBatch]:
        yield batch(1)
        raise ValueError("the upstream API is down")

    def received(feed: Batches) -> tuple[int, str]:
        first = next(feed.rows).column("n")[0].as_py()
        with pytest.raises(ValueError, match="down") as raised:
            next(feed.rows)
        return first, str(raised.value)

    broadcast = Broadcast(Batches(SCHEMA, failing()), 2)
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(received, started(broadcast)))
    assert found == [(1, "the upstream API is down")] * 2
    broadcast.stop()


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()], ids=repr)
def test_even_an_exit_inside_the_source_reaches_the_feed(error: BaseException) -> None:
    def exiting() -> Iterator[pa.RecordBatch]:
        yield batch(1)
        raise error

    broadcast = Broadcast(Batches(SCHEMA, exiting()), 1)
    (feed,) = started(broadcast)
    next(feed.rows)
    with pytest.raises(type(error)):
        next(feed.rows)
    broadcast.stop()


def test_reading_ends_once_no_feed_is_left() -> None:
    broadcast = Broadcast(Batches(SCHEMA, endless()), 2)
    broadcast.start()
    broadcast.abandon(0)
    broadcast.abandon(1)
    assert eventually(lambda: reading_threads() == [])
    broadcast.stop()


def test_stopping_ends_an_endless_read_and_tells_the_feeds() -> None:
    broadcast = Broadcast(Batches(SCHEMA, endless()), 2)
    with ThreadPoolExecutor() as pool:
        feeds = [pool.submit(numbers, feed) for feed in started(broadcast)]
        broadcast.stop()
        assert reading_threads() == []
        for feed in feeds:
            with pytest.raises(StreamCancelledError):
                feed.result(10)


def test_stopping_twice_is_stopping() -> None:
    broadcast = Broadcast(Batches(SCHEMA, endless()), 1)
    broadcast.start()
    broadcast.stop()
    broadcast.stop()
    assert reading_threads() == []


# --- batches ------------------------------------------------------------------------------------------


def test_batches_can_be_read_as_an_arrow_stream() -> None:
    reader = Batches(SCHEMA, map(batch, range(3))).reader()
    assert reader.read_all() == pa.table({"n": [0, 1, 2]}, schema=SCHEMA)


def test_counting_tells_rows_and_bytes_of_what_was_taken() -> None:
    told: list[tuple[int, int]] = []
    batches = Batches(SCHEMA, iter([pa.record_batch({"n": [1, 2]}, schema=SCHEMA), batch(3)]))
    passing = counted(batches, lambda rows, size: told.append((rows, size)))
    assert isinstance(passing, Batches)
    assert numbers(passing) == [1, 2, 3]
    assert told == [(2, 16), (1, 8)]


# --- rows as a server sends them ----------------------------------------------------------------------


def block(*records: bytes) -> CopyBlock:
    return CopyBlock(b"".join(records), [len(record) for record in records])


def sizes(blocks: Iterator[CopyBlock]) -> Batches:
    """Decodes blocks of what are no real records: the numbers are their lengths."""
    return Batches(SCHEMA, (pa.record_batch({"n": each.lengths}, schema=SCHEMA) for each in blocks))


def copied(blocks: Iterator[CopyBlock]) -> CopyRows:
    return CopyRows(blocks, sizes)


def copying(broadcast: Broadcast) -> list[CopyRows]:
    """The feeds of a broadcast of a server's rows."""
    return [feed for feed in broadcast.start() if isinstance(feed, CopyRows)]


BLOCKS = [block(b"a", b"bcd"), block(b"ef")]


def test_rows_of_a_server_become_batches_a_block_at_a_time() -> None:
    taken: list[CopyBlock] = []

    def noticed() -> Iterator[CopyBlock]:
        for each in BLOCKS:
            taken.append(each)
            yield each

    batches = copied(noticed()).batches()
    assert batches.schema == SCHEMA
    assert taken == []
    assert next(batches.rows).column("n").to_pylist() == [1, 3]
    assert taken == BLOCKS[:1]
    assert numbers(batches) == [2]


def test_every_feed_gets_every_block_and_makes_batches_for_itself() -> None:
    broadcast = Broadcast(copied(iter(BLOCKS)), 3)
    one, other, batched = copying(broadcast)
    with ThreadPoolExecutor(3) as pool:
        raw = [pool.submit(list, feed.blocks) for feed in (one, other)]
        decoded = pool.submit(numbers, batched.batches())
        assert [feed.result(10) for feed in raw] == [BLOCKS, BLOCKS]
        assert decoded.result(10) == [1, 3, 2]
    broadcast.stop()
    assert reading_threads() == []


def test_an_error_of_the_server_reaches_a_feed_that_decodes() -> None:
    def failing() -> Iterator[CopyBlock]:
        yield BLOCKS[0]
        raise OSError("the server is gone")

    broadcast = Broadcast(copied(failing()), 1)
    (feed,) = copying(broadcast)
    batches = feed.batches()
    assert next(batches.rows).num_rows == 2
    with pytest.raises(OSError, match="gone"):
        next(batches.rows)
    broadcast.stop()


def test_a_feed_whose_decoder_fails_is_given_up_like_any_other() -> None:
    def unfit(blocks: Iterator[CopyBlock]) -> Batches:
        next(blocks)
        raise ValueError("a value does not fit")

    broadcast = Broadcast(CopyRows(iter(BLOCKS * 20), unfit), 2)
    kept, failing = copying(broadcast)
    with pytest.raises(ValueError, match="does not fit"):
        failing.batches()
    broadcast.abandon(1)
    assert list(kept.blocks) == BLOCKS * 20
    broadcast.stop()


def test_counting_tells_rows_and_bytes_of_blocks_that_were_taken() -> None:
    told: list[tuple[int, int]] = []
    rows = counted(copied(iter(BLOCKS)), lambda rows, size: told.append((rows, size)))
    assert isinstance(rows, CopyRows)
    assert next(rows.blocks) == BLOCKS[0]
    assert told == []  # until the next one is asked for, this one has not passed
    assert numbers(rows.batches()) == [2]
    assert told == [(2, 4), (1, 2)]
