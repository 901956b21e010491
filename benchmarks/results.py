"""What was measured, as it is kept: one file a contest."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.contest import Turn
from benchmarks.task import Measurement


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One contest: who took part, in the order of the table, and what each turn took."""

    workload: str
    title: str
    wanted: str
    rows: int
    contestants: tuple[str, ...]  # the first is the one that the others are compared with
    turns: tuple[Turn, ...]
    machine: str  # what it ran on, one thing a line


def keep(home: Path, result: Result) -> Path:
    """Write it below `home`; gives the file."""
    folder = home / "results"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{result.workload}.json"
    file.write_text(json.dumps(asdict(result), indent=1))
    return file


def kept(home: Path) -> Iterator[Result]:
    """Everything that was kept below `home`, the oldest first."""
    for file in sorted((home / "results").glob("*.json")):
        yield _result(json.loads(file.read_text()))


def _result(values: dict[str, Any]) -> Result:
    turns = tuple(_turn(turn) for turn in values["turns"])
    return Result(**(values | {"contestants": tuple(values["contestants"]), "turns": turns}))


def _turn(values: dict[str, Any]) -> Turn:
    taken = values["taken"]
    return Turn(**(values | {"taken": taken if isinstance(taken, str) else Measurement.from_values(taken)}))
