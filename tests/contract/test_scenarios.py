"""Every backend in every mode: what becomes of rows that appear, change, go, come back, come late or are wrong.

The specification, a table in memory, runs beside each of them; see `agreement`. A first load, nothing new (a rerun),
changes, deletions, rows that reappear, repeated keys, NULL in data, late rows and versions out of order stand in
`scenarios`; keys that repeat with other values or are NULL, an empty source and a schema that changes have tests here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import pytest
from contract.agreement import TABLE, agree, as_texts
from contract.backends import BackendOf
from contract.modes import KEY, MAY_BE_EMPTY, MODES, row
from contract.scenarios import A_CENTURY, GOOD, Book, refused, scenarios

from ematix_flow import Deletes, Scd2
from ematix_flow.testing import MemoryBackend, Row

KEYED = [name for name, mode in MODES.items() if mode.keys]
KEEPING_EVERYTHING = ["append by key", "merge", "merge of one column", "scd2", "scd2 of one column"]
MODES_OF: Mapping[str, Iterable[str]] = {
    "staged": MODES,
    "direct": [
        "append",
        "append by key",
        "truncate",
        "truncate by key",
        "merge",
        "merge of one column",
    ],
    "tracked": KEEPING_EVERYTHING,
    "unindexed": KEYED,
    "streamed": MODES,
    "lake": MODES,
    "portions": MODES,
    "bucket": ["append by key", "truncate", "merge with soft deletes", "scd2 by event time"],
}
PLACES = [(place, mode) for place, modes in MODES_OF.items() for mode in modes]
CHECKED = [(place, mode) for place, mode in PLACES if mode in KEYED and place not in ("direct", "tracked")]
DELETING = [(place, mode) for place, mode in PLACES if mode in MAY_BE_EMPTY]


@pytest.mark.parametrize(("place", "mode"), PLACES)
def test_what_becomes_of_rows(backend_of: BackendOf, place: str, mode: str) -> None:
    backend, memory = backend_of(place), MemoryBackend()
    backend.begin(MODES[mode])
    book = Book(scenarios(MODES[mode], unique_source=backend.unique_source))
    for number, read in enumerate(book.reads(), start=1):
        told = backend.run(read)
        assert told.refusal is None
        counts = memory.load(backend.job, read, loaded_at=told.clock)
        assert _told_apart(book, backend.rows()) == _told_apart(book, memory.rows(TABLE)), f"run {number}"
        assert backend.compared(told.counts) == backend.compared(counts), f"run {number}"


def _told_apart(book: Book, rows: Iterable[Row]) -> dict[str, list[str]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for each in rows:
        found[book.name_of(each)].append(each)
    return {name: as_texts(of_it) for name, of_it in found.items()}


@pytest.mark.parametrize(("place", "mode"), CHECKED)
def test_a_wrong_read_is_refused_and_leaves_everything_as_it_was(
    backend_of: BackendOf, place: str, mode: str
) -> None:
    backend, memory = backend_of(place), MemoryBackend()
    backend.begin(MODES[mode])
    agree(backend, memory, GOOD)
    for read in refused(MODES[mode]).values():
        before = memory.rows(TABLE)
        agree(backend, memory, read)
        assert memory.rows(TABLE) == before
    agree(backend, memory, [row(1, "b", 4), row(3, "c", 3)])


@pytest.mark.parametrize(("place", "mode"), PLACES)
def test_what_an_empty_source_does(backend_of: BackendOf, place: str, mode: str) -> None:
    backend, memory = backend_of(place), MemoryBackend()
    backend.begin(MODES[mode])
    for read in ([], GOOD, [], GOOD[1:]):
        agree(backend, memory, read)


@pytest.mark.parametrize(("place", "mode"), DELETING)
def test_what_an_empty_source_that_is_meant_does(backend_of: BackendOf, place: str, mode: str) -> None:
    backend, memory = backend_of(place), MemoryBackend()
    backend.begin(MAY_BE_EMPTY[mode])
    for read in ([], GOOD, [], GOOD[1:]):
        agree(backend, memory, read)


@pytest.mark.parametrize(("place", "mode"), PLACES)
def test_a_column_more_is_null_in_what_is_held_and_then_a_column_like_any_other(
    backend_of: BackendOf, place: str, mode: str
) -> None:
    backend, memory = backend_of(place), MemoryBackend()
    backend.begin(MODES[mode])
    agree(backend, memory, [*GOOD, row(3, "c")])
    backend.declare(MODES[mode], noted=True)
    one, other, third = ({**each, "note": None} for each in [*GOOD, row(3, "c")])
    agree(backend, memory, [{**one, "note": "x"}, other, third])
    agree(backend, memory, [{**one, "note": "x"}, {**other, "note": "y"}])


@pytest.mark.parametrize("place", ["staged", "unindexed", "streamed", "lake", "portions"])
@pytest.mark.parametrize("closing", [None, Deletes.SOFT])
def test_a_clock_that_is_behind_the_history_moves_after_it(
    backend_of: BackendOf, place: str, closing: Deletes | None
) -> None:
    backend, memory = backend_of(place), MemoryBackend()
    backend.begin(Scd2(keys=KEY, valid_from="at"))
    agree(backend, memory, [row(1, "a", A_CENTURY), row(2, "b", A_CENTURY), row(3, "c", A_CENTURY)])
    backend.declare(Scd2(keys=KEY, compare=("v",), deletes=closing))
    for v in ("x", "y"):
        agree(backend, memory, [row(1, v), row(3, "c")])
    agree(backend, memory, [row(1, "y"), row(2, "b"), row(3, "c")])
