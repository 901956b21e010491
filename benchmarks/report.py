"""What the turns took, as a table: medians, and the median and spread of the ratios within each round."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.contest import Turn
from benchmarks.results import Result
from benchmarks.task import Measurement

_LOADS = ("", "wall s", "rows/s", "client CPU s", "peak MB", "ratio", "spread", "rounds")
_SAMPLES = (
    *("", "median ms", "p90 ms", "slowest ms", "slowest / median", "peak MB"),
    *("ratio", "spread", "repetitions"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """How many times as long, for a row, the first took as another: each pair was measured one after the other."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, pairs: Sequence[tuple[float, float]]) -> Ratio | None:
        """Within the pairs, because from one to the next the machine changes its mood; None of no pairs."""
        ratios = [first / other for first, other in pairs]
        if not ratios:
            return None
        return cls(median=statistics.median(ratios), low=min(ratios), high=max(ratios))


def table(result: Result) -> str:
    """One contest's table, in Markdown; below it what was wanted, what else it told, and what failed, and why."""
    measured = {name: taken(result.turns, name) for name in result.contestants}
    repeats = any(one.done.samples for own in measured.values() for one in own.values())
    header = _SAMPLES if repeats else _LOADS
    lines = _sample_lines(measured) if repeats else _load_lines(measured)
    rule = ("---", *["---:"] * (len(header) - 1))
    notes = [f"Wanted: {result.wanted}"] if result.wanted else []
    notes += _facts(measured)
    notes += [
        f"{turn.contestant} failed: {turn.taken}" for turn in result.turns if isinstance(turn.taken, str)
    ]
    head = f"{result.title}, {result.rows:,} rows (`{result.workload}`):"
    return "\n".join([head, "", *map(_row, [header, rule, *lines]), "", *(f"- {note}" for note in notes)])


def taken(turns: Sequence[Turn], contestant: str) -> dict[int, Measurement]:
    """A contestant's measurements by round."""
    return {
        turn.round: turn.taken
        for turn in turns
        if turn.contestant == contestant and isinstance(turn.taken, Measurement)
    }


# --- one load a turn -----------------------------------------------------------------------------------


def _load_lines(measured: Mapping[str, dict[int, Measurement]]) -> list[tuple[str, ...]]:
    first = next(iter(measured.values()))
    return [_load_line(name, own, {} if own is first else first) for name, own in measured.items()]


def _load_line(name: str, own: dict[int, Measurement], first: dict[int, Measurement]) -> tuple[str, ...]:
    if not own:
        return (name, *["-"] * (len(_LOADS) - 2), "0")
    seconds = statistics.median(one.seconds for one in own.values())
    rows = statistics.median(one.done.rows for one in own.values())
    pairs = [(_per_row(first[number]), _per_row(own[number])) for number in own if number in first]
    return (
        name,
        f"{seconds:.2f}",
        f"{rows / seconds:,.0f}",
        f"{statistics.median(one.cpu for one in own.values()):.2f}",
        f"{statistics.median(one.rss for one in own.values()):.0f}",
        *_ratio_cells(Ratio.of(pairs)),
        str(len(own)),
    )


def _per_row(measured: Measurement) -> float:
    return measured.seconds / max(measured.done.rows, 1)


# --- one thing many times a turn -----------------------------------------------------------------------


def _sample_lines(measured: Mapping[str, dict[int, Measurement]]) -> list[tuple[str, ...]]:
    lines: list[tuple[str, ...]] = []
    for name, own in measured.items():
        peak = f"{statistics.median(one.rss for one in own.values()):.0f}" if own else "-"
        samples = [sample for one in own.values() for sample in one.done.samples]
        lines.append(_sample_line(name, samples, peak, None))
        for beside in sorted({other for one in own.values() for other in one.done.beside}):
            others = [sample for one in own.values() for sample in one.done.beside[beside]]
            ratio = Ratio.of(list(zip(samples, others, strict=True)))
            lines.append(_sample_line(beside, others, "", ratio))
    return lines


def _sample_line(name: str, samples: list[float], peak: str, ratio: Ratio | None) -> tuple[str, ...]:
    if not samples:
        return (name, *["-"] * (len(_SAMPLES) - 2), "0")
    middle, slowest = statistics.median(samples), max(samples)
    ninth = statistics.quantiles(samples, n=10, method="inclusive")[-1] if len(samples) > 1 else slowest
    shown = (f"{1000 * seconds:.1f}" for seconds in (middle, ninth, slowest))
    return (name, *shown, f"{slowest / middle:.1f}", peak, *_ratio_cells(ratio), str(len(samples)))


def _facts(measured: Mapping[str, dict[int, Measurement]]) -> list[str]:
    found: list[str] = []
    for name, own in measured.items():
        for fact in sorted({fact for one in own.values() for fact in one.done.facts}):
            values = sorted({one.done.facts[fact] for one in own.values()})
            found.append(f"{name}: {', '.join(f'{value:g}' for value in values)} {fact}")
    return found


def _ratio_cells(ratio: Ratio | None) -> tuple[str, str]:
    if ratio is None:
        return ("", "")
    return (f"{ratio.median:.2f}", f"{ratio.low:.2f} to {ratio.high:.2f}")


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
