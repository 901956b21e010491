"""One measured process: `python -m benchmarks.child PROGRAM ANSWER`, with the task on standard input.

PROGRAM is `package.module:function` and gives the work (see `task.Work`); only the work is on the clock, not the
interpreter's start and the imports, which differ by what else a package can do. The memory is the process's whole.
"""

from __future__ import annotations

import importlib
import json
import re
import resource
import sys
import time
from dataclasses import asdict
from pathlib import Path

from benchmarks.task import Measurement, Program, Task

_STATUS = Path("/proc/self/status")


def main(program: str, answer: Path) -> None:
    """Measure one program and write what it took to `answer`."""
    module, function = program.split(":")
    prepare: Program = getattr(importlib.import_module(module), function)
    work = prepare(Task.from_json(sys.stdin.read()))
    cpu, started = cpu_seconds(), time.perf_counter()
    done = work()
    seconds, cpu = time.perf_counter() - started, cpu_seconds() - cpu
    taken = Measurement(done=done, seconds=seconds, cpu=cpu, rss=peak_mb())
    answer.write_text(json.dumps(asdict(taken)))


def cpu_seconds() -> float:
    """User and system time of this process and of those it started and waited for."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def peak_mb() -> float:
    """The largest resident set of this process, or of the largest one it started, in MB (10^6 bytes)."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return max(_own_peak_kb(), children) * 1024 / 1e6


def _own_peak_kb() -> int:
    """VmHWM where there is one: ru_maxrss also counts the process that started this one, from before its exec."""
    if _STATUS.exists() and (found := re.search(r"VmHWM:\s+(\d+) kB", _STATUS.read_text())):
        return int(found[1])
    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return usage // 1024 if sys.platform == "darwin" else usage  # getrusage(2): bytes on macOS


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
