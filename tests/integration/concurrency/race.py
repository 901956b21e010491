"""Jobs that several processes run at once, and the processes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from ematix_flow import Job, Project, Target, pk
from ematix_flow.spec import Append, LoadMode, Merge, Scd2, Truncate
from ematix_flow.types import BigInt, Text, TimestampTZ

_MODES: Mapping[str, LoadMode] = {
    "append": Append(),
    "window": Append(),
    "truncate": Truncate(),
    "merge": Merge(),
    "scd2": Scd2(valid_from="updated_at"),
    "scd2 by the clock": Scd2(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A job as one process runs it, so many times. Its source is `raw.orders` in the database `origin`."""

    urls: Mapping[str, str]  # of connections, by name; a folder for `lake`
    mode: str  # `window` is a keyless append with a watermark
    targets: tuple[tuple[str, str], ...]  # (connection, table in the schema `analytics`)
    job: str = "load"
    query: str = "select id, name, updated_at from raw.orders"
    times: int = 1

    def again(self, times: int) -> Entry:
        return replace(self, times=times)

    def declare(self) -> tuple[Project, Job]:
        project = Project()
        for name, url in self.urls.items():
            kind = (
                {"kind": "delta_local", "path": url} if name == "lake" else {"kind": "postgres", "url": url}
            )
            project.connection(type(name, (), kind))
        keyless = self.mode == "window"
        columns = {
            "id": BigInt if keyless else Annotated[BigInt, pk()],
            "name": Text,
            "updated_at": TimestampTZ,
        }
        tables = {
            name: project.table(schema="analytics", name=name)(type(name, (), {"__annotations__": columns}))
            for name in dict.fromkeys(table for _, table in self.targets)
        }
        options: dict[str, Any] = {"incremental": "updated_at"} if keyless else {}
        decorate = project.job(
            name=self.job,
            targets=[Target(tables[table], connection=connection) for connection, table in self.targets],
            mode=_MODES[self.mode],
            source_connection="origin",
            **options,
        )
        return project, decorate(lambda: self.query)


@dataclass(frozen=True, slots=True)
class Report:
    """What one process saw: the errors that reached it, and how many runs it tried again."""

    errors: tuple[str, ...]
    retries: int


class Racers:
    """Processes that wait for their entries. Each is started once, since starting takes longer than most runs."""

    def __init__(self, number: int) -> None:
        self._racers = [
            subprocess.Popen(
                [sys.executable, "-W", "ignore", str(Path(__file__).with_name("racer.py"))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(number)
        ]
        for racer in self._racers:
            _answer(racer)

    def start(self, lanes: Sequence[Sequence[Entry]]) -> None:
        """Let the first process run the first lane's entries, and so on; all start together."""
        for racer, lane in zip(self._racers, lanes, strict=False):
            assert racer.stdin is not None
            racer.stdin.write(json.dumps([asdict(entry) for entry in lane]) + "\n")
            racer.stdin.flush()

    def reports(self, number: int) -> list[Report]:
        """What became of the entries of so many lanes; waits for their end."""
        answers = [_answer(racer) for racer in self._racers[:number]]
        return [Report(tuple(answer["errors"]), answer["retries"]) for answer in answers]

    def race(self, lanes: Sequence[Sequence[Entry]]) -> list[Report]:
        """Start, and wait for the end."""
        self.start(lanes)
        return self.reports(len(lanes))

    def close(self) -> None:
        for racer in self._racers:
            racer.communicate(timeout=30)


def _answer(racer: subprocess.Popen[str]) -> Any:
    assert racer.stdout is not None
    line = racer.stdout.readline()
    assert line, "a process ended by itself"
    return json.loads(line)
