"""What starts jobs: schedules, workflows, and what keeps two runs of one job apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import dagster as dg
import pytest

from ematix_flow import Job, Project
from ematix_flow_dagster import build_definitions

DeclareJob = Callable[..., Job]


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as instance:
        yield instance


def schedules(definitions: dg.Definitions) -> dict[str, dg.ScheduleDefinition]:
    return {schedule.name: schedule for schedule in definitions.get_repository_def().schedule_defs}


def steps(definitions: dg.Definitions, job: str) -> list[str]:
    return [node.name for node in definitions.resolve_job_def(job).nodes_in_topological_order]


# --- jobs and schedules ------------------------------------------------------------------------------


def test_a_scheduled_job_has_a_running_schedule_in_its_time_zone(
    project: Project, declare_job: DeclareJob
) -> None:
    declare_job("events", schedule="*/5 * * * *", timezone="Europe/Berlin")
    declare_job("orders")
    found = schedules(build_definitions(project=project))
    assert list(found) == ["load_events_schedule"]
    schedule = found["load_events_schedule"]
    assert schedule.cron_schedule == "*/5 * * * *"
    assert schedule.execution_timezone == "Europe/Berlin"
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    assert schedule.job_name == "load_events_job"


def test_schedules_stand_still_when_the_call_says_so(project: Project, declare_job: DeclareJob) -> None:
    declare_job("events", schedule="@daily")
    [schedule] = schedules(build_definitions(project=project, start_schedules=False)).values()
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED


def test_schedules_stand_still_when_the_environment_says_so(
    project: Project, declare_job: DeclareJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMATIX_START_SCHEDULES", "0")
    declare_job("events", schedule="@daily")
    [schedule] = schedules(build_definitions(project=project)).values()
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED


def test_a_workflow_runs_its_jobs_in_the_order_of_their_edges(
    project: Project, declare_job: DeclareJob
) -> None:
    declare_job("lines", depends_on="load_orders")
    declare_job("orders")
    declare_job("daily")
    declare_job("unrelated")
    project.workflow(
        "nightly",
        jobs=["load_daily", "load_lines", "load_orders"],
        depends_on={"load_daily": "load_lines"},
        schedule="0 3 * * *",
    )
    definitions = build_definitions(project=project)
    assert steps(definitions, "nightly") == ["load_orders", "load_lines", "load_daily"]
    assert schedules(definitions)["nightly_schedule"].job_name == "nightly"


def test_every_job_can_be_launched_by_name(project: Project, declare_job: DeclareJob) -> None:
    declare_job("events", "archive")
    job = build_definitions(project=project).resolve_job_def("load_events_job")
    assert [node.name for node in job.nodes] == ["load_events"]
    assert job.tags["ematix/job"] == "load_events"


# --- a tick while a run is under way -----------------------------------------------------------------


def tick(definitions: dg.Definitions, instance: dg.DagsterInstance) -> dg.RunRequest | str | None:
    """What `load_events_schedule` does now: the run it asks for, or why it asks for none."""
    context = dg.build_schedule_context(instance=instance, repository_def=definitions.get_repository_def())
    data = definitions.resolve_schedule_def("load_events_schedule").evaluate_tick(context)
    return data.run_requests[0] if data.run_requests else data.skip_message


def launch(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    job: str,
    selection: list[str] | None = None,
    status: dg.DagsterRunStatus = dg.DagsterRunStatus.STARTED,
) -> str:
    run = instance.create_run_for_job(
        definitions.resolve_job_def(job),
        status=status,
        asset_selection=frozenset(map(dg.AssetKey.from_user_string, selection)) if selection else None,
    )
    return run.run_id


@pytest.fixture
def shop(project: Project, declare_job: DeclareJob) -> dg.Definitions:
    """A scheduled job, one beside it, a workflow over both, and somebody's own job over the first."""
    declare_job("events", "archive", schedule="* * * * *")
    declare_job("orders")
    project.workflow("nightly", jobs=["load_events", "load_orders"])
    own = dg.define_asset_job(
        "own", selection=dg.AssetSelection.assets(["warehouse", "analytics", "archive"])
    )
    return build_definitions(project=project, merge_with=dg.Definitions(jobs=[own]))


def test_a_tick_starts_a_run_when_nothing_runs(shop: dg.Definitions, instance: dg.DagsterInstance) -> None:
    launch(shop, instance, "load_events_job", status=dg.DagsterRunStatus.SUCCESS)
    launch(shop, instance, "nightly", status=dg.DagsterRunStatus.FAILURE)
    assert isinstance(tick(shop, instance), dg.RunRequest)


