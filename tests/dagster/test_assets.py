"""What a declared job is in Dagster: its assets, as they load on a machine without servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from ematix_flow import DeclarationError, DependencyCycleError, DuplicateNameError, Job, Project
from ematix_flow.types import BigInt
from ematix_flow_dagster import AssetData, EmatixTranslator, LineageWarning, SourceData, build_definitions

DeclareJob = Callable[..., Job]


def spec(definitions: dg.Definitions, *path: str) -> dg.AssetSpec:
    specs = {spec.key: spec for spec in definitions.resolve_all_asset_specs()}
    return specs[dg.AssetKey(path)]


def deps(definitions: dg.Definitions, *path: str) -> set[str]:
    return {dep.asset_key.to_user_string() for dep in spec(definitions, *path).deps}


# --- targets -----------------------------------------------------------------------------------------


def test_a_target_is_the_asset_of_its_connection_schema_and_table(
    project: Project, declare_job: DeclareJob
) -> None:
    declare_job("events")
    definitions = build_definitions(project=project)
    assert set(definitions.resolve_all_asset_keys()) == {
        dg.AssetKey(["warehouse", "analytics", "events"]),
        dg.AssetKey(["warehouse", "raw", "events"]),
    }


def test_an_asset_tells_what_was_declared(project: Project, declare_job: DeclareJob) -> None:
    declare_job(
        "events", description="Every five minutes.", owners=["team:data"], tags={"tier": "gold"}, group="web"
    )
    asset = spec(build_definitions(project=project), "warehouse", "analytics", "events")
    assert asset.kinds == {"postgres", "table"}
    assert asset.group_name == "web"
    assert asset.description == "What happened.\n\nEvery five minutes."
    assert list(asset.owners) == ["team:data"]
    assert asset.tags["tier"] == "gold"
    assert asset.tags["ematix/job"] == "load_events"


def test_a_delta_target_has_its_own_kind_and_its_unresolved_address(
    project: Project, declare_job: DeclareJob
) -> None:
    declare_job("events", target_connection="lake")
    asset = spec(build_definitions(project=project), "lake", "analytics", "events")
    assert asset.kinds == {"deltalake", "table"}
    assert asset.metadata["dagster/uri"] == "${LAKE_URL}/analytics/events"


@pytest.mark.parametrize(
    ("connection", "types"),
    [
        ("warehouse", ["bigint", "text", "numeric(12,2)", "timestamp with time zone"]),
        ("lake", ["long", "string", "decimal(12,2)", "timestamp"]),
    ],
)
def test_the_column_schema_names_the_types_of_the_database(
    project: Project, declare_job: DeclareJob, connection: str, types: list[str]
) -> None:
    declare_job("events", target_connection=connection)
    asset = spec(build_definitions(project=project), connection, "analytics", "events")
    schema = asset.metadata["dagster/column_schema"]
    assert [column.name for column in schema.columns] == ["event_id", "name", "price", "received_at"]
    assert [column.type for column in schema.columns] == types
    key, name, *_ = (column.constraints for column in schema.columns)
    assert (key.nullable, key.unique, key.other) == (False, True, ["primary key"])
    assert (name.nullable, name.unique) == (True, False)


def test_a_job_is_one_step_whose_targets_can_be_selected_one_by_one(
    project: Project, declare_job: DeclareJob
) -> None:
    declare_job("events", "archive", target_connection={"events": "warehouse", "archive": "lake"})
    definitions = build_definitions(project=project)
    assets = definitions.resolve_assets_def(["lake", "analytics", "archive"])
    assert assets is definitions.resolve_assets_def(["warehouse", "analytics", "events"])
    assert assets.op.name == "load_events"
    assert assets.op.pool == "ematix_load_events"
    assert assets.can_subset


def test_a_workflow_is_the_group_of_its_jobs(project: Project, declare_job: DeclareJob) -> None:
    declare_job("events")
    declare_job("orders")
    project.workflow("nightly", jobs=["load_events"])
    definitions = build_definitions(project=project)
    assert spec(definitions, "warehouse", "analytics", "events").group_name == "nightly"
    assert spec(definitions, "warehouse", "analytics", "orders").group_name == "default"


def test_the_code_version_follows_the_declaration_and_the_text_of_the_body() -> None:
    def today() -> str:
        return f"select * from raw.events where day < '{next(days)}'"  # noqa: S608  # a body of the test's own

    def other() -> str:
        return "select * from raw.events"

    days = iter(["2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04"])
    version = _version(body=today)
    assert version == _version(body=today)
    assert version != _version(body=other)
    assert version != _version(body=today, mode="truncate")


def _version(**words: Any) -> str | None:
    project = Project()
    project.connection(type("warehouse", (), {"kind": "postgres", "url": "${WAREHOUSE_DSN}"}))

    @project.table
    class Events:
        event_id: BigInt

    body = words.pop("body")
    project.job("load", target=Events, **({"incremental": False} | words))(body)
    return spec(build_definitions(project=project), "warehouse", "public", "events").code_version


# --- sources -----------------------------------------------------------------------------------------


def test_a_table_that_nobody_makes_is_an_external_asset(project: Project, declare_job: DeclareJob) -> None:
    declare_job("events")
    definitions = build_definitions(project=project)
    source = spec(definitions, "warehouse", "raw", "events")
    assert source.kinds == {"postgres", "table"}
    assert source.group_name == "sources"
    assert not definitions.resolve_assets_def(source.key).is_executable
    assert deps(definitions, "warehouse", "analytics", "events") == {"warehouse/raw/events"}


def test_a_table_that_another_job_makes_is_the_asset_of_that_job(
    project: Project, declare_job: DeclareJob
) -> None:
    declare_job("events")
    declare_job("daily", sql="select * from analytics.events join raw.days using (day)")
    definitions = build_definitions(project=project)
    assert deps(definitions, "warehouse", "analytics", "daily") == {
        "warehouse/analytics/events",
        "warehouse/raw/days",
    }


def test_a_table_of_the_same_name_on_another_connection_is_another_asset(
    project: Project, declare_job: DeclareJob
) -> None:
    declare_job("events", target_connection="lake")
    declare_job("daily", sql="select * from analytics.events")
    definitions = build_definitions(project=project)
    assert deps(definitions, "warehouse", "analytics", "daily") == {"warehouse/analytics/events"}
    assert not definitions.resolve_assets_def(["warehouse", "analytics", "events"]).is_executable


def test_a_table_without_a_schema_is_taken_to_lie_in_public(
    project: Project, declare_job: DeclareJob
) -> None:
    declare_job("events", sql="select * from events")
    definitions = build_definitions(project=project)
    assert deps(definitions, "warehouse", "analytics", "events") == {"warehouse/public/events"}


def test_a_job_that_reads_its_own_target_does_not_depend_on_itself(
    project: Project, declare_job: DeclareJob
) -> None:
    declare_job("events", sql="select * from raw.events except select * from analytics.events")
    definitions = build_definitions(project=project)
    assert deps(definitions, "warehouse", "analytics", "events") == {"warehouse/raw/events"}


def test_a_job_depends_on_the_assets_of_the_jobs_it_waits_for(
    project: Project, declare_job: DeclareJob
) -> None:
    declare_job("events", "archive")
    declare_job("orders", depends_on="load_events")
    declare_job("lines")
    project.workflow("nightly", jobs=["load_orders", "load_lines"], depends_on={"load_lines": "load_orders"})
    definitions = build_definitions(project=project)
    assert deps(definitions, "warehouse", "analytics", "orders") == {
        "warehouse/raw/events",
        "warehouse/analytics/events",
        "warehouse/analytics/archive",
    }
    assert deps(definitions, "warehouse", "analytics", "lines") == {
        "warehouse/raw/events",
        "warehouse/analytics/orders",
    }


def test_tables_that_a_query_hides_are_named_beside_those_it_shows(
    project: Project, declare_job: DeclareJob
) -> None:
    declare_job("events", sql="select * from raw.events, lookup(day)", sources="raw.days")
    definitions = build_definitions(project=project)
    assert deps(definitions, "warehouse", "analytics", "events") == {
        "warehouse/raw/events",
        "warehouse/raw/days",
    }


def test_a_generator_is_not_called_and_says_what_it_reads(project: Project, declare_job: DeclareJob) -> None:
    def body() -> Iterator[pa.RecordBatch]:
        raise AssertionError("a generator must not run while definitions load")
        yield

    declare_job("events", body=body, sources=["files.events"])
    definitions = build_definitions(project=project)
    assert deps(definitions, "warehouse", "analytics", "events") == {"warehouse/files/events"}


def test_a_body_that_reads_its_connection_says_what_it_reads(
    project: Project, declare_job: DeclareJob
) -> None:
    def body(conn: Any) -> str:
        newest = conn.read("select max(day) from raw.days").read_all()
        return f"select * from raw.events where day = '{newest}'"  # noqa: S608  # a body of the test's own

    declare_job("events", body=body, sources=["raw.events"])
    definitions = build_definitions(project=project)
    assert deps(definitions, "warehouse", "analytics", "events") == {"warehouse/raw/events"}


def test_a_body_learns_the_name_of_its_source(project: Project, declare_job: DeclareJob) -> None:
    def body(conn: Any) -> str:
        return {"warehouse": "select * from raw.events"}[conn.name]

    declare_job("events", body=body)
    definitions = build_definitions(project=project)
    assert deps(definitions, "warehouse", "analytics", "events") == {"warehouse/raw/events"}


def test_a_body_whose_reads_stay_unknown_is_warned_of_without_its_words(
    project: Project, declare_job: DeclareJob
) -> None:
    def body() -> str:
        raise KeyError("hunter2")

    declare_job("events", body=body)
    with pytest.warns(LineageWarning, match="job 'load_events': its body raised KeyError") as warned:
        definitions = build_definitions(project=project)
    assert "hunter2" not in str(warned[0].message)
    assert deps(definitions, "warehouse", "analytics", "events") == set()


# --- a translator of one's own -----------------------------------------------------------------------


class Translator(EmatixTranslator):
    def get_asset_spec(self, data: AssetData) -> dg.AssetSpec:
        asset = super().get_asset_spec(data)
        if isinstance(data, SourceData):
            return asset.replace_attributes(key=["dbt", data.table])
        return asset.replace_attributes(key=["mart", data.target.table.name], group_name="mart")


def test_a_translator_names_targets_and_sources(project: Project, declare_job: DeclareJob) -> None:
    declare_job("events")
    declare_job("daily", sql="select * from analytics.events")
    definitions = build_definitions(project=project, translator=Translator())
    assert deps(definitions, "mart", "events") == {"dbt/events"}
    assert deps(definitions, "mart", "daily") == {"mart/events"}
    assert spec(definitions, "mart", "daily").group_name == "mart"
    assert spec(definitions, "dbt", "events").group_name == "sources"


class WithModel(EmatixTranslator):
    def get_asset_spec(self, data: AssetData) -> dg.AssetSpec:
        asset = super().get_asset_spec(data)
        source = dg.AssetDep(["warehouse", "raw", "events"], partition_mapping=dg.LastPartitionMapping())
        return asset if isinstance(data, SourceData) else asset.merge_attributes(deps=["model", source])


def test_dependencies_of_a_translator_stay(project: Project, declare_job: DeclareJob) -> None:
    declare_job("events", sql="select * from raw.events join raw.days using (day)")
    definitions = build_definitions(project=project, translator=WithModel())
    found = {
        dep.asset_key.to_user_string(): dep.partition_mapping
        for dep in spec(definitions, "warehouse", "analytics", "events").deps
    }
    assert found == {
        "model": None,
        "warehouse/raw/events": dg.LastPartitionMapping(),
        "warehouse/raw/days": None,
    }


# --- mistakes ----------------------------------------------------------------------------------------


def test_two_jobs_that_load_one_table_are_both_named(project: Project, declare_job: DeclareJob) -> None:
    declare_job("events")
    declare_job("events", name="load_again")
    with pytest.raises(DuplicateNameError) as caught:
        build_definitions(project=project)
    [problem] = caught.value.problems
    assert problem.declaration == "job 'load_again'"
    assert problem.text.startswith(
        "its target warehouse:analytics.events is asset warehouse/analytics/events, which job 'load_events' loads "
    )
    assert problem.text.endswith("or put the jobs into two projects and two code locations")


def test_every_body_that_returns_no_select_is_named(project: Project, declare_job: DeclareJob) -> None:
    declare_job("events", sql="delete from raw.events")
    declare_job("orders", sql="select from from")
    with pytest.raises(DeclarationError) as caught:
        build_definitions(project=project)
    assert [problem.declaration for problem in caught.value.problems] == [
        "job 'load_events'",
        "job 'load_orders'",
    ]
    assert "the query is DELETE, which changes data" in str(caught.value)


def test_jobs_that_read_what_each_other_load_are_shown_as_a_ring(
    project: Project, declare_job: DeclareJob
) -> None:
    declare_job("a", sql="select * from analytics.b")
    declare_job("b", sql="select * from analytics.a")
    with pytest.raises(DependencyCycleError, match=r"load_[ab] → load_[ab] → load_[ab]"):
        build_definitions(project=project)
