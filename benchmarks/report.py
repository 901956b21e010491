"""What the turns took, as a table: medians, and the median and spread of the ratios within each round."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.contest import Turn, Workload
from benchmarks.task import Measurement

_HEADER = ("", "wall s", "rows/s", "client CPU s", "peak MB", "ratio", "spread", "rounds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """How many times as long the first contestant took as another: of the rounds in which both took part."""

    median: float
    low: float
    high: float


def taken(turns: Sequence[Turn], contestant: str) -> dict[int, Measurement]:
    """A contestant's measurements by round."""
    return {
        turn.round: turn.taken
        for turn in turns
        if turn.contestant == contestant and isinstance(turn.taken, Measurement)
    }


def ratio(first: dict[int, Measurement], other: dict[int, Measurement]) -> Ratio | None:
    """The ratios within the rounds, because from round to round the machine changes its mood."""
    ratios = [first[number].seconds / other[number].seconds for number in first if number in other]
    if not ratios:
        return None
    return Ratio(median=statistics.median(ratios), low=min(ratios), high=max(ratios))


def table(workload: Workload, rows: int, turns: Sequence[Turn]) -> str:
    """One workload's table, in Markdown; below it what failed, and why."""
    first = taken(turns, workload.contestants[0].name)
    lines = [
        _line(contestant.name, first, taken(turns, contestant.name)) for contestant in workload.contestants
    ]
    failures = [f"- {turn.contestant}: {turn.taken}" for turn in turns if isinstance(turn.taken, str)]
    rule = ("---", *["---:"] * (len(_HEADER) - 1))
    head = f"### {workload.title}, {rows:,} rows (`{workload.name}`)"
    return "\n".join([head, "", *map(_row, [_HEADER, rule, *lines]), "", *failures])


def _line(name: str, first: dict[int, Measurement], own: dict[int, Measurement]) -> tuple[str, ...]:
    if not own:
        return (name, *["-"] * (len(_HEADER) - 2), "0")
    middle = {
        field: statistics.median(getattr(measured, field) for measured in own.values())
        for field in ("rows", "seconds", "cpu", "rss")
    }
    compared = None if own is first or own == first else ratio(first, own)
    return (
        name,
        f"{middle['seconds']:.2f}",
        f"{middle['rows'] / middle['seconds']:,.0f}",
        f"{middle['cpu']:.2f}",
        f"{middle['rss']:.0f}",
        "" if compared is None else f"{compared.median:.2f}",
        "" if compared is None else f"{compared.low:.2f} to {compared.high:.2f}",
        str(len(own)),
    )


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
