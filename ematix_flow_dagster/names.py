"""The names that Dagster wants to be unique within one code location."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

import dagster as dg

from ematix_flow import Manifest

_Named: TypeAlias = tuple[str, str]  # the name in Dagster, and what bears it


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
    _check_unique(_our_jobs(manifest), _their_jobs(theirs))
    _check_unique(_our_triggers(manifest), _their_triggers(theirs))


def _our_jobs(manifest: Manifest) -> Iterator[_Named]:
    for name in manifest.jobs:
        yield name, f"the step of job '{name}'"
        yield dagster_job_name(name), f"the Dagster job of job '{name}'"
    for name in manifest.workflows:
        yield name, f"the Dagster job of workflow '{name}'"


def _their_jobs(theirs: dg.Definitions) -> Iterator[_Named]:
    for job in theirs.jobs or ():
        yield job.name, f"your Dagster job '{job.name}'"
    for assets in theirs.assets or ():
        if isinstance(assets, dg.AssetsDefinition) and assets.is_executable:
            yield assets.node_def.name, f"the step of your asset '{assets.node_def.name}'"


def _our_triggers(manifest: Manifest) -> Iterator[_Named]:
    for name in manifest.jobs:
        yield schedule_name(name), f"the schedule of job '{name}'"
    for name in manifest.workflows:
        yield schedule_name(name), f"the schedule of workflow '{name}'"
        yield sensor_name(name), f"the sensor of workflow '{name}'"


def _their_triggers(theirs: dg.Definitions) -> Iterator[_Named]:
    for trigger in (*(theirs.schedules or ()), *(theirs.sensors or ())):
        yield trigger.name, f"your schedule or sensor '{trigger.name}'"


def _check_unique(ours: Iterable[_Named], theirs: Iterable[_Named]) -> None:
    """Compare ours with each other and with theirs; what theirs share among themselves is not our business."""
    seen: dict[str, str] = {}
    for name, bearer in ours:
        if name in seen:
            raise _shared(name, seen[name], bearer)
        seen[name] = bearer
    for name, bearer in theirs:
        if name in seen:
            raise _shared(name, seen[name], bearer)


def _shared(name: str, one: str, other: str) -> dg.DagsterInvalidDefinitionError:
    return dg.DagsterInvalidDefinitionError(
        f"'{name}' would be the name of {one} and of {other}, and Dagster wants it unique within one code location; "
        "rename one of them"
    )
