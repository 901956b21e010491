"""Random histories on every backend beside the specification.

scripts/test tests/contract -k histories                            the same 50 for each mode and place
EMATIX_HISTORIES=2000 scripts/test tests/contract -k histories      as many others in all
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import pytest
from contract.agreement import agree
from contract.backends import Backend
from contract.histories import FAMILIES, histories
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ematix_flow.testing import MemoryBackend

# The backends of a place take turns.
PLACES: Mapping[str, list[str]] = {
    "one database": ["staged", "direct", "unindexed"],
    "two databases": ["streamed"],
    "lake": ["portions", "lake"],
}
WANTED = os.environ.get("EMATIX_HISTORIES")
EACH = 50 if WANTED is None else -(-int(WANTED) // (len(PLACES) * len(FAMILIES)))


@pytest.mark.timeout(24 * 3600)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("place", PLACES)
@settings(max_examples=EACH, derandomize=WANTED is None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_histories_become_what_the_specification_says(
    data: st.DataObject, backends: Mapping[str, Backend], place: str, family: str
) -> None:
    backend = backends[data.draw(st.sampled_from(PLACES[place]))]
    history = data.draw(histories(family, unique_source=backend.unique_source))
    memory = MemoryBackend()
    backend.begin(history.mode)
    for read in history.reads:
        agree(backend, memory, read)
