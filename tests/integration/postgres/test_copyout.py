"""COPY's records from a real server: whole, in order, without what frames them, and with the server's own errors."""

from __future__ import annotations

import itertools
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Annotated, Any, LiteralString

import psycopg
import pyarrow as pa
import pytest
from psycopg import errors, sql

from ematix_flow import Project, pk, run_job
from ematix_flow.backends.postgres.copyout import HEADER, TRAILER, copy_out
from ematix_flow.errors import SourceQueryError
from ematix_flow.streams import CopyBlock
from ematix_flow.types import BigInt

BLOCK = 2 << 20
# A function in the select list gives its rows as they are asked for; in FROM it would be run to its end first.
ENDLESS = sql.SQL("select generate_series(1, 1000000000)")


@pytest.fixture
def session(dsn: str) -> Iterator[psycopg.Connection]:
    """A session inside a transaction, as a source has it."""
    with closing(psycopg.connect(dsn)) as session:
        session.execute("select 1")
        yield session


def blocks(session: psycopg.Connection, query: LiteralString, *values: object) -> list[CopyBlock]:
    """What comes of a query, with values in the places of its `{}`."""
    return list(copy_out(session, sql.SQL(query).format(*values)))


def records(found: list[CopyBlock]) -> Iterator[bytes]:
    """The records, one by one, by the lengths that came with them."""
    for block in found:
        assert len(block.data) == sum(block.lengths)
        ends = list(itertools.accumulate(block.lengths))
        for start, end in itertools.pairwise([0, *ends]):
            yield bytes(block.data[start:end])


def fields(record: bytes) -> list[bytes | None]:
    """A record's fields; it holds nothing else."""
    (count,) = struct.unpack_from(">h", record)
    found: list[bytes | None] = []
    at = 2
    for _ in range(count):
        (length,) = struct.unpack_from(">i", record, at)
        at += 4
        found.append(None if length < 0 else record[at : at + length])
        at += max(length, 0)
    assert at == len(record)
    return found


# --- what comes ---------------------------------------------------------------------------------------


def test_no_rows_are_no_blocks(session: psycopg.Connection) -> None:
    assert blocks(session, "select 1 where false") == []


@pytest.mark.parametrize("rows", [1, 2, 1000, 200_000])
def test_every_row_is_one_record(session: psycopg.Connection, rows: int) -> None:
    found = blocks(session, "select n, null::text, 'x' || n from generate_series(1, {}) as n", rows)
    assert [fields(record) for record in records(found)] == [
        [struct.pack(">i", n), None, f"x{n}".encode()] for n in range(1, rows + 1)
    ]


@pytest.mark.parametrize("rows", [1, 200_000])
def test_the_blocks_are_what_the_server_sent_but_for_header_and_trailer(
    session: psycopg.Connection, rows: int
) -> None:
    query = sql.SQL("select n, -n, n::text from generate_series(1, {}) as n").format(rows)
    found = b"".join(block.data for block in copy_out(session, query))
    with session.cursor().copy(sql.SQL("copy ({}) to stdout (format binary)").format(query)) as copy:
        sent = b"".join(copy)
    assert HEADER + found + TRAILER == sent


def test_blocks_are_of_about_two_megabytes(session: psycopg.Connection) -> None:
    found = blocks(session, "select n, repeat('x', 100) from generate_series(1, 100000) as n")
    assert len(found) == 6
    assert all(BLOCK - len(HEADER) <= len(block.data) < BLOCK + 200 for block in found[:-1])


def test_a_row_may_be_larger_than_a_block(session: psycopg.Connection) -> None:
    found = blocks(
        session, "select n, repeat('é', 2500000) from generate_series(1, 3) as n union all select 4, ''"
    )
    assert [len(block.lengths) for block in found] == [1, 1, 1, 1]
    texts = [fields(record)[1] for record in records(found)]
    assert texts == [b"\xc3\xa9" * 2_500_000] * 3 + [b""]


def test_a_record_that_ends_like_the_trailer_is_kept(session: psycopg.Connection) -> None:
    found = blocks(session, "select -1::smallint from generate_series(1, 3)")
    assert [fields(record) for record in records(found)] == [[TRAILER]] * 3


def test_a_first_field_that_reads_like_the_header_is_kept(session: psycopg.Connection) -> None:
    query = sql.SQL("select {}::bytea").format(sql.Literal(HEADER))
    (record,) = records(list(copy_out(session, query)))
    assert fields(record) == [HEADER]


def test_rows_without_columns_are_rows(session: psycopg.Connection) -> None:
    (block,) = blocks(session, "select from generate_series(1, 3)")
    assert list(block.lengths) == [2, 2, 2]


def test_a_session_that_read_to_the_end_can_go_on(session: psycopg.Connection) -> None:
    blocks(session, "select 1")
    assert session.execute("select 2").fetchone() == (2,)
    assert len(blocks(session, "select 3")) == 1


# --- what goes wrong ----------------------------------------------------------------------------------


def test_a_select_that_the_server_refuses_is_its_error(session: psycopg.Connection) -> None:
    with pytest.raises(errors.UndefinedTable, match='relation "missing" does not exist'):
        blocks(session, "select * from missing")


def test_an_error_half_way_is_the_servers_and_comes_after_the_rows_before_it(
    session: psycopg.Connection,
) -> None:
    reading = copy_out(session, sql.SQL("select n, 1 / (100000 - n) from generate_series(1, 200000) as n"))
    came: list[CopyBlock] = []
    with pytest.raises(errors.DivisionByZero, match="division by zero"):
        came.extend(reading)
    assert sum(len(block.lengths) for block in came) == 99_999


