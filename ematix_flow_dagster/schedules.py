"""What starts a job: a schedule, or the jobs that a workflow follows. Neither starts what already runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import dagster as dg

from ematix_flow_dagster.names import schedule_name, sensor_name

_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A Dagster job, the steps in it and the assets that they load."""

    name: str  # of the job or workflow
    job: dg.JobDefinition
    steps: frozenset[str]
    keys: frozenset[dg.AssetKey]


def cron_schedule(
    load: Load, cron: str, timezone: str, status: dg.DefaultScheduleStatus
) -> dg.ScheduleDefinition:
    """The schedule `<name>_schedule`; a tick is skipped while a run loads one of the same assets."""

    @dg.schedule(
        name=schedule_name(load.name),
        job=load.job,
        cron_schedule=cron,
        execution_timezone=timezone,
        default_status=status,
    )
    def tick(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        return _reason_to_skip(context, load) or dg.RunRequest()

    return tick


def follow_sensor(
    load: Load, followed: frozenset[dg.AssetKey], status: dg.DefaultSensorStatus
) -> dg.SensorDefinition:
    """The sensor `<name>_sensor`: starts the job when each of the `followed` assets has been loaded anew.

    Anew means since it started the job last, or first looked. It goes by materializations, so it does not matter
    what launched those loads, and one that failed in part does not count until it is mended.
    """

    @dg.sensor(name=sensor_name(load.name), job=load.job, default_status=status)
    def look(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        loaded = _last_loads(context.instance, followed)
        if context.cursor is None:
            context.update_cursor(json.dumps(loaded))
            return dg.SkipReason("looked for the first time; loads from now on count")
        seen: Mapping[str, int] = json.loads(context.cursor)
        if waiting := [key for key, load_id in loaded.items() if load_id <= seen.get(key, 0)]:
            return dg.SkipReason(f"waits for {', '.join(waiting)}")
        if reason := _reason_to_skip(context, load):
            return reason
        context.update_cursor(json.dumps(loaded))
        return dg.RunRequest(run_key=json.dumps(loaded))

    return look


def _last_loads(instance: dg.DagsterInstance, keys: frozenset[dg.AssetKey]) -> dict[str, int]:
    """The id of each asset's last materialization, 0 where there is none, sorted by asset."""
    found = {key.to_user_string(): 0 for key in sorted(keys)}
    for record in instance.get_asset_records(sorted(keys)):
        entry = record.asset_entry
        found[entry.asset_key.to_user_string()] = entry.last_materialization_storage_id or 0
    return found


# --- what already runs -------------------------------------------------------------------------------


def _reason_to_skip(
    context: dg.ScheduleEvaluationContext | dg.SensorEvaluationContext, load: Load
) -> dg.SkipReason | None:
    for record in context.instance.get_run_records(dg.RunsFilter(statuses=_UNFINISHED)):
        run = record.dagster_run
        if _touches(run, load, context.repository_def):
            return dg.SkipReason(
                f"run {run.run_id} is {run.status.value} and loads the same; if its process is gone, cancel it on "
                "the page of runs"
            )
    return None


def _touches(run: dg.DagsterRun, load: Load, repository: dg.RepositoryDefinition | None) -> bool:
    if run.asset_selection:
        return not load.keys.isdisjoint(run.asset_selection)
    if repository is None or not repository.has_job(run.job_name):
        return run.job_name == load.job.name
    job = repository.get_job(run.job_name)
    return any(job.has_node_named(step) for step in load.steps)
