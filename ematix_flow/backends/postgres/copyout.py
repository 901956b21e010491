"""Reading rows in COPY's binary format, at the speed of the wire.

psycopg's own COPY object waits, and makes a generator's round, for every message; a message is a row. Here libpq is
asked for rows until it has none, and only then waited for.
"""

from __future__ import annotations

import select
import selectors
from collections.abc import Callable, Iterator

import psycopg
from psycopg import pq, sql

from ematix_flow.streams import CopyBlock

_BLOCK = 2 << 20  # bytes; half of it costs Arrow a sixth more, and twice as much gains nothing
_SIGNATURE = b"PGCOPY\n\xff\r\n\0"
HEADER = _SIGNATURE + bytes(8)  # no flags, no extension
TRAILER = b"\xff\xff"


def copy_out(session: psycopg.Connection, rows: sql.Composable) -> Iterator[CopyBlock]:
    """The rows of a select, in blocks of whole records; the session is inside a transaction and does nothing else.

    A reader that stops early leaves the session in the middle of the COPY: all that is left to do is to close it.

    Raises (while iterating):
        psycopg.Error: the server refused the select, or failed half-way.
    """
    statement = sql.SQL("copy ({}) to stdout (format binary)").format(rows)
    connection = session.pgconn
    connection.send_query(statement.as_string(session).encode())
    with selectors.DefaultSelector() as selector:
        selector.register(connection.socket, selectors.EVENT_READ | selectors.EVENT_WRITE)
        while connection.flush():
            selector.select()
        selector.modify(connection.socket, selectors.EVENT_READ)
        wait = _waiting(connection.socket, selector)
        _expect(connection, wait, pq.ExecStatus.COPY_OUT)
        yield from _blocks(connection, wait)
        _expect(connection, wait, pq.ExecStatus.COMMAND_OK)
        while connection.get_result() is not None:
            continue


def _waiting(socket: int, selector: selectors.BaseSelector) -> Callable[[], object]:
    """Waits until there is something to read. A server sends 8 kB at a time, so that this is asked for often, and poll
    itself, where there is one, answers in a quarter of the time.
    """
    if not hasattr(select, "poll"):
        return selector.select
    poll = select.poll()
    poll.register(socket, select.POLLIN)
    return poll.poll


def _blocks(connection: pq.abc.PGconn, wait: Callable[[], object]) -> Iterator[CopyBlock]:
    """What the server sends, gathered; the format's header and trailer are left out."""
    receive = connection.get_copy_data
    # A bytearray takes a record in half the time that it takes to keep the records and join them.
    data, lengths = bytearray(), list[int]()
    is_first = True
    while True:
        length, record = receive(1)
        if length > 0:
            data += record
            lengths.append(length)
            if len(data) < _BLOCK:
                continue
        elif length == 0:
            wait()
            connection.consume_input()
            continue
        if is_first and lengths:  # the header comes with the first record
            del data[: len(HEADER)]
            lengths[0] -= len(HEADER)
            is_first = False
        if length < 0 and data.endswith(TRAILER) and lengths[-1] == len(TRAILER):
            del data[-len(TRAILER) :]
            lengths.pop()
        if data:
            yield CopyBlock(data, lengths)
        if length < 0:
            return
        data, lengths = bytearray(), []


def _expect(connection: pq.abc.PGconn, wait: Callable[[], object], status: pq.ExecStatus) -> None:
    while connection.is_busy():
        wait()
        connection.consume_input()
    result = connection.get_result()
    if result is None:
        raise psycopg.OperationalError("the server ended the COPY without a result")
    if result.status != status:
        while connection.get_result() is not None:  # so that the session can be told to go back
            continue
        raise psycopg.errors.error_from_result(result)
