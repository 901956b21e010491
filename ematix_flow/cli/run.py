"""`run`: jobs one after another, each after those that it waits for."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import closing

from ematix_flow.cli.output import FAILED, SUCCEEDED, complain, tell
from ematix_flow.cli.selection import Selection
from ematix_flow.errors import EmatixError
from ematix_flow.lineage import jobs_in_order
from ematix_flow.results import Event, LoadCounts, Retrying, TargetResult
from ematix_flow.run import iter_job


def run_jobs(selection: Selection, *, full_refresh: bool) -> int:
    """Run the jobs and print a line for each target as it ends; the exit code.

    What waits for a failed job, directly or through others, is skipped; the rest goes on.

    Raises:
        DependencyCycleError: jobs read what each other load, in a ring.
    """
    failed: set[str] = set()
    blocked: dict[str, str] = {}  # a job -> the failed one that it waits for
    for name, upstream in _in_order(selection).items():
        culprit = next((each for up in upstream if (each := _culprit(up, failed, blocked))), None)
        targets = selection.targets.get(name, ())
        if culprit is not None:
            blocked[name] = culprit
            if targets:
                tell(f"{name}: skipped, because {culprit} failed")
        elif targets:
            labels = [target.label for target in targets]
            events = iter_job(name, project=selection.project, targets=labels, full_refresh=full_refresh)
            if not _succeeds(name, events):
                failed.add(name)
    return FAILED if failed else SUCCEEDED


def _in_order(selection: Selection) -> Mapping[str, tuple[str, ...]]:
    """The jobs in order, with those that they wait for; one job alone waits for none, and its body is not asked."""
    match list(selection.targets):
        case [only]:
            return {only: ()}
        case _:
            return jobs_in_order(selection.manifest)


def _culprit(upstream: str, failed: set[str], blocked: dict[str, str]) -> str | None:
    return upstream if upstream in failed else blocked.get(upstream)


def _succeeds(job: str, events: Generator[Event, None, None]) -> bool:
    """Tell of a run as it goes; whether every target was loaded."""
    succeeded = True
    with closing(events):
        try:
            for event in events:
                match event:
                    case TargetResult(error=None):
                        tell(f"{job} {event.label}: {_describe(event)}")
                    case TargetResult(error=error):
                        succeeded = False
                        tell(f"{job} {event.label}: failed")
                        complain(str(error))
                    case Retrying(label=label, error=error, attempt=attempt):
                        complain(f"{job} {label}: attempt {attempt} failed and is repeated: {error}")
        except EmatixError as error:  # the source: no target was touched
            tell(f"{job}: failed")
            complain(str(error))
            return False
    return succeeded


def _describe(result: TargetResult) -> str:
    kept = f"; watermark {result.watermark.value}" if result.watermark else ""
    return f"{_describe_counts(result.counts)}{kept}; {result.seconds:.1f} s"


def _describe_counts(counts: LoadCounts) -> str:
    return (
        f"{counts.read} read, {counts.inserted} inserted, {counts.updated} updated, {counts.unchanged} unchanged, "
        f"{counts.deleted} deleted, {counts.closed} closed"
    )
