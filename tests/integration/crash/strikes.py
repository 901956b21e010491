"""Striking a run at some moment, and telling from what it had announced where the blow fell."""

from __future__ import annotations

import enum
import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psycopg
from integration.crash.scene import Scene

RUN_SECONDS = 1.1  # from the first row to the commit
_NEAR = 0.020  # seconds
_CHILD = Path(__file__).with_name("child.py")


@dataclass(frozen=True, slots=True)
class Moment:
    """So many seconds after the run announced a phase for so many times."""

    phase: str
    times: int
    after: float


class Blow(enum.Enum):
    KILL = "the process is killed"
    TERMINATE = "the server ends the loading session"


class Fell(enum.Enum):
    BEFORE = "before the first row"
    BETWEEN = "between first row and commit"
    NEAR = "within 20 ms of a commit"
    AFTER = "after the commit"
    MISSED = "missed: no session was loading"


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    name: str
    at: float  # time.monotonic(), one clock for all processes


def moments(number: int, choice: random.Random) -> list[Moment]:
    """Of six, four fall while rows move, one at a commit, which is short, and one at any time at all."""

    def moment(each: int) -> Moment:
        match each % 6:
            case 0:
                return Moment("started", 1, choice.uniform(0, RUN_SECONDS + 0.5))
            case 1:
                return Moment("committing", choice.randint(1, 3), choice.uniform(0, _NEAR))
            case _:
                return Moment("rows", 1, choice.uniform(0, RUN_SECONDS))

    made = [moment(each) for each in range(number)]
    choice.shuffle(made)
    return made


def loading_moments(number: int, choice: random.Random) -> list[Moment]:
    """While rows move, and so a session is there that loads them."""
    return [Moment("rows", 1, choice.uniform(0, RUN_SECONDS)) for _ in range(number)]


def strike(
    scene: Scene, moment: Moment, blow: Blow, seconds: float = RUN_SECONDS
) -> tuple[Fell, list[Phase]]:
    """Run the job, for so long, in a process of its own and strike it; returns when the process has ended."""
    with _child(scene, seconds) as child:
        seen = _wait_for(child, moment, len(scene.targets))
        hit = True
        match blow:
            case Blow.KILL:
                struck = time.monotonic()
                child.kill()
            case Blow.TERMINATE:
                struck = time.monotonic()
                hit = _end_sessions(scene)
        rest, _ = child.communicate()
    phases = [*seen, *_phases(rest.splitlines())]
    return (_where(phases, struck, len(scene.targets)) if hit else Fell.MISSED), phases


def histogram(title: str, fell: Iterable[Fell]) -> str:
    counts = Counter(fell)
    total = counts.total()
    lines = [f"{title}: {total}"]
    for bucket in Fell:
        number = counts[bucket]
        lines.append(f"  {bucket.value:32} {number:4} {number / total:6.1%} {'#' * (60 * number // total)}")
    return "\n".join(lines)


# --- the process -------------------------------------------------------------------------------------


@contextmanager
def _child(scene: Scene, seconds: float) -> Iterator[subprocess.Popen[str]]:
    child = subprocess.Popen(
        [sys.executable, "-W", "ignore", str(_CHILD), json.dumps([seconds, asdict(scene)])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with child:
        try:
            yield child
        finally:
            child.kill()


def _wait_for(child: subprocess.Popen[str], moment: Moment, targets: int) -> list[Phase]:
    # A fan-out commits each of its targets.
    seen = _until(child, moment.phase, min(moment.times, targets))
    time.sleep(max(0.0, seen[-1].at + moment.after - time.monotonic()))
    return seen


def _until(child: subprocess.Popen[str], name: str, times: int) -> list[Phase]:
    seen: list[Phase] = []
    assert child.stdout is not None
    for line in child.stdout:
        seen += _phases([line])
        if seen[-1].name == "done" or [phase.name for phase in seen].count(name) == times:
            return seen
    raise AssertionError(f"the process ended by itself: {seen}")


def _phases(lines: Iterable[str]) -> list[Phase]:
    found = [json.loads(line) for line in lines]
    return [Phase(name=each["phase"], at=each["at"]) for each in found]


def _end_sessions(scene: Scene) -> bool:
    """End the session that holds the target's lock, as an administrator or a failover would."""
    url = scene.other if "other" in scene.targets else scene.origin
    with psycopg.connect(url, autocommit=True) as session:
        ended = session.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'ematix-flow' "
            "and datname = current_database() and pid in (select pid from pg_locks where locktype = 'advisory')"
        ).fetchall()
    return bool(ended)


def _where(phases: list[Phase], struck: float, targets: int) -> Fell:
    before = [phase for phase in phases if phase.at <= struck]
    names = [phase.name for phase in before]
    commits = [phase.at for phase in phases if phase.name in ("committing", "committed")]
    if any(abs(struck - at) <= _NEAR for at in commits):
        return Fell.NEAR
    if names.count("committed") >= targets or "done" in names:
        return Fell.AFTER
    return Fell.BETWEEN if "rows" in names else Fell.BEFORE
