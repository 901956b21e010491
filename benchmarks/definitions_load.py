"""How much longer the example's definitions take to load than those of a bare Dagster project.

    python benchmarks/definitions_load.py [pairs]

Each pair starts two fresh Python processes in turn: one loads the example's code location, the other a location with
as many assets and schedules that know nothing of us. The median of the pairs' ratios is what counts; single times vary
with the machine's mood.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIMIT = 1.5

BARE = """
import dagster as dg

def an_asset(number):
    @dg.asset(name=f"asset_{number}", kinds={"postgres"}, deps=[dg.AssetKey(["source", str(number)])])
    def made(context: dg.AssetExecutionContext) -> None: ...
    return made

assets = [an_asset(number) for number in range(8)]
jobs = [dg.define_asset_job(f"job_{number}", selection=[each]) for number, each in enumerate(assets)]
schedules = [dg.ScheduleDefinition(job=job, cron_schedule="*/5 * * * *") for job in jobs]
defs = dg.Definitions(assets=assets, jobs=jobs, schedules=schedules)
"""
LOAD = "import sys; sys.path[:0] = sys.argv[2:]; import importlib; \
importlib.import_module(sys.argv[1]).defs.get_repository_def().load_all_definitions()"


def seconds(module: str, folder: Path) -> float:
    """The wall time of a process that loads `module`'s definitions from `folder`."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-W", "ignore", "-c", LOAD, module, str(folder)], check=True)  # noqa: S603  # our own code
    return time.perf_counter() - started


def main(pairs: int) -> None:
    """Measure, print, and fail when the limit is passed."""
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder)
        (bare / "bare_location.py").write_text(BARE)
        seconds("bare_location", bare), seconds("example_project.definitions", ROOT)  # warm up
        measured = [
            (seconds("example_project.definitions", ROOT), seconds("bare_location", bare))
            for _ in range(pairs)
        ]
    ratios = [ours / theirs for ours, theirs in measured]
    ours, theirs = (statistics.median(column) for column in zip(*measured, strict=True))
    print(f"example {ours:.2f} s, bare {theirs:.2f} s, medians of {pairs} pairs")  # noqa: T201  # its output
    print(  # noqa: T201  # its output
        f"ratio {statistics.median(ratios):.2f} (from {min(ratios):.2f} to {max(ratios):.2f}; at most {LIMIT})"
    )
    raise SystemExit(statistics.median(ratios) > LIMIT)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
