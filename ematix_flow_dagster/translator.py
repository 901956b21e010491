"""How tables become Dagster assets: one method to override."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, assert_never

import dagster as dg

from ematix_flow import Connection, DeltaConnection, JobTarget, PostgresConnection, ResolvedJob
from ematix_flow_dagster.metadata import definition_metadata


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetData:
    """A table that a job loads. `workflow` names the first workflow that the job is in."""

    job: ResolvedJob
    target: JobTarget
    workflow: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceData:
    """A table that a job reads and no job of the project loads.

    `connection` is None where the job is a generator without a source connection, which says with `sources=`
    what it reads.
    """

    connection: Connection | None
    schema: str
    table: str


AssetData: TypeAlias = TargetData | SourceData


class EmatixTranslator:
    """Says which asset a table is. Override `get_asset_spec`, and change what it returns:

        class Translator(EmatixTranslator):
            def get_asset_spec(self, data):
                spec = super().get_asset_spec(data)
                if isinstance(data, SourceData) and data.schema == "dbt":
                    return spec.replace_attributes(key=["dbt", data.table])
                return spec

    The dependencies are added to the returned spec afterwards, since they follow from the keys.
    """

    def get_asset_spec(self, data: AssetData) -> dg.AssetSpec:
        """The asset that a table is; its key is `[connection, schema, table]` unless you say otherwise."""
        match data:
            case TargetData():
                return _target_spec(data)
            case SourceData():
                return _source_spec(data)
            case _:
                assert_never(data)


def _target_spec(data: TargetData) -> dg.AssetSpec:
    job, target = data.job.job, data.target
    told = [text for text in (target.table.comment, job.description) if text]
    return dg.AssetSpec(
        key=[target.connection.name, target.table.schema, target.table.name],
        kinds={_kind(target.connection), "table"},
        group_name=job.group or data.workflow or "default",
        description="\n\n".join(dict.fromkeys(told)) or None,
        owners=job.owners,
        tags={**dict(job.tags), "ematix/job": job.name},
        metadata=definition_metadata(target),
        code_version=_code_version(data),
    )


def _source_spec(data: SourceData) -> dg.AssetSpec:
    connection = data.connection
    return dg.AssetSpec(
        key=[*([connection.name] if connection else []), data.schema, data.table],
        kinds={_kind(connection), "table"} if connection else {"table"},
        group_name="sources",
        metadata={"dagster/table_name": f"{data.schema}.{data.table}"},
    )


def _kind(connection: Connection) -> str:
    """The kind under which Dagster has an icon."""
    match connection:
        case PostgresConnection():
            return "postgres"
        case DeltaConnection():
            return "deltalake"
        case _:
            assert_never(connection)


# --- code version ------------------------------------------------------------------------------------


def _code_version(data: TargetData) -> str:
    """A hash of the declaration and of the body's source text, never of the SQL: a date in it changes daily."""
    job = data.job.job
    declared = (data.target.table, data.target.mode, job.increment, job.source, _source_text(job.body))
    return hashlib.sha256(repr(declared).encode()).hexdigest()[:16]


def _source_text(body: Callable[..., Any]) -> str:
    try:
        return inspect.getsource(body)
    except (OSError, TypeError):  # no file (an interactive line), or no function: its name has to do
        return getattr(body, "__qualname__", type(body).__qualname__)
