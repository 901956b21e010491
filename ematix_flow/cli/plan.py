"""`plan`: what a run would do. It changes nothing, and its exit code can gate a deployment."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ematix_flow.cli.output import DRIFTED, FAILED, SUCCEEDED, complain, tell
from ematix_flow.cli.selection import Selection
from ematix_flow.errors import EmatixError, SchemaDriftError
from ematix_flow.plan import JobPlan, explain
from ematix_flow.plan.json import plan_as_json
from ematix_flow.run import plan_job


@dataclass(frozen=True, slots=True, kw_only=True)
class Planning:
    """What came of planning one job: a plan of all its targets, or plans and errors target by target."""

    job: str
    plans: tuple[JobPlan, ...] = ()
    errors: tuple[EmatixError, ...] = ()


def plan_jobs(selection: Selection, *, full_refresh: bool) -> Iterator[Planning]:
    """Plan each job. One that cannot be planned does not keep the others from it."""
    for job, targets in selection.targets.items():
        labels = [target.label for target in targets]
        yield _plan(selection, job, labels, full_refresh)


def _plan(selection: Selection, job: str, labels: list[str], full_refresh: bool) -> Planning:
    try:
        plan = plan_job(job, project=selection.project, targets=labels, full_refresh=full_refresh)
    except EmatixError as error:
        if len(labels) == 1:
            return Planning(job=job, errors=(error,))
        # It tells of the first target that cannot be planned; a gate wants to know of every one.
        alone = [_plan(selection, job, [label], full_refresh) for label in labels]
        told = {str(each): each for planning in alone for each in planning.errors}
        return Planning(
            job=job,
            plans=tuple(plan for planning in alone for plan in planning.plans),
            errors=tuple(told.values()) or (error,),
        )
    return Planning(job=job, plans=(plan,))


def show_text(plannings: Iterable[Planning]) -> int:
    """Print each plan in words as it is made; the exit code."""
    errors: list[EmatixError] = []
    for planning in plannings:
        for plan in planning.plans:
            tell(explain(plan))
        for error in planning.errors:
            complain(str(error))
        errors += planning.errors
    return _exit_code(errors)


def show_json(plannings: Iterable[Planning]) -> int:
    """Print one JSON document with the plans and errors of all jobs; the exit code."""
    made = list(plannings)
    errors = [error for planning in made for error in planning.errors]
    document = {
        "plans": [plan_as_json(plan) for planning in made for plan in planning.plans],
        "errors": [
            {"job": planning.job, **_error_as_json(error)} for planning in made for error in planning.errors
        ],
    }
    tell(json.dumps(document, indent=2, ensure_ascii=False))
    for error in errors:
        complain(str(error))
    return _exit_code(errors)


def _error_as_json(error: EmatixError) -> dict[str, Any]:
    facts: dict[str, Any] = {"kind": type(error).__name__, "message": str(error)}
    if isinstance(error, SchemaDriftError):
        facts |= {"table": error.table, "drifts": list(error.drifts), "sql": list(error.sql)}
    return facts


def _exit_code(errors: list[EmatixError]) -> int:
    if any(isinstance(error, SchemaDriftError) for error in errors):
        return DRIFTED
    return FAILED if errors else SUCCEEDED
