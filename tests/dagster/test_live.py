"""A live `dagster dev`, driven through GraphQL as its page drives it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from deltalake import DeltaTable

if TYPE_CHECKING:
    from collections.abc import Iterator

# One server for all of them, and it may take its time on a busy machine.
pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def warehouse(live: Any) -> Iterator[psycopg.Connection]:
    """The live warehouse, as a user of it would see it."""
    with psycopg.connect(live.dsn, autocommit=True) as session:
        yield session


def assets(live: Any) -> dict[str, dict[str, Any]]:
    nodes = live.ask(
        """{ assetNodes { assetKey { path } groupName kinds isMaterializable opNames pools jobNames
        dependencyKeys { path } owners { ... on TeamAssetOwner { team } }
        metadataEntries { label ... on TableSchemaMetadataEntry { schema { columns { name type } } } }
        targetingInstigators { ... on Schedule { name } } } }"""
    )["assetNodes"]
    return {"/".join(node["assetKey"]["path"]): node for node in nodes}


# --- what is listed ----------------------------------------------------------------------------------


def test_assets_of_ours_and_of_the_location_are_listed_with_their_edges(live: Any) -> None:
    found = assets(live)
    edges = {
        name: {"/".join(key["path"]) for key in node["dependencyKeys"]}
        for name, node in found.items()
        if "trouble" not in name
    }
    assert edges == {
        "warehouse/raw/events": set(),
        "warehouse/analytics/events": {"warehouse/raw/events"},
        "warehouse/analytics/events_copy": {"warehouse/analytics/events"},
        "lake/analytics/events_archive": {"warehouse/analytics/events"},
        "warehouse/analytics/minutes": {"warehouse/raw/events"},
        "report": {"warehouse/analytics/events"},
    }
    assert not found["warehouse/raw/events"]["isMaterializable"]


def test_an_asset_is_listed_with_all_that_was_declared(live: Any) -> None:
    node = assets(live)["warehouse/analytics/events"]
    assert node["groupName"] == "nightly"
    assert set(node["kinds"]) == {"postgres", "table"}
    assert node["opNames"] == ["ingest_events"]
    assert node["pools"] == ["ematix_ingest_events"]
    assert {"ingest_events_job", "nightly"} <= set(node["jobNames"])
    assert node["owners"] == [{"team": "data"}]
    [schema] = [entry["schema"] for entry in node["metadataEntries"] if "schema" in entry]
    assert [column["type"] for column in schema["columns"]] == ["bigint", "text", "timestamp with time zone"]


def test_schedules_run_and_are_shown_on_the_assets_they_load(live: Any) -> None:
    [shop] = [
        node
        for node in live.ask(
            """{ repositoriesOrError { ... on RepositoryConnection { nodes { location { name } schedules { name
            cronSchedule executionTimezone pipelineName scheduleState { status } } } } } }"""
        )["repositoriesOrError"]["nodes"]
        if node["location"]["name"] == "shop.py"
    ]
    assert {schedule["name"]: schedule for schedule in shop["schedules"]} == {
        "every_minute_schedule": {
            "name": "every_minute_schedule",
            "cronSchedule": "* * * * *",
            "executionTimezone": "Europe/Berlin",
            "pipelineName": "every_minute_job",
            "scheduleState": {"status": "RUNNING"},
        },
        "nightly_schedule": {
            "name": "nightly_schedule",
            "cronSchedule": "0 3 * * *",
            "executionTimezone": "UTC",
            "pipelineName": "nightly",
            "scheduleState": {"status": "RUNNING"},
        },
    }
    assert assets(live)["warehouse/analytics/minutes"]["targetingInstigators"] == [
        {"name": "every_minute_schedule"}
    ]


def test_resources_show_references_and_what_uses_them(live: Any) -> None:
    nodes = live.ask(
        """{ repositoriesOrError { ... on RepositoryConnection { nodes { location { name }
        allTopLevelResourceDetails { name resourceType configuredValues { key value } assetKeysUsing { path }
        } } } } }"""
    )["repositoriesOrError"]["nodes"]
    [shop] = [node["allTopLevelResourceDetails"] for node in nodes if node["location"]["name"] == "shop.py"]
    found = {resource["name"]: resource for resource in shop}
    shown = {
        name: {value["key"]: value["value"] for value in resource["configuredValues"]}
        for name, resource in found.items()
        if name != "io_manager"
    }
    assert shown == {
        "warehouse": {"name": '"warehouse"', "url": '"${WAREHOUSE_DSN}"'},
        "lake": {"name": '"lake"', "url": '"${LAKE_URL}"'},
        "spare": {"name": '"spare"', "url": '"postgresql://app:***@localhost/spare"'},
    }
    assert {"path": ["lake", "analytics", "events_archive"]} in found["lake"]["assetKeysUsing"]


# --- runs --------------------------------------------------------------------------------------------


def test_one_asset_is_materialized(live: Any, warehouse: psycopg.Connection) -> None:
    run_id = live.launch("warehouse/analytics/events", config=FULL_REFRESH)
    assert live.end_of(run_id) == "SUCCESS"
    assert live.materialized(run_id).keys() == {"warehouse/analytics/events"}
    assert live.materialized(run_id)["warehouse/analytics/events"]["rows_read"] == 100
    assert warehouse.execute("select count(*) from analytics.events").fetchone() == (100,)


FULL_REFRESH = {"ops": {"ingest_events": {"config": {"full_refresh": True}}}}


def test_all_assets_are_materialized(live: Any, warehouse: psycopg.Connection) -> None:
    run_id = live.launch()
    assert live.end_of(run_id) == "SUCCESS"
    assert live.materialized(run_id).keys() == {
        "warehouse/analytics/events",
        "warehouse/analytics/events_copy",
        "lake/analytics/events_archive",
        "warehouse/analytics/minutes",
        "report",
    }
    assert warehouse.execute("select count(*) from analytics.events_copy").fetchone() == (100,)
    assert DeltaTable(live.home / "lake" / "analytics" / "events_archive").to_pyarrow_table().num_rows == 100


def test_one_target_of_a_fan_out_is_materialized(live: Any) -> None:
    selected = {"warehouse/analytics/events", "lake/analytics/events_archive"}
    run_id = live.launch(*selected)
    assert live.end_of(run_id) == "SUCCESS"
    assert live.materialized(run_id).keys() == selected


def test_a_schedule_ticks_and_its_run_succeeds(live: Any) -> None:
    query = """{ runsOrError(filter: {pipelineName: "every_minute_job", statuses: [SUCCESS]}, limit: 1) {
    ... on Runs { results { runId tags { key value } } } } }"""
    [run] = live.wait_for(
        lambda: live.ask(query)["runsOrError"]["results"], seconds=100, what="a run of the schedule"
    )
    tags = {tag["key"]: tag["value"] for tag in run["tags"]}
    assert tags["dagster/schedule_name"] == "every_minute_schedule"
    assert tags["ematix/job"] == "every_minute"
    assert live.materialized(run["runId"]).keys() == {"warehouse/analytics/minutes"}


def test_only_the_target_that_failed_is_loaded_again(live: Any, warehouse: psycopg.Connection) -> None:
    warehouse.execute("drop schema if exists trouble cascade")
    warehouse.execute("create schema trouble")
    warehouse.execute("create table trouble.broken (event_id text primary key)")
    sound, broken = "warehouse/trouble/sound", "warehouse/trouble/broken"
    first = live.launch(sound, broken, location="trouble")
    assert live.end_of(first) == "FAILURE"
    assert live.materialized(first).keys() == {sound}

    warehouse.execute("drop table trouble.broken")
    answer = live.ask(
        """mutation ($p: ReexecutionParams!) { launchPipelineReexecution(reexecutionParams: $p) {
        ... on LaunchRunSuccess { run { runId assetSelection { path } } } } }""",
        p={"parentRunId": first, "strategy": "FROM_ASSET_FAILURE"},
    )["launchPipelineReexecution"]["run"]
    assert answer["assetSelection"] == [{"path": broken.split("/")}]
    assert live.end_of(answer["runId"]) == "SUCCESS"
    assert live.materialized(answer["runId"]).keys() == {broken}


def test_a_run_that_is_terminated_stops_its_query_and_loads_nothing(
    live: Any, warehouse: psycopg.Connection
) -> None:
    query = (
        "select count(*) from pg_stat_activity where query like '%pg_sleep(600)%' and pid <> pg_backend_pid()"
    )
    run_id = live.launch("warehouse/trouble/endless", location="trouble")
    live.wait_for(lambda: warehouse.execute(query).fetchone() != (0,), seconds=60, what="its query to run")
    live.ask("mutation ($r: String!) { terminateRun(runId: $r) { __typename } }", r=run_id)
    assert live.end_of(run_id) == "CANCELED"
    live.wait_for(lambda: warehouse.execute(query).fetchone() == (0,), seconds=10, what="its query to stop")
    assert warehouse.execute("select to_regclass('trouble.endless')").fetchone() == (None,)


def test_a_location_whose_variables_are_unset_loads_and_its_run_names_the_variable(live: Any) -> None:
    run_id = live.launch("nowhere/trouble/sound", location="trouble")
    assert live.end_of(run_id) == "FAILURE"
    assert "the environment variable NOWHERE_DSN is not set" in failure(live, run_id)


def failure(live: Any, run_id: str) -> str:
    """What Dagster tells of the step that failed, and of the causes."""
    [found] = [
        event for event in live.events_of(run_id) if event["__typename"] == "ExecutionStepFailureEvent"
    ]
    causes = [cause["error"] for cause in found["error"]["causes"]]
    return "\n".join(error["message"] for error in (found["error"], *causes))


def test_a_wrong_password_fails_the_run_and_shows_in_no_response_event_or_log(live: Any) -> None:
    run_id = live.launch("wrong/trouble/sound", location="trouble")
    assert live.end_of(run_id) == "FAILURE"
    assert "connection 'wrong'" in failure(live, run_id)
    assert live.leaks() == []


def test_a_run_that_succeeds_shows_no_password_in_any_response_event_or_log(live: Any) -> None:
    run_id = live.launch("warehouse/analytics/events")
    assert live.end_of(run_id) == "SUCCESS"
    assert live.events_of(run_id)
    assert live.leaks() == []
