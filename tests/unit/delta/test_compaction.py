"""When a table's small files are put together."""

from __future__ import annotations

import pytest

from ematix_flow.backends.delta.compaction import due

KB, MB = 1 << 10, 1 << 20


@pytest.mark.parametrize(
    ("sizes", "together"),
    [
        ([], None),
        ([40 * KB] * 7, None),
        ([40 * KB] * 8, 2 * MB),
        ([40 * KB] * 7 + [2 * MB] * 7 + [16 * MB] * 7 + [500 * MB] * 50, None),
        ([2 * MB] * 8, 16 * MB),
        ([15 * MB] * 8, 16 * MB),
        ([16 * MB] * 8, 128 * MB),
        ([128 * MB] * 8, None),
    ],
)
def test_eight_files_of_a_tier_are_many(sizes: list[int], together: int | None) -> None:
    assert due([((), size) for size in sizes]) == together


def test_partitions_are_counted_each_for_itself() -> None:
    assert due([(("day", number % 4), 40 * KB) for number in range(28)]) is None
    assert due([(("day", number % 4), 40 * KB) for number in range(29)]) == 2 * MB
