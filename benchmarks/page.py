"""Write the tables into the page that explains them: `python -m benchmarks.page docs/performance.md`.

Between `<!-- bench NAME -->` and `<!-- end -->` stands what was measured last of a workload at its full size with all
its contestants; NAME `machine` is what it was measured on. So no number is typed by hand.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable
from pathlib import Path

from benchmarks.contest import ROOT
from benchmarks.report import table
from benchmarks.results import Result, kept
from benchmarks.workloads import ALL

_PLACE = re.compile(r"(<!-- bench (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def main() -> None:
    """Fill the page's places anew."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page", description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("--home", type=Path, default=ROOT / ".ematix" / "bench", help="%(default)s")
    parser.add_argument("--any", action="store_true", help="small and partial measurements as well")
    options = parser.parse_args()
    found = {result.workload: result for result in kept(options.home) if options.any or _is_whole(result)}
    options.page.write_text(filled(options.page.read_text(), found))


def filled(page: str, results: dict[str, Result]) -> str:
    """The page with what the results, by workload, have for its places."""

    def place(match: re.Match[str]) -> str:
        start, name, end = match.groups()
        if name == "machine":
            text = _machines(results.values())
        elif name in results:
            text = table(results[name])
        else:
            text = f"Not measured yet: `python -m benchmarks {name}`."
        return f"{start}\n{text.strip()}\n\n{end}"

    return _PLACE.sub(place, page)


def _is_whole(result: Result) -> bool:
    workload = ALL.get(result.workload)
    if workload is None or result.rows != workload.rows:
        return False
    return result.contestants == tuple(contestant.name for contestant in workload.contestants)


def _machines(results: Iterable[Result]) -> str:
    """Each machine and state of the program that a table comes from, as told when it was measured."""
    by_machine: dict[str, list[str]] = {}
    for result in results:
        by_machine.setdefault(result.machine, []).append(result.workload)
    told = []
    for machine, names in by_machine.items():
        lines = [f"- {line}" for line in machine.splitlines()]
        told.append("\n".join([*([f"{', '.join(names)}:"] if len(by_machine) > 1 else []), *lines]))
    return "\n\n".join(told) or "Not measured yet."


if __name__ == "__main__":
    main()
