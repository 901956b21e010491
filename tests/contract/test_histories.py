"""Random histories on every backend beside the specification.

scripts/test tests/contract/test_histories.py                                 the same 50 for each mode and place
EMATIX_HISTORIES=2000 scripts/test -m slow tests/contract/test_histories.py   as many others in all, and longer ones
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import pytest
from contract.agreement import agree
from contract.backends import BackendOf
from contract.histories import FAMILIES, histories
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ematix_flow.testing import MemoryBackend

# The backends of a place take turns.
PLACES: Mapping[str, list[str]] = {
    "one database": ["staged", "direct", "unindexed", "tracked"],
    "two servers": ["streamed"],
    "lake": ["portions", "lake"],
}
ALL = pytest.mark.parametrize(
    ("place", "family"), [(place, family) for place in PLACES for family in FAMILIES]
)


@ALL
def test_fifty_histories_become_what_the_specification_says(
    backend_of: BackendOf, place: str, family: str
) -> None:
    # Two at a time, since most of a run is not its rows.
    _compare(backend_of, PLACES[place], family, number=25, abreast=2)


@pytest.mark.parametrize("family", FAMILIES)
def test_some_histories_become_in_a_bucket_what_the_specification_says(
    backend_of: BackendOf, family: str
) -> None:
    _compare(backend_of, ["bucket"], family, number=2, abreast=2)


@pytest.mark.slow
@pytest.mark.timeout(24 * 3600)
@ALL
def test_as_many_histories_as_are_asked_for_become_what_the_specification_says(
    backend_of: BackendOf, place: str, family: str
) -> None:
    number = -(-int(os.environ.get("EMATIX_HISTORIES", "600")) // (len(PLACES) * len(FAMILIES)))
    _compare(backend_of, PLACES[place], family, number=number, longest=6, derandomize=False)


def _compare(
    backend_of: BackendOf,
    names: Sequence[str],
    family: str,
    *,
    number: int,
    longest: int = 4,
    abreast: int = 1,
    derandomize: bool = True,
) -> None:
    compared = 0

    @settings(max_examples=number, derandomize=derandomize, suppress_health_check=[HealthCheck.too_slow])
    @given(name=st.sampled_from(names), data=st.data())
    def compare(name: str, data: st.DataObject) -> None:
        nonlocal compared
        backend, memory = backend_of(name), MemoryBackend()
        shape = histories(family, unique_source=backend.unique_source, longest=longest, abreast=abreast)
        history = data.draw(shape)
        backend.begin(history.mode)
        for read in history.reads:
            agree(backend, memory, read)
        compared += 1

    compare()
    assert compared >= number