@pytest.mark.parametrize(
    "status", [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
)
def test_a_tick_is_skipped_while_the_last_run_goes_on(
    shop: dg.Definitions, instance: dg.DagsterInstance, status: dg.DagsterRunStatus
) -> None:
    run_id = launch(shop, instance, "load_events_job", status=status)
    assert tick(shop, instance) == (
        f"run {run_id} is {status.value} and loads the same; if its process is gone, cancel it on the page of runs"
    )


@pytest.mark.parametrize("job", ["nightly", "own"])
def test_a_tick_is_skipped_while_another_job_loads_the_same(
    shop: dg.Definitions, instance: dg.DagsterInstance, job: str
) -> None:
    run_id = launch(shop, instance, job)
    assert str(tick(shop, instance)).startswith(f"run {run_id} is STARTED")


def test_a_tick_is_skipped_while_a_hand_launched_run_loads_one_of_its_assets(
    shop: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    run_id = launch(shop, instance, "__ASSET_JOB", ["warehouse/analytics/archive"])
    assert str(tick(shop, instance)).startswith(f"run {run_id} is STARTED")


def test_a_tick_does_not_mind_runs_that_load_something_else(
    shop: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    launch(shop, instance, "load_orders_job")
    launch(shop, instance, "__ASSET_JOB", ["warehouse/analytics/orders"])
    assert isinstance(tick(shop, instance), dg.RunRequest)


# --- a workflow that follows others ------------------------------------------------------------------


class Follower:
    """The sensor of workflow `after`, which follows `load_events` (two targets) and `load_orders`."""

    def __init__(self, definitions: dg.Definitions, instance: dg.DagsterInstance) -> None:
        self.definitions = definitions
        self.instance = instance
        self.cursor: str | None = None

    def load(self, *tables: str) -> None:
        for table in tables:
            self.instance.report_runless_asset_event(
                dg.AssetMaterialization(asset_key=["warehouse", "analytics", table])
            )

    def look(self) -> str | None:
        """None when it starts the workflow, else why not."""
        context = dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursor,
            repository_def=self.definitions.get_repository_def(),
        )
        data = self.definitions.resolve_sensor_def("after_sensor").evaluate_tick(context)
        self.cursor = data.cursor
        return None if data.run_requests else data.skip_message


@pytest.fixture
def follower(project: Project, declare_job: DeclareJob, instance: dg.DagsterInstance) -> Follower:
    declare_job("events", "archive")
    declare_job("orders")
    declare_job("report")
    project.workflow("nightly", jobs=["load_orders"])
    project.workflow("after", jobs=["load_report"], triggered_by=["load_events", "nightly"])
    return Follower(build_definitions(project=project), instance)


def test_a_workflow_starts_when_all_it_follows_have_loaded(follower: Follower) -> None:
    follower.load("events", "archive", "orders")
    assert follower.look() == "looked for the first time; loads from now on count"
    follower.load("events", "archive")
    assert follower.look() == "waits for warehouse/analytics/orders"
    follower.load("orders")
    assert follower.look() is None
    assert str(follower.look()).startswith(
        "waits for warehouse/analytics/archive, warehouse/analytics/events"
    )


def test_a_fan_out_that_failed_in_part_does_not_start_what_follows_it(follower: Follower) -> None:
    follower.look()
    follower.load("events", "orders")
    assert follower.look() == "waits for warehouse/analytics/archive"


def test_a_workflow_that_still_runs_is_started_afterwards(follower: Follower) -> None:
    follower.look()
    follower.load("events", "archive", "orders")
    run_id = launch(follower.definitions, follower.instance, "after")
    assert str(follower.look()).startswith(f"run {run_id} is STARTED")
    follower.instance.delete_run(run_id)
    assert follower.look() is None


def test_a_workflow_sensor_runs_unless_schedules_stand_still(
    project: Project, declare_job: DeclareJob
) -> None:
    declare_job("events")
    declare_job("report")
    project.workflow("after", jobs=["load_report"], triggered_by="load_events")
    [running] = build_definitions(project=project).sensors or ()
    [stopped] = build_definitions(project=project, start_schedules=False).sensors or ()
    assert running.default_status is dg.DefaultSensorStatus.RUNNING
    assert stopped.default_status is dg.DefaultSensorStatus.STOPPED
