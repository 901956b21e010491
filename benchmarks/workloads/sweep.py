"""Whether a path's seconds per row and its memory stay what they are while the table grows twentyfold."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.contest import Contestant, Pace, Workload
from benchmarks.workloads import delta, postgres, same_database

_ROWS = 20_000_000
_PARTS = {1: "all of the rows", 2: "a half", 4: "a quarter", 10: "a tenth", 20: "a twentieth"}
_SWEPT = (
    *("lineitem-postgres", "lineitem-postgres-key", "lineitem-delta", "lineitem-delta-key"),
    *("lineitem-same", "lineitem-same-key", "events-delta"),
)
_MEMORY = {"postgres": "80 MB", "delta": "350 MB"}


def _workload(workload: Workload) -> Workload:
    ours = workload.contestants[0]
    memory = _MEMORY.get(workload.name.split("-")[1])
    return replace(
        workload,
        name=f"sweep-{workload.name}",
        rows=_ROWS,
        contestants=tuple(
            Contestant(name=name, program=ours.program, options=ours.options, part=part, pace=Pace.SLOW)
            for part, name in _PARTS.items()
        ),
        wanted="seconds per row (the ratio) ≤ 1.1" + (f", peak ≤ {memory}" if memory else ""),
    )


WORKLOADS = tuple(
    _workload(workload)
    for workload in (*postgres.WORKLOADS, *delta.WORKLOADS, *same_database.WORKLOADS)
    if workload.name in _SWEPT
)
