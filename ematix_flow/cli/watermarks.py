"""`watermarks`: what is stored of how far each job got in each target, and forgetting it."""

from __future__ import annotations

from ematix_flow.backends import Environ, kept_watermark, reset_watermark
from ematix_flow.backends.kept import KeptWatermark
from ematix_flow.cli.output import FAILED, SUCCEEDED, complain, tell
from ematix_flow.cli.selection import Selection
from ematix_flow.errors import EmatixError
from ematix_flow.run import plan_job
from ematix_flow.spec import DeltaConnection, JobTarget
from ematix_flow.state import Watermark


def show_watermarks(selection: Selection, environ: Environ) -> int:
    """Print what is stored for each target; the exit code."""
    code = SUCCEEDED
    for job, targets in selection.targets.items():
        for target in targets:
            try:
                counted = _counted(selection, job, target)
                kept = kept_watermark(
                    target.connection, target.table, job=job, counted=counted, environ=environ
                )
            except EmatixError as error:
                complain(str(error))
                code = FAILED
            else:
                tell(f"{job} {target.label}: {_describe(kept)}")
    return code


def _counted(selection: Selection, job: str, target: JobTarget) -> Watermark | None:
    """What a run would store now, where only that tells under which name to look."""
    if not isinstance(target.connection, DeltaConnection):
        return None
    plan = plan_job(job, project=selection.project, targets=[target.label])
    return plan.targets[0].watermark


def _describe(kept: KeptWatermark | None) -> str:
    if kept is None:
        return "no watermark"
    stored = f", stored {kept.stored_at:%Y-%m-%d %H:%M:%S}Z" if kept.stored_at else ""
    return f"{kept.value} ({kept.cursor}){stored}"


def reset_watermarks(selection: Selection, environ: Environ) -> int:
    """Forget what is stored for each target, so that the next run reads everything; the exit code."""
    code = SUCCEEDED
    for job, targets in selection.targets.items():
        for target in targets:
            try:
                was_there = [
                    reset_watermark(target.connection, target.table, job=name, environ=environ)
                    for name in _names(selection, job)
                ]
            except EmatixError as error:
                complain(str(error))
                code = FAILED
            else:
                outcome = "reset; the next run reads everything" if any(was_there) else "no watermark"
                tell(f"{job} {target.label}: {outcome}")
    return code


def _names(selection: Selection, job: str) -> list[str]:
    """The job's name, and the one that it had: a run goes on from what is stored under that."""
    previous = selection.manifest.jobs[job].job.previous_name
    return [job] if previous is None else [job, previous]
