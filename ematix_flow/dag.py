"""Order and rings of a graph given as `node -> the nodes it waits for` (pure)."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter


def in_order(upstream: Mapping[str, Sequence[str]]) -> list[str]:
    """The nodes, each after all that it waits for; otherwise in the order of the mapping.

    Raises:
        graphlib.CycleError: there is a ring; call `rings` first.
    """
    position = {name: place for place, name in enumerate(upstream)}
    names = list(upstream)
    sorter = TopologicalSorter(upstream)
    sorter.prepare()
    ready: list[int] = []
    ordered: list[str] = []
    while sorter.is_active():
        for name in sorter.get_ready():
            heapq.heappush(ready, position[name])
        first = names[heapq.heappop(ready)]
        ordered.append(first)
        sorter.done(first)
    return ordered


def rings(upstream: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, ...]]:
    """Rings `(a, b, a)`, in which each node waits for the next, until cutting them leaves none."""
    remaining = {name: list(nodes) for name, nodes in upstream.items()}
    while ring := _a_ring(remaining):
        yield ring
        remaining[ring[0]].remove(ring[1])


def _a_ring(upstream: Mapping[str, Sequence[str]]) -> tuple[str, ...] | None:
    """Some ring, turned so that it starts with the node that stands first in the mapping."""
    try:
        TopologicalSorter(upstream).prepare()
    except CycleError as error:
        nodes: list[str] = error.args[1][:0:-1]  # graphlib's list runs downstream, and repeats its first node
        position = {name: place for place, name in enumerate(upstream)}
        start = nodes.index(min(nodes, key=position.__getitem__))
        turned = nodes[start:] + nodes[:start]
        return (*turned, turned[0])
    return None
