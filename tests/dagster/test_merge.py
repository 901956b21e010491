"""A project merged into a code location that has assets, jobs and resources of its own."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import psycopg
import pytest

from ematix_flow import DuplicateNameError, Job, Project
from ematix_flow_dagster import AssetData, EmatixConnection, EmatixTranslator, SourceData, build_definitions

DeclareJob = Callable[..., Job]
OURS = dg.AssetKey(["warehouse", "analytics", "events"])


@dg.asset(key=["warehouse", "raw", "events"])
def raw_events() -> None:
    """Makes the table that our job reads."""


@dg.asset(key="report", deps=[OURS])
def report() -> None:
    """Reads the table that our job makes."""


def graph(definitions: dg.Definitions) -> dict[str, set[str]]:
    dg.Definitions.validate_loadable(definitions)
    return {
        spec.key.to_user_string(): {dep.asset_key.to_user_string() for dep in spec.deps}
        for spec in definitions.resolve_all_asset_specs()
    }


def test_assets_of_both_sides_depend_on_each_other(project: Project, declare_job: DeclareJob) -> None:
    declare_job("events")
    theirs = dg.Definitions(assets=[raw_events, report])
    assert graph(build_definitions(project=project, merge_with=theirs)) == {
        "warehouse/raw/events": set(),
        "warehouse/analytics/events": {"warehouse/raw/events"},
        "report": {"warehouse/analytics/events"},
    }


def test_both_sides_run_on_the_resource_of_the_location(
    project: Project,
    declare_job: DeclareJob,
    db: psycopg.Connection,
    dsn: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @dg.asset(key=["warehouse", "raw", "events"])
    def make() -> None:
        db.execute("create schema raw")
        db.execute(
            "create table raw.events as select 1::bigint as event_id, 'one' as name, 2.5 as price, "
            "timestamptz '2026-01-01 00:00Z' as received_at"
        )

    @dg.asset(deps=[OURS])
    def read() -> dg.MaterializeResult[None]:
        rows = db.execute("select event_id, name from analytics.events").fetchall()
        return dg.MaterializeResult(metadata={"rows": str(rows)})

    declare_job("events")
    monkeypatch.setenv("THEIR_DSN", dsn)
    theirs = dg.Definitions(
        assets=[make, read],
        jobs=[dg.define_asset_job("own_job", selection="*")],
        resources={"warehouse": EmatixConnection(url=dg.EnvVar("THEIR_DSN"))},
    )
    definitions = build_definitions(project=project, merge_with=theirs)
    result = definitions.resolve_job_def("own_job").execute_in_process()
    [told] = result.asset_materializations_for_node("read")
    assert told.metadata["rows"].value == "[(1, 'one')]"


def test_a_source_keeps_the_words_of_the_location_that_has_it_too(
    project: Project, declare_job: DeclareJob
) -> None:
    declare_job("events")
    theirs = dg.Definitions(assets=[dg.AssetSpec(["warehouse", "raw", "events"], group_name="crm")])
    definitions = build_definitions(project=project, merge_with=theirs)
    [spec] = [spec for spec in definitions.resolve_all_asset_specs() if spec.key != OURS]
    assert spec.group_name == "crm"


class OfDbt(EmatixTranslator):
    def get_asset_spec(self, data: AssetData) -> dg.AssetSpec:
        spec = super().get_asset_spec(data)
        return spec.replace_attributes(key=["stg", data.table]) if isinstance(data, SourceData) else spec


def test_a_translator_leads_a_source_to_an_asset_of_the_location(
    project: Project, declare_job: DeclareJob
) -> None:
    @dg.asset(key=["stg", "events"])
    def staged() -> None: ...

    declare_job("events")
    definitions = build_definitions(
        project=project, merge_with=dg.Definitions(assets=[staged]), translator=OfDbt()
    )
    assert graph(definitions) == {"stg/events": set(), "warehouse/analytics/events": {"stg/events"}}


def test_jobs_schedules_and_resources_of_both_sides_are_there(
    project: Project, declare_job: DeclareJob
) -> None:
    declare_job("events", schedule="@daily")
    own_job = dg.define_asset_job("own_job", selection=["report"])
    theirs = dg.Definitions(
        assets=[report],
        jobs=[own_job],
        schedules=[dg.ScheduleDefinition(name="own_schedule", job=own_job, cron_schedule="@hourly")],
        resources={"mailer": dg.ResourceDefinition.hardcoded_resource("mail")},
    )
    repository = build_definitions(project=project, merge_with=theirs).get_repository_def()
    assert {"own_job", "load_events_job"} <= set(repository.job_names)
    assert {schedule.name for schedule in repository.schedule_defs} == {
        "own_schedule",
        "load_events_schedule",
    }
    assert {"mailer", "warehouse", "lake"} <= set(repository.get_top_level_resources())


def test_the_executor_and_the_loggers_of_the_location_serve_workflows(
    project: Project, declare_job: DeclareJob
) -> None:
    declare_job("events")
    declare_job("orders")
    project.workflow("nightly", jobs=["load_events", "load_orders"])
    theirs = dg.Definitions(executor=dg.multiprocess_executor, loggers={"console": dg.json_console_logger})
    definitions = build_definitions(project=project, merge_with=theirs)
    assert definitions.resolve_job_def("nightly").loggers == {"console": dg.json_console_logger}
    assert definitions.resolve_job_def("nightly").executor_def is dg.multiprocess_executor
    assert definitions.resolve_job_def("load_events_job").executor_def is dg.in_process_executor


def test_a_target_that_the_location_has_too_is_refused(project: Project, declare_job: DeclareJob) -> None:
    declare_job("events")
    theirs = dg.Definitions(assets=[dg.AssetSpec(OURS)])
    with pytest.raises(DuplicateNameError, match="which the definitions it is merged with have too"):
        build_definitions(project=project, merge_with=theirs)


@dg.asset(name="load_events")
def same_step() -> None:
    """Its step is called like our job."""


@pytest.mark.parametrize(
    ("theirs", "bearers"),
    [
        (
            dg.Definitions(assets=[same_step]),
            "'load_events' would be the name of the step of job 'load_events' and of the step of your asset",
        ),
        (
            dg.Definitions(
                assets=[report], jobs=[dg.define_asset_job("load_events_job", selection=["report"])]
            ),
            "'load_events_job' would be the name of the Dagster job of job 'load_events' and of your Dagster job",
        ),
        (
            dg.Definitions(
                assets=[report],
                schedules=[
                    dg.ScheduleDefinition(
                        name="load_events_schedule", target=["report"], cron_schedule="@daily"
                    )
                ],
            ),
            "'load_events_schedule' would be the name of the schedule of job 'load_events' and of your schedule",
        ),
    ],
)
def test_a_name_that_both_sides_use_is_refused(
    project: Project, declare_job: DeclareJob, theirs: dg.Definitions, bearers: str
) -> None:
    declare_job("events")
    with pytest.raises(dg.DagsterInvalidDefinitionError, match=bearers):
        build_definitions(project=project, merge_with=theirs)


def test_steps_that_the_location_uses_twice_are_its_own_business(
    project: Project, declare_job: DeclareJob
) -> None:
    declare_job("events")
    copies = [report.with_attributes(asset_key_replacements={report.key: key}) for key in KEYS]
    definitions = build_definitions(project=project, merge_with=dg.Definitions(assets=copies))
    assert graph(definitions).keys() >= {"report/eu", "report/us"}


KEYS = [dg.AssetKey(["report", "eu"]), dg.AssetKey(["report", "us"])]


def test_a_workflow_called_like_the_dagster_job_of_a_job_is_refused(
    project: Project, declare_job: DeclareJob
) -> None:
    declare_job("events")
    project.workflow("load_events_job", jobs=["load_events"])
    with pytest.raises(
        dg.DagsterInvalidDefinitionError,
        match="the Dagster job of job 'load_events' and of the Dagster job of workflow 'load_events_job'",
    ):
        build_definitions(project=project)


def test_modules_are_imported_before_the_project_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop_project.py").write_text("from ematix_flow import Project\n\nshop = Project()\n")
    (tmp_path / "shop_connections.py").write_text(CONNECTIONS)
    monkeypatch.syspath_prepend(tmp_path)
    project: Project = importlib.import_module("shop_project").shop
    try:
        definitions = build_definitions(project=project, modules=["shop_connections"])
    finally:
        sys.modules.pop("shop_project", None)
        sys.modules.pop("shop_connections", None)
    assert set(definitions.resources or {}) == {"warehouse"}


CONNECTIONS = """
from shop_project import shop

@shop.connection
class warehouse:
    kind = "postgres"
    url = "${WAREHOUSE_DSN}"
"""
