"""The names that Dagster wants to be unique within one code location."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import dagster as dg

from ematix_flow import Manifest


def dagster_job_name(job: str) -> str:
    """The Dagster job of an ematix job; the job's own name is that of its step, and Dagster wants both unique."""
    return f"{job}_job"


def schedule_name(name: str) -> str:
    """The schedule of a job or workflow."""
    return f"{name}_schedule"


def sensor_name(name: str) -> str:
    """The sensor of a workflow that follows others."""
    return f"{name}_sensor"


def check_names(manifest: Manifest, theirs: dg.Definitions) -> None:
    """Refuse a name that two jobs or steps, or two schedules or sensors, would share.

    Raises:
        dg.DagsterInvalidDefinitionError: it says what both are.
    """
    _check_unique([*_our_jobs(manifest), *_their_jobs(theirs)])
    _check_unique([*_our_triggers(manifest), *_their_triggers(theirs)])


def _our_jobs(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """(name in Dagster, what bears it)"""
    for name in manifest.jobs:
        yield name, f"the step of job '{name}'"
        yield dagster_job_name(name), f"the Dagster job of job '{name}'"
    for name in manifest.workflows:
        yield name, f"the Dagster job of workflow '{name}'"


def _their_jobs(theirs: dg.Definitions) -> Iterator[tuple[str, str]]:
    for job in theirs.jobs or ():
        yield job.name, f"your Dagster job '{job.name}'"
    for assets in theirs.assets or ():
        if isinstance(assets, dg.AssetsDefinition) and assets.is_executable:
            yield assets.node_def.name, f"the step of your asset '{assets.node_def.name}'"


def _our_triggers(manifest: Manifest) -> Iterator[tuple[str, str]]:
    for name in manifest.jobs:
        yield schedule_name(name), f"the schedule of job '{name}'"
    for name in manifest.workflows:
        yield schedule_name(name), f"the schedule of workflow '{name}'"
        yield sensor_name(name), f"the sensor of workflow '{name}'"


def _their_triggers(theirs: dg.Definitions) -> Iterator[tuple[str, str]]:
    for trigger in (*(theirs.schedules or ()), *(theirs.sensors or ())):
        yield trigger.name, f"your schedule or sensor '{trigger.name}'"


def _check_unique(named: Iterable[tuple[str, str]]) -> None:
    seen: dict[str, str] = {}
    for name, bearer in named:
        if name in seen:
            raise dg.DagsterInvalidDefinitionError(
                f"'{name}' would be the name of {seen[name]} and of {bearer}, and Dagster wants it unique within one "
                "code location; rename one of them"
            )
        seen[name] = bearer
