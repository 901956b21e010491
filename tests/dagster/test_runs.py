"""Runs of a job in Dagster, in process, against a real Postgres: what they load and what they tell."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from ematix_flow import Job, Project
from ematix_flow_dagster import build_definitions

DeclareJob = Callable[..., Job]
EVENTS = dg.AssetKey(["warehouse", "analytics", "events"])
ARCHIVE = dg.AssetKey(["warehouse", "analytics", "archive"])


@pytest.fixture
def warehouse(db: psycopg.Connection, dsn: str, monkeypatch: pytest.MonkeyPatch) -> psycopg.Connection:
    """The database of connection `warehouse`, with three events in raw.events."""
    db.execute("create schema raw")
    db.execute(
        "create table raw.events (event_id bigint primary key, name text, price numeric(12, 2), "
        "received_at timestamptz not null)"
    )
    db.execute(
        "insert into raw.events select n, 'e' || n, n, '2026-01-01 00:00Z' from generate_series(1, 3) as n"
    )
    monkeypatch.setenv("WAREHOUSE_DSN", dsn)
    return db


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def run(project: Project, instance: dg.DagsterInstance) -> Callable[..., dg.ExecuteInProcessResult]:
    """Runs load_events in process, for the assets of a selection or all, and gives its result."""

    def run(
        selection: Sequence[dg.AssetKey] | None = None, run_config: Any = None, **words: Any
    ) -> dg.ExecuteInProcessResult:
        job = build_definitions(project=project, **words).resolve_job_def("load_events_job")
        return job.execute_in_process(
            instance=instance, asset_selection=selection, run_config=run_config, raise_on_error=False
        )

    return run


Run = Callable[..., dg.ExecuteInProcessResult]


def metadata(result: dg.ExecuteInProcessResult, key: dg.AssetKey = EVENTS) -> dict[str, Any]:
    [event] = result.asset_materializations_for_node("load_events")
    assert event.asset_key == key
    return {name: value.value for name, value in event.metadata.items()}


def count(db: psycopg.Connection, table: str) -> int:
    [(found,)] = db.execute(f"select count(*) from {table}").fetchall()  # noqa: S608  # a test's own table
    return int(found)


def failure(result: dg.ExecuteInProcessResult) -> dg.DagsterEvent:
    [event] = [event for event in result.all_events if event.is_step_failure]
    return event


def test_a_run_loads_the_target_and_tells_what_it_did(
    warehouse: psycopg.Connection, declare_job: DeclareJob, run: Run
) -> None:
    declare_job("events")
    first = run()
    assert first.success
    told = metadata(first)
    numbers = {name: told[name] for name in told if name.startswith("rows_") and name != "rows_per_second"}
    assert numbers == {
        "rows_read": 3,
        "rows_inserted": 3,
        "rows_updated": 0,
        "rows_unchanged": 0,
        "rows_deleted": 0,
        "rows_closed": 0,
    }
    assert told["dagster/row_count"] == 3
    assert told["dagster/table_name"] == "analytics.events"
    assert [column.type for column in told["dagster/column_schema"].columns][:2] == ["bigint", "text"]
    assert told["path"].startswith("insert … select inside the server")
    assert told["window"].startswith("every row, because ")
    assert "```sql\nselect * from raw.events\n```" in told["sql"]
    assert told["migration"] == "- create schema analytics\n- create table analytics.events"
    assert count(warehouse, "analytics.events") == 3


def test_a_run_without_news_tells_zeros_under_the_same_names_and_types(
    warehouse: psycopg.Connection, declare_job: DeclareJob, run: Run
) -> None:
    declare_job("events")
    first, second = metadata(run()), metadata(run())
    assert {name: type(value) for name, value in first.items()} == {
        name: type(value) for name, value in second.items()
    }
    assert (second["dagster/row_count"], second["rows_inserted"], second["bytes"]) == (3, 0, 0)
    assert second["migration"] == "nothing to do"
    assert second["window"].startswith("rows written since transaction ")


def test_full_refresh_reads_everything_again(
    warehouse: psycopg.Connection, declare_job: DeclareJob, run: Run
) -> None:
    declare_job("events")
    run()
    again = run(run_config={"ops": {"load_events": {"config": {"full_refresh": True}}}})
    assert metadata(again)["rows_read"] == 3
    assert metadata(again)["rows_unchanged"] == 3
    assert metadata(again)["dagster/row_count"] == 3


def test_only_the_selected_target_is_loaded(
    warehouse: psycopg.Connection, declare_job: DeclareJob, run: Run
) -> None:
    declare_job("events", "archive")
    result = run([ARCHIVE])
    assert result.success
    assert metadata(result, ARCHIVE)["rows_inserted"] == 3
    assert warehouse.execute("select to_regclass('analytics.events')").fetchone() == (None,)


def test_the_target_that_fails_is_told_of_and_the_other_is_materialized(
    warehouse: psycopg.Connection, declare_job: DeclareJob, run: Run
) -> None:
    declare_job("events", "archive")
    warehouse.execute("create schema analytics")
    warehouse.execute("create table analytics.archive (event_id text primary key)")
    result = run()
    assert not result.success
    assert metadata(result, EVENTS)["rows_inserted"] == 3
    told = failure(result).step_failure_data.user_failure_data
    assert told is not None
    assert str(told.description).startswith(
        "1 of 2 targets of job 'load_events' failed: job 'load_events': table analytics.archive differs from "
    )
    assert told.metadata["warehouse:analytics.events"].value == "committed"
    assert "table analytics.archive differs" in str(told.metadata["warehouse:analytics.archive"].value)


def test_a_source_that_cannot_be_read_fails_the_run_and_names_the_job(
    warehouse: psycopg.Connection, declare_job: DeclareJob, run: Run
) -> None:
    declare_job("events", sql="select * from raw.nowhere")
    told = failure(run()).step_failure_data.user_failure_data
    assert told is not None
    assert "job 'load_events'" in str(told.description)
    assert "raw.nowhere" in str(told.description)


def test_a_variable_that_is_not_set_fails_the_run_and_is_named(declare_job: DeclareJob, run: Run) -> None:
    declare_job("events")
    told = failure(run()).step_failure_data.user_failure_data
    assert told is not None
    assert "the environment variable WAREHOUSE_DSN is not set" in str(told.description)


def test_record_batches_of_a_body_are_loaded(
    warehouse: psycopg.Connection, declare_job: DeclareJob, run: Run
) -> None:
    def body() -> Iterator[pa.RecordBatch]:
        moments = pa.array([0, 1], pa.timestamp("us", tz="UTC"))
        prices = pa.array([None, None], pa.decimal128(12, 2))
        names = ["event_id", "name", "price", "received_at"]
        yield pa.record_batch([[7, 8], ["seven", "eight"], prices, moments], names)

    declare_job("events", body=body)
    told = metadata(run())
    assert told["rows_inserted"] == 2
    assert told["bytes"] > 0
    assert "-- the body yields record batches" in told["sql"]


def test_a_target_in_a_lake_is_loaded_by_the_same_job(
    warehouse: psycopg.Connection,
    declare_job: DeclareJob,
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LAKE_URL", str(tmp_path))
    declare_job("events", "archive", target_connection={"events": "warehouse", "archive": "lake"})
    result = run()
    assert result.success
    told = {event.asset_key: event for event in result.asset_materializations_for_node("load_events")}
    assert told.keys() == {EVENTS, dg.AssetKey(["lake", "analytics", "archive"])}
    assert DeltaTable(tmp_path / "analytics" / "archive").to_pyarrow_table().num_rows == 3


def test_a_misspelt_word_of_the_run_config_is_refused(declare_job: DeclareJob, run: Run) -> None:
    declare_job("events")
    with pytest.raises(dg.DagsterInvalidConfigError, match="full_refersh"):
        run(run_config={"ops": {"load_events": {"config": {"full_refersh": True}}}})


def test_the_log_tells_the_plan_and_the_outcome(
    warehouse: psycopg.Connection, declare_job: DeclareJob, run: Run, instance: dg.DagsterInstance
) -> None:
    declare_job("events")
    result = run()
    messages = [
        entry.user_message for entry in instance.all_logs(result.run_id) if entry.level == logging.INFO
    ]
    [plan, outcome] = messages
    assert plan.startswith("job load_events\n  target warehouse:analytics.events\n")
    assert "    window    every row, because " in plan
    assert outcome.startswith("warehouse:analytics.events: committed after ")
    assert outcome.endswith("3 rows read, 3 inserted, 0 updated, 0 unchanged, 0 deleted")
