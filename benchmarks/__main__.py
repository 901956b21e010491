"""Measure workloads: ours, the physical limit and the peers, in turns.

    python -m benchmarks                          what there is
    python -m benchmarks lineitem-postgres        one workload
    python -m benchmarks 'events-*' --pairs 15    some, more often
    python -m benchmarks all --scale 0.05         everything, small: whether it works
    python -m benchmarks.page docs/performance.md write what was measured into the page

The servers, their data and the peers' environment are kept below --home. Each table is printed as it is complete, and
its measurements are kept in `<home>/results`.
"""

from __future__ import annotations

import argparse
import fnmatch
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks import machine, report
from benchmarks.contest import ROOT, Contestant, FailedTurnError, Rounds, Turn, Workload, hold
from benchmarks.peers_environment import peers
from benchmarks.results import Result, keep
from benchmarks.servers import stand
from benchmarks.workloads import ALL


def main(arguments: list[str]) -> int:
    """Run what was asked for; the exit code is 1 where the first contestant of a workload failed."""
    options = _parser().parse_args(arguments)
    asked = (workload for workload in ALL.values() if _is_asked(workload.name, options.workloads))
    chosen = [workload for workload in (_only(each, options.only) for each in asked) if workload.contestants]
    if not chosen:
        _say("\n".join(f"{workload.name:28}{workload.title}" for workload in ALL.values()))
        return 0 if not options.workloads else 2
    home = options.home.resolve()
    rounds = Rounds(pairs=options.pairs, slow=min(options.slow_pairs, options.pairs))
    theirs = peers(home)
    failed = False
    with stand(home) as place:
        described = machine.describe(place, theirs)
        _say(described)
        for workload in chosen:
            rows = options.rows or round(workload.rows * options.scale)
            try:
                turns = tuple(_told(workload, hold(workload, place, theirs, rows, rounds)))
            except FailedTurnError as error:
                _say(f"\n{workload.name} could not be prepared: {error}")
                failed = True
                continue
            result = _result(workload, rows, turns, described)
            keep(home, result)
            _say(f"\n{report.table(result)}")
            failed = failed or not report.taken(turns, workload.contestants[0].name)
    return int(failed)


def _told(workload: Workload, turns: Iterator[Turn]) -> Iterator[Turn]:
    for turn in turns:
        shown = turn.taken if isinstance(turn.taken, str) else f"{turn.taken.seconds:.2f} s"
        print(f"{workload.name} {turn.round + 1}: {turn.contestant} {shown}", file=sys.stderr)  # noqa: T201  # progress
        yield turn


def _result(workload: Workload, rows: int, turns: tuple[Turn, ...], machine: str) -> Result:
    return Result(
        workload=workload.name,
        title=workload.title,
        wanted=workload.wanted,
        rows=rows,
        contestants=tuple(contestant.name for contestant in workload.contestants),
        turns=turns,
        machine=machine,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("workloads", nargs="*", help="names or patterns, or all")
    parser.add_argument("--pairs", type=int, default=9, help="rounds in which everybody has a turn (9)")
    parser.add_argument("--slow-pairs", type=int, default=3, help="rounds of those that take minutes (3)")
    parser.add_argument("--scale", type=float, default=1.0, help="of each workload's number of rows (1.0)")
    parser.add_argument("--rows", type=int, help="instead of each workload's number of rows")
    parser.add_argument(
        "--only", action="append", default=[], help="a contestant; may be given several times"
    )
    parser.add_argument("--home", type=Path, default=ROOT / ".ematix" / "bench", help="%(default)s")
    return parser


def _is_asked(name: str, patterns: list[str]) -> bool:
    return any(pattern == "all" or fnmatch.fnmatch(name, pattern) for pattern in patterns)


def _only(workload: Workload, names: list[str]) -> Workload:
    def taking_part(contestant: Contestant) -> bool:
        return not names or contestant.name.lower() in {name.lower() for name in names}

    return replace(workload, contestants=tuple(filter(taking_part, workload.contestants)))


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201  # its output


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
