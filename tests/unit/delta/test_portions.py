"""Rows in portions of bounded size."""

from __future__ import annotations

from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ematix_flow.backends.delta import portions

SCHEMA = pa.schema([("region", pa.int64()), ("id", pa.int64()), ("row", pa.int64())])
EIGHT_ROWS = 8 * 3 * 8


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portions, "CHUNK_BYTES", EIGHT_ROWS)
    monkeypatch.setattr(portions, "BLOCK_ROWS", 5)


def batches(*sizes: int, keys: int = 3) -> list[pa.RecordBatch]:
    starts = [0, *(sum(sizes[: n + 1]) for n in range(len(sizes)))]
    return [
        pa.record_batch([[n % keys for n in rows], [n % keys for n in rows], list(rows)], schema=SCHEMA)
        for rows in (range(start, end) for start, end in pairwise(starts))
    ]


def test_a_chunk_is_full_with_the_batch_that_fills_it() -> None:
    found = portions.chunks(batches(8, 0, 3, 6, 1), SCHEMA)
    assert [chunk.num_rows for chunk in found] == [8, 9, 1]


def test_no_rows_make_no_chunk() -> None:
    assert list(portions.chunks(batches(0, 0), SCHEMA)) == []
    assert list(portions.chunks_by_key(batches(0), SCHEMA, ["id"])) == []
    assert list(portions.chunks_by_key([], SCHEMA, ["id"])) == []


def test_a_block_has_a_limited_number_of_rows() -> None:
    found = portions.blocks(batches(8, 3), SCHEMA)
    assert [block.num_rows for block in found] == [5, 3, 3]


@given(sizes=st.lists(st.integers(0, 12), min_size=1, max_size=8), keys=st.integers(1, 9))
def test_chunks_by_key_hold_every_row_once_and_no_key_twice(sizes: list[int], keys: int) -> None:
    found = list(portions.chunks_by_key(batches(*sizes, keys=keys), SCHEMA, ["region", "id"]))
    assert sorted(n for chunk in found for n in chunk["row"].to_pylist()) == list(range(sum(sizes)))
    distinct = [set(chunk["id"].to_pylist()) for chunk in found]
    assert sum(map(len, distinct)) == len(set().union(*distinct))
    assert all(distinct)


def test_chunks_by_key_are_several_where_there_are_many_rows() -> None:
    assert len(list(portions.chunks_by_key(batches(30, 30), SCHEMA, ["id"]))) == 3
