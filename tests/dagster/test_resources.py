"""Connections as resources: what the page shows of them, and which one a run opens."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import dagster as dg
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from ematix_flow import Job, LiteralPasswordWarning, Project
from ematix_flow_dagster import EmatixConnection, build_definitions

DeclareJob = Callable[..., Job]


def shown(definitions: dg.Definitions, name: str) -> dict[str, Any]:
    """The fields of a resource as Dagster tells them to its page."""
    resource = (definitions.resources or {})[name]
    assert isinstance(resource, EmatixConnection)
    return {key: value for key, value in resource.model_dump().items() if value is not None}


def test_a_connection_is_a_resource_that_shows_its_name_and_reference(project: Project) -> None:
    assert shown(build_definitions(project=project), "warehouse") == {
        "name": "warehouse",
        "url": "${WAREHOUSE_DSN}",
    }


def test_a_job_needs_the_resources_of_its_connections(project: Project, declare_job: DeclareJob) -> None:
    declare_job("events", target_connection="lake")
    definitions = build_definitions(project=project)
    assets = definitions.resolve_assets_def(["lake", "analytics", "events"])
    assert {"warehouse", "lake"} <= assets.required_resource_keys


def test_a_literal_password_is_hidden_in_the_resource_and_used_by_the_run(
    declare_job: DeclareJob, project: Project, db: psycopg.Connection, dsn: str
) -> None:
    password = str(conninfo_to_dict(dsn)["password"])
    with pytest.warns(LiteralPasswordWarning):
        project.connection(type("secretive", (), {"kind": "postgres", "url": dsn}))
    declare_job("events", target_connection="secretive", sql=ONE_EVENT)
    definitions = build_definitions(project=project)
    assert "***" in shown(definitions, "secretive")["url"]
    assert password not in json.dumps(shown(definitions, "secretive"))
    assert definitions.resolve_job_def("load_events_job").execute_in_process().success
    assert db.execute("select name from analytics.events").fetchall() == [("one",)]


ONE_EVENT = "select 1::bigint as event_id, 'one'::text as name, 1.5 as price, timestamptz '2026-01-01 00:00Z' as received_at"


def as_resources(resources: dict[str, Any]) -> dict[str, Any]:
    return {"resources": resources}


def as_definitions_of_their_own(resources: dict[str, Any]) -> dict[str, Any]:
    return {"merge_with": dg.Definitions(resources=resources)}


@pytest.mark.parametrize("url", ["${OTHER_DSN}", dg.EnvVar("OTHER_DSN")])
@pytest.mark.parametrize("given", [as_resources, as_definitions_of_their_own])
def test_a_resource_of_ones_own_takes_the_place_of_the_declared_connection(
    declare_job: DeclareJob,
    project: Project,
    db: psycopg.Connection,
    dsn: str,
    monkeypatch: pytest.MonkeyPatch,
    url: str,
    given: Callable[..., Any],
) -> None:
    monkeypatch.setenv("OTHER_DSN", dsn)
    declare_job("events", sql=ONE_EVENT)
    resources = {"warehouse": EmatixConnection(url=url)}
    definitions = build_definitions(project=project, **given(resources))
    assert definitions.resolve_job_def("load_events_job").execute_in_process().success
    assert db.execute("select name from analytics.events").fetchall() == [("one",)]


class Mailer(dg.ConfigurableResource[Any]):
    host: str


@pytest.mark.parametrize("given", [as_resources, as_definitions_of_their_own])
def test_a_resource_of_another_kind_under_a_connections_name_is_refused(
    project: Project, given: Callable[..., Any]
) -> None:
    resources = {"warehouse": Mailer(host="localhost")}
    with pytest.raises(
        dg.DagsterInvalidDefinitionError,
        match="resource 'warehouse' is a Mailer, and a connection is called 'warehouse' too",
    ):
        build_definitions(project=project, **given(resources))


@pytest.mark.parametrize(
    ("name", "resource", "field"),
    [
        ("warehouse", EmatixConnection(url="postgresql://app:hunter2@db/shop"), "url"),
        (
            "lake",
            EmatixConnection(url="s3://lake", storage_options={"AWS_SECRET_ACCESS_KEY": "hunter2"}),
            "storage_options.AWS_SECRET_ACCESS_KEY",
        ),
    ],
)
def test_a_resource_that_would_show_a_secret_is_refused_without_showing_it(
    project: Project, name: str, resource: EmatixConnection, field: str
) -> None:
    with pytest.raises(
        dg.DagsterInvalidDefinitionError, match=f"resource '{name}', {field}: holds a secret"
    ) as caught:
        build_definitions(project=project, resources={name: resource})
    assert "hunter2" not in str(caught.value)


def test_a_secret_given_by_reference_is_fine(project: Project) -> None:
    options = {"AWS_SECRET_ACCESS_KEY": dg.EnvVar("KEY"), "AWS_SESSION_TOKEN": "${TOKEN}"}
    definitions = build_definitions(
        project=project, resources={"lake": EmatixConnection(url="s3://lake", storage_options=options)}
    )
    assert set(definitions.resources or {}) == {"warehouse", "lake"}


def test_further_resources_are_kept(project: Project) -> None:
    mailer = Mailer(host="localhost")
    definitions = build_definitions(project=project, resources={"mailer": mailer})
    assert (definitions.resources or {})["mailer"] is mailer
