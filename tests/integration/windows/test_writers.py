"""Many writers against a polling merge: once they stop, one more run makes the target equal to the source.

By default a few writers for a few seconds. The whole, about two minutes:

    EMATIX_WRITERS=20 EMATIX_WRITING_SECONDS=60 pytest -s tests/integration/windows/test_writers.py
"""

from __future__ import annotations

import itertools
import os
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import errors

WRITERS = int(os.environ.get("EMATIX_WRITERS", "6"))
SECONDS = float(os.environ.get("EMATIX_WRITING_SECONDS", "5"))
HELD_ROWS = 200  # there from the beginning, and updated

# What a writer may meet: it gives up its transaction and goes on.
GIVEN_UP = (errors.DeadlockDetected, errors.LockNotAvailable, errors.UniqueViolation, errors.QueryCanceled)

# Table-wide commands need every writer to be out of the way, and wait for that only briefly.
REWRITES = [
    "alter table raw.w alter v type text using v || '~'",
    "vacuum full raw.w",
    "cluster raw.w using w_pkey",
]
UPKEEP = [*REWRITES, "vacuum freeze raw.w", "alter table raw.w alter v type text using rtrim(v, '~')"]


class Writer:
    """Writes what chance says, in transactions of every kind, until told to stop."""

    def __init__(self, dsn: str, number: int) -> None:
        self._session = psycopg.connect(dsn)
        self._session.execute("set lock_timeout = '5 s'; set synchronous_commit = off")
        self._session.commit()
        self._random = random.Random(number)  # noqa: S311  # no secret
        self._number = number
        self.done: Counter[str] = Counter()

    def work(self, until: float) -> None:
        kinds = [self._insert, self._update, self._savepoint, self._rollback, self._long, self._burst]
        with self._session:
            while time.monotonic() < until:
                kind = self._random.choices(kinds, weights=[5, 8, 4, 2, 2, 1])[0]
                try:
                    kind()
                    self._session.commit()
                    self.done[kind.__name__.strip("_")] += 1
                except GIVEN_UP:
                    self._session.rollback()
                    self.done["given up"] += 1
                time.sleep(self._random.uniform(0, 0.02))

    def _insert(self) -> None:
        key = self._random.randrange(10**9) * 100 + self._number
        self._session.execute("insert into raw.w values (%s, %s)", (key, f"{self._number}"))

    def _update(self) -> None:
        self._session.execute(
            "update raw.w set v = left(v || %s, 40) where id = %s",
            (str(self._random.randrange(10)), self._random.randrange(HELD_ROWS)),
        )

    def _savepoint(self) -> None:
        """Rows of several subtransactions, one of which is taken back."""
        for keeps in (True, False, True):
            self._session.execute("savepoint s")
            self._insert()
            self._update()
            self._session.execute("release savepoint s" if keeps else "rollback to savepoint s")

    def _rollback(self) -> None:
        self._insert()
        self._update()
        self._session.rollback()

    def _long(self) -> None:
        """Stays open for longer than a poll, and commits after later ones have."""
        self._insert()
        self._session.execute("savepoint late")
        self._update()
        time.sleep(self._random.uniform(0.3, 1.5))
        self._insert()

    def _burst(self) -> None:
        """Many rows at once, each with an id that is older than the transaction's last."""
        for _ in range(20):
            self._insert()


def keep_up(dsn: str, until: float, done: Counter[str]) -> None:
    """Vacuum, rewrite and alter the table under everybody's hands."""
    with psycopg.connect(dsn, autocommit=True) as session:
        session.execute("set lock_timeout = '2 s'")
        for command in itertools.cycle(UPKEEP):
            if time.monotonic() >= until:
                break
            try:
                session.execute(command)
                done[command] += 1
            except GIVEN_UP:
                done["given up"] += 1
            time.sleep(0.1)


@contextmanager
def running(jobs: list[Callable[[], None]]) -> Iterator[None]:
    """Run functions in threads; the first failure of any of them is raised at the end."""
    failures: list[Exception] = []

    def guarded(job: Callable[[], None]) -> None:
        try:
            job()
        except Exception as error:  # noqa: BLE001  # raised below
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join()
    for failure in failures:
        raise failure


@pytest.mark.parametrize("path", ["inside", "stream"])
def test_a_polling_merge_loses_nothing_that_writers_write(stand: Callable[..., Any], path: str) -> None:
    def report(told: str) -> None:
        sys.stderr.write(f"\n{told}")

    here = stand("select id, v from raw.w")
    here.do(
        "create table raw.w (id bigint primary key, v text)",
        "insert into raw.w select g, 'begun' from generate_series(0, 199) as g",
    )
    here.run()
    assert here.why() == ""
    until = time.monotonic() + SECONDS
    writers = [Writer(here.origin, number) for number in range(WRITERS)]
    upkeep: Counter[str] = Counter()
    polls = []
    jobs: list[Callable[[], None]] = [lambda w=writer: w.work(until) for writer in writers]  # type: ignore[misc]
    with running([*jobs, lambda: keep_up(here.origin, until, upkeep)]):
        while time.monotonic() < until:
            polls.append(here.run())
    assert here.why() == ""
    last = here.run()
    assert here.held() == here.selected()

    written = sum((writer.done for writer in writers), Counter[str]())
    rows = len(here.held())
    report(
        f"{path}: {rows} rows, {len(polls)} polls read {sum(p.read for p in polls)}, the last run {last.read}"
    )
    report(f"writers: {dict(written)}")
    report(f"upkeep: {dict(upkeep)}")
    assert sum(poll.inserted for poll in polls) > 0
    assert sum(poll.updated for poll in polls) > 0
    assert sum(poll.read for poll in polls) < len(polls) * rows  # it was a window that was read
    assert set(upkeep) & set(REWRITES)
    assert {"insert", "update", "savepoint", "rollback", "long", "burst"} <= set(written)
