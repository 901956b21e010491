"""Rows between PostgreSQL servers, or inside one, never become Arrow: not even its library is loaded."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

PROGRAM = """
import sys
from typing import Annotated
from ematix_flow import Project, pk, run_job
from ematix_flow.types import Array, BigInt, JSONB, Numeric, TimestampTZ

project = Project()
for name in ("origin", "other"):
    project.connection(type(name, (), {{"kind": "postgres", "url": "${{" + name.upper() + "_DSN}}"}}))

@project.table(schema="analytics")
class T:
    n: Annotated[BigInt, pk()]
    price: Numeric[12, 2] | None
    tags: Array[BigInt] | None
    at: TimestampTZ | None
    doc: JSONB | None

@project.job(name="load", target=T, source_connection="origin", target_connection={target!r}, mode={mode!r})
def load():
    return "select n, n / 2.0 as price, array[n] as tags, now() as at, jsonb_build_object('n', n) as doc from raw.t"

for _ in range({runs}):
    result = run_job(load, project=project).targets[0]
print(result.counts.read, type(result.plan.path).__name__, "pyarrow" in sys.modules, "numpy" in sys.modules)
"""


@pytest.mark.parametrize(
    ("target", "mode", "runs", "path"),
    [
        ("other", "append", 1, "CopyInto"),
        ("other", "truncate", 2, "CopyInto"),
        ("other", "merge", 2, "CopyStaged"),
        ("other", "scd2", 2, "CopyStaged"),
        ("origin", "truncate", 1, "InsertSelect"),
        ("origin", "scd2", 1, "StagedSelect"),
    ],
)
def test_rows_between_servers_need_no_arrow(
    databases: Any, target: str, mode: str, runs: int, path: str
) -> None:
    databases.origin.execute("create table raw.t as select n::bigint as n from generate_series(1, 10) as n")
    databases.origin.execute("alter table raw.t add primary key (n)")
    program = PROGRAM.format(target=target, mode=mode, runs=runs)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.split() == ["10", path, "False", "False"]
