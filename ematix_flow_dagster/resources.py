"""Connections as Dagster resources: seen on the page, and replaceable there, without ever showing a secret."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, assert_never

import dagster as dg

from ematix_flow import Connection, DeltaConnection, PostgresConnection, ResolvedJob, literal_secrets


class EmatixConnection(dg.ConfigurableResource[Any]):
    """Where a connection is. One of your own, under a connection's name, takes the place of the declared one:

        resources={"warehouse": EmatixConnection(url="${STAGING_DSN}")}

    What kind of connection it is, and all that is not given here, stays as declared. `${VAR}` is resolved when a
    run opens the connection, not by Dagster; `dg.EnvVar("STAGING_DSN")` serves as well. A url with a literal
    password is refused by `build_definitions`, because Dagster shows the fields of a resource to everybody.
    """

    url: str
    storage_options: dict[str, str] | None = None  # of a Delta connection
    name: str | None = None  # only shown; the key of the resource decides


def declared_resources(connections: Iterable[Connection]) -> dict[str, EmatixConnection]:
    """A resource for each declared connection, under its name, with its reference for a url."""
    return {connection.name: declared_resource(connection) for connection in connections}


def declared_resource(connection: Connection) -> EmatixConnection:
    """The resource that shows a declared connection, a literal password hidden."""
    return EmatixConnection(name=connection.name, url=connection.reference)


def check_resources(resources: Mapping[str, Any], connections: Mapping[str, Connection]) -> None:
    """Refuse what cannot stand in for a connection.

    Raises:
        dg.DagsterInvalidDefinitionError: a resource under a connection's name is none, or shows a secret.
    """
    for name in sorted(resources.keys() & connections.keys()):
        resource = resources[name]
        if isinstance(resource, EmatixConnection):
            _check_secrets(name, resource, connections[name])
        elif isinstance(resource, dg.ConfigurableResource):
            raise dg.DagsterInvalidDefinitionError(
                f"resource '{name}' is a {type(resource).__name__}, and a connection is called '{name}' too, whose "
                "place only an EmatixConnection can take; rename one of them, or write "
                f"resources={{'{name}': EmatixConnection(url=…)}}"
            )


def connection_names(job: ResolvedJob) -> frozenset[str]:
    """The connections that a job uses, which are also the keys of the resources that it needs."""
    return frozenset(connection.name for connection in _connections(job))


def connections_for_run(job: ResolvedJob, resources: Mapping[str, object]) -> dict[str, Connection]:
    """The job's connections by name, as the resources of a run say.

    Raises:
        dg.DagsterInvalidDefinitionError: a resource turns out to be no EmatixConnection.
    """
    return {
        connection.name: _as_the_resource_says(connection, resources[connection.name])
        for connection in _connections(job)
    }


def _connections(job: ResolvedJob) -> list[Connection]:
    source = [job.source] if job.source else []
    return [*source, *(target.connection for target in job.targets)]


def _as_the_resource_says(declared: Connection, resource: object) -> Connection:
    if not isinstance(resource, EmatixConnection):
        raise dg.DagsterInvalidDefinitionError(
            f"resource '{declared.name}' gave a {type(resource).__name__}; a connection of that name needs an "
            "EmatixConnection"
        )
    if resource == declared_resource(declared):  # its url may be masked: the declared one is the one to open
        return declared
    return _replaced(declared, resource)


def _replaced(declared: Connection, resource: EmatixConnection) -> Connection:
    url = _as_reference(resource.url)
    match declared:
        case PostgresConnection():
            return replace(declared, url=url)
        case DeltaConnection() if resource.storage_options is None:
            return replace(declared, url=url)
        case DeltaConnection():
            options = tuple((key, _as_reference(value)) for key, value in resource.storage_options.items())
            return replace(declared, url=url, storage_options=options)
        case _:
            assert_never(declared)


def _as_reference(text: str) -> str:
    """While definitions load, an EnvVar still stands for the name of its variable."""
    return f"${{{text.env_var_name}}}" if isinstance(text, dg.EnvVar) else text


def _check_secrets(name: str, resource: EmatixConnection, declared: Connection) -> None:
    for field, variable in literal_secrets(_replaced(declared, resource)):
        raise dg.DagsterInvalidDefinitionError(
            f"resource '{name}', {field}: holds a secret in plain text, which Dagster would show to everybody; put "
            f"it into an environment variable and refer to it, as in ${{{variable}}}"
        )
