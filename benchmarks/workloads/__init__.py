"""Every workload by name, in the order of the page that shows them."""

from __future__ import annotations

from benchmarks.contest import Workload
from benchmarks.workloads import delta, fan_out, guards, merge, postgres, repeated, same_database, sweep

_ROOMS = (postgres, delta, same_database, merge, fan_out, repeated, guards, sweep)

ALL: dict[str, Workload] = {workload.name: workload for room in _ROOMS for workload in room.WORKLOADS}
