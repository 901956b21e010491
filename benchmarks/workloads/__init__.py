"""Every workload by name, in the order of the page that shows them."""

from __future__ import annotations

from benchmarks.contest import Workload
from benchmarks.workloads import delta, postgres, same_database

ALL: dict[str, Workload] = {
    workload.name: workload for workload in (*postgres.WORKLOADS, *delta.WORKLOADS, *same_database.WORKLOADS)
}
