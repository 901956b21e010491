"""Contestants take turns at one workload, each in a process of its own, on a target that is made anew."""

from __future__ import annotations

import enum
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import assert_never

from benchmarks.peers_environment import Peers
from benchmarks.servers import Stand
from benchmarks.task import Measurement, Task

ROOT = Path(__file__).resolve().parent.parent
_SHOWN = 300  # characters of the last line of what a failed process said


class Pace(enum.Enum):
    """In how many of the rounds a contestant can take part before everybody's patience ends."""

    QUICK = "every round"
    SLOW = "the first rounds"
    CRAWLING = "the first round"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """One way to do the work. `program` is what `child` runs."""

    name: str
    program: str
    package: str | None = None  # that it needs in the peers' environment; None: it runs in ours
    pace: Pace = Pace.QUICK
    discards: bool = False  # leaves nothing in the target that could be counted
    part: int = 1  # it moves one of so many parts of the workload's rows
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What is done. The first contestant is the one that the others are compared with."""

    name: str
    title: str
    rows: int  # at full size: what the page shows
    contestants: tuple[Contestant, ...]
    prepare: Callable[[Stand, int], Task]  # makes sources and templates unless they are there
    restore: Callable[[Stand, Task], None]  # makes the target what it is before each measurement
    loaded: Callable[[Stand, Task], int]  # how many rows the target has afterwards
    expected: Callable[[int], int] = lambda rows: rows  # of those that a contestant's source has
    wanted: str = ""  # what the issue of record accepts


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """How often: `pairs` rounds for everybody, and `slow` for those that take minutes."""

    pairs: int
    slow: int

    def takes_part(self, contestant: Contestant, number: int) -> bool:
        """Whether a contestant has a turn in that round, counted from 0."""
        match contestant.pace:
            case Pace.QUICK:
                return number < self.pairs
            case Pace.SLOW:
                return number < self.slow
            case Pace.CRAWLING:
                return number < 1
            case _:
                assert_never(contestant.pace)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One contestant's turn in one round, and what it took, or why it failed."""

    contestant: str
    round: int
    taken: Measurement | str


class FailedTurnError(Exception):
    """A contestant's process failed, or did not load what it should have."""


def hold(workload: Workload, stand: Stand, peers: Peers, rows: int, rounds: Rounds) -> Iterator[Turn]:
    """Let them take turns, every other round in the opposite order; who failed once has no further turn."""
    parts = {contestant.part for contestant in workload.contestants}
    tasks = {part: workload.prepare(stand, rows // part) for part in sorted(parts)}
    out: set[str] = set()
    for number in range(rounds.pairs):
        order = workload.contestants if number % 2 == 0 else tuple(reversed(workload.contestants))
        for contestant in order:
            if contestant.name in out or not rounds.takes_part(contestant, number):
                continue
            task = _told(tasks[contestant.part], contestant)
            turn = _turn(workload, contestant, stand, peers, task, number)
            if isinstance(turn.taken, str):
                out.add(contestant.name)
            yield turn


def _turn(
    workload: Workload, contestant: Contestant, stand: Stand, peers: Peers, task: Task, number: int
) -> Turn:
    try:
        python = sys.executable if contestant.package is None else peers.python_with(contestant.package)
        workload.restore(stand, task)
        log = _log(stand.home, f"{workload.name} {contestant.name}")
        taken = measure(python, contestant.program, task, log)
        if not contestant.discards:
            _check(workload, taken, int(task.options["rows"]), workload.loaded(stand, task))
    except (FailedTurnError, LookupError) as error:
        return Turn(contestant=contestant.name, round=number, taken=str(error))
    return Turn(contestant=contestant.name, round=number, taken=taken)


def _told(task: Task, contestant: Contestant) -> Task:
    return replace(task, options={**task.options, **contestant.options})


def run(stand: Stand, program: str, task: Task) -> Measurement:
    """Run a program of ours outside of any contest, to make what a contest starts from.

    Raises:
        FailedTurnError: it failed.
    """
    return measure(sys.executable, program, task, _log(stand.home, program))


def run_peer(stand: Stand, program: str, task: Task) -> Measurement:
    """The same of a program that needs the peers' environment."""
    return measure(str(stand.home / "peers" / "bin" / "python"), program, task, _log(stand.home, program))


def measure(python: str, program: str, task: Task, log: Path) -> Measurement:
    """Run a program in a process of its own; what it says is kept in `log` if it fails."""
    answer = log.with_suffix(".json")
    answer.unlink(missing_ok=True)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    with log.open("w") as output:
        subprocess.run(  # noqa: S603  # our own program
            [python, "-m", "benchmarks.child", program, str(answer)],
            input=task.to_json(),
            text=True,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env=environment,
            check=False,
        )
    if not answer.exists():
        said = log.read_text().strip().splitlines() or ["it said nothing"]
        raise FailedTurnError(f"{said[-1][:_SHOWN]} ({log})")
    values = json.loads(answer.read_text())
    log.unlink()
    answer.unlink()
    return Measurement.from_values(values)


def _check(workload: Workload, taken: Measurement, rows: int, found: int) -> None:
    if found != workload.expected(rows):
        raise FailedTurnError(
            f"{taken.done.rows} rows were read and {found} are there, not {workload.expected(rows)}"
        )


def _log(home: Path, name: str) -> Path:
    folder = home / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    words = re.findall(r"\w+", name)
    return folder / f"{'-'.join(words)}-{time.strftime('%H%M%S')}.log"