@pytest.mark.parametrize(
    "query", ["select 1 / (2000 - n) from generate_series(1, 9000) as n", "select missing"]
)
def test_after_an_error_the_session_can_go_back_to_before_it(
    session: psycopg.Connection, query: LiteralString
) -> None:
    session.execute("savepoint before")
    with pytest.raises(psycopg.Error):
        blocks(session, query)
    session.execute("rollback to savepoint before")
    assert len(blocks(session, "select 1")) == 1


def test_a_reader_may_stop_and_close_the_session(session: psycopg.Connection, db: psycopg.Connection) -> None:
    reading = copy_out(session, ENDLESS)
    next(reading)
    reading.close()  # type: ignore[attr-defined]  # a generator is what it is
    pid = session.info.backend_pid
    session.close()
    deadline = time.monotonic() + 10
    while db.execute("select from pg_stat_activity where pid = %s", [pid]).fetchone() is not None:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_read_that_is_cancelled_is_the_servers_error(session: psycopg.Connection) -> None:
    reading = copy_out(session, ENDLESS)
    next(reading)
    session.cancel_safe()
    with pytest.raises(errors.QueryCanceled):
        list(itertools.islice(reading, 1000))


def test_a_read_that_waits_for_its_first_row_can_be_cancelled(session: psycopg.Connection) -> None:
    threading.Timer(0.2, session.cancel_safe).start()
    started = time.monotonic()
    with pytest.raises(errors.QueryCanceled):
        blocks(session, "select pg_sleep(30)")
    assert time.monotonic() - started < 5


def test_a_session_that_is_ended_is_an_error_and_no_end_of_rows(
    session: psycopg.Connection, db: psycopg.Connection
) -> None:
    reading = copy_out(session, ENDLESS)
    next(reading)
    db.execute("select pg_terminate_backend(%s)", [session.info.backend_pid])
    with pytest.raises(psycopg.OperationalError):
        list(itertools.islice(reading, 1000))


# --- several reads of one body ------------------------------------------------------------------------


@pytest.fixture
def load(db: psycopg.Connection, dsn: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a body over `raw.a`, of 300,000 rows, and `raw.b`, of two; tells what it loaded."""
    db.execute("create schema raw")
    db.execute("create table raw.a as select n::bigint as n from generate_series(1, 300000) as n")
    db.execute("create table raw.b as select n::bigint as n from generate_series(1, 2) as n")
    monkeypatch.setenv("DSN", dsn)

    def loaded(body: Any) -> list[int]:
        project = Project()
        project.connection(type("warehouse", (), {"kind": "postgres", "url": "${DSN}"}))

        @project.table
        class Loaded:
            n: Annotated[BigInt, pk()]

        decorate = project.job(
            name="load", target=Loaded, target_connection="warehouse", source_connection="warehouse"
        )
        run_job(decorate(body), project=project)
        return [n for (n,) in db.execute("select n from loaded order by 1").fetchall()]

    return loaded


def test_a_read_beside_an_unfinished_one_shows_the_same_snapshot(load: Any, db: psycopg.Connection) -> None:
    seen: list[int] = []

    def body(conn: Any) -> Iterator[pa.RecordBatch]:
        for batch in conn.read("select n from raw.a order by n"):
            db.execute("insert into raw.b select max(n) + 1 from raw.b")
            (count,) = conn.read("select count(*) as n from raw.b").read_all()["n"].to_pylist()
            seen.append(count)
            yield batch.slice(0, 1)

    starts = load(body)
    assert len(starts) > 2
    assert seen == [2] * len(starts)


def test_two_reads_take_turns(load: Any) -> None:
    def body(conn: Any) -> Iterator[pa.RecordBatch]:
        one, other = conn.read("select n from raw.a"), conn.read("select n + 1000000 as n from raw.a")
        for ours, theirs in zip(one, other, strict=True):
            yield ours
            yield theirs

    assert load(body) == [*range(1, 300_001), *range(1_000_001, 1_300_001)]


def test_a_read_that_is_given_up_is_no_hindrance(load: Any) -> None:
    def body(conn: Any) -> Iterator[pa.RecordBatch]:
        next(iter(conn.read("select n from raw.a")))
        yield from conn.read("select n from raw.b")

    assert load(body) == [1, 2]


def test_a_read_that_is_refused_is_no_end_of_the_others(load: Any) -> None:
    def body(conn: Any) -> Iterator[pa.RecordBatch]:
        with pytest.raises(SourceQueryError, match="missing"):
            conn.read("select n from raw.missing")
        rows = conn.read("select n from raw.b")
        with pytest.raises(SourceQueryError, match="missing"):
            conn.read("select n from raw.missing")
        yield from rows

    assert load(body) == [1, 2]


def test_what_no_table_can_declare_is_read_as_text(load: Any) -> None:
    def body(conn: Any) -> pa.RecordBatch:
        query = (
            "select '10.0.0.1'::inet as i, array['1.5'::money, null] as m, '12:00+02'::timetz as t, "
            "'ab'::character(3) as c, array['x'::character(2)] as cs"
        )
        found = conn.read(query).read_all().to_pylist()
        assert found == [
            {"i": "10.0.0.1/32", "m": ["$1.50", None], "t": "12:00:00+02", "c": "ab", "cs": ["x"]}
        ]
        return pa.record_batch({"n": [1]})

    assert load(body) == [1]
