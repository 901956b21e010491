"""connectorx, which reads with COPY BINARY into Arrow, streamed into deltalake's writer."""

from __future__ import annotations

import connectorx
from deltalake import write_deltalake

from benchmarks.task import Done, Task, Work


def to_delta(task: Task) -> Work:
    """One query, not partitioned, as record batches; it reads a numeric as decimal128(38, 10)."""

    def work() -> Done:
        reader = connectorx.read_sql(task.source, task.select, return_type="arrow_stream", batch_size=100_000)
        write_deltalake(task.folder, reader)
        return Done(rows=int(task.options["rows"]))

    return work
