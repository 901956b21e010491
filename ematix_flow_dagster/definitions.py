"""`build_definitions`: a project as one Dagster code location, alone or merged with one of your own."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

import dagster as dg

from ematix_flow import Job, Manifest, Project, Workflow, ematix
from ematix_flow_dagster.assets import job_assets
from ematix_flow_dagster.jobs import asset_job
from ematix_flow_dagster.names import check_names, dagster_job_name
from ematix_flow_dagster.resources import check_resources, declared_resources
from ematix_flow_dagster.schedules import Load, cron_schedule, follow_sensor
from ematix_flow_dagster.specs import ProjectSpecs, project_specs
from ematix_flow_dagster.translator import EmatixTranslator

_START_VARIABLE = "EMATIX_START_SCHEDULES"


def build_definitions(
    *,
    project: Project = ematix,
    modules: Sequence[ModuleType | str] | None = None,
    merge_with: dg.Definitions | None = None,
    translator: EmatixTranslator | None = None,
    resources: Mapping[str, Any] | None = None,
    start_schedules: bool = True,
) -> dg.Definitions:
    """Everything that a project declares, as Dagster definitions. Opens nothing, and needs no variable to be set.

    Args:
        project: the declarations.
        modules: modules that declare them, or their names; those are imported first.
        merge_with: definitions of your own to put together with ours. A table that an asset of yours makes is no
            source of ours, and a resource of yours under a connection's name takes its place.
        translator: says which asset a table is.
        resources: resources to use instead of those of connections, or besides them.
        start_schedules: whether schedules and sensors run without being switched on by hand; the environment
            variable EMATIX_START_SCHEDULES=0 says no as well.

    Raises:
        DeclarationError: the declarations do not fit together, or not into one code location.
        dg.DagsterInvalidDefinitionError: a name or resource of `merge_with` or `resources` is in the way.
    """
    for module in modules or ():
        if isinstance(module, str):
            importlib.import_module(module)
    manifest = project.manifest()
    theirs = merge_with or dg.Definitions()
    available = {**(resources or {}), **(theirs.resources or {})}
    check_resources(available, manifest.connections)
    check_names(manifest, theirs)
    specs = project_specs(manifest, translator or EmatixTranslator(), _asset_keys(theirs))
    declared = declared_resources(manifest.connections.values())
    assets = {name: job_assets(job, project) for name, job in specs.jobs.items()}
    loads = _loads(manifest, specs, assets, {**declared, **available})
    status = "RUNNING" if start_schedules and os.environ.get(_START_VARIABLE) != "0" else "STOPPED"
    ours = dg.Definitions(
        assets=[*assets.values(), *specs.sources],
        jobs=[load.job for load in loads.values()],
        schedules=list(_schedules(manifest, loads, dg.DefaultScheduleStatus(status))),
        sensors=list(_sensors(manifest, loads, dg.DefaultSensorStatus(status))),
        resources={
            **{name: resource for name, resource in declared.items() if name not in available},
            **(resources or {}),
        },
    )
    return dg.Definitions.merge(theirs, ours) if merge_with else ours


def _asset_keys(definitions: dg.Definitions) -> frozenset[dg.AssetKey]:
    """The keys of all assets that the definitions name, without resolving them."""
    keys: set[dg.AssetKey] = set()
    for asset in definitions.assets or ():
        match asset:
            case dg.AssetsDefinition():
                keys |= set(asset.keys)
            case dg.AssetSpec() | dg.SourceAsset():
                keys.add(asset.key)
            case _:
                raise dg.DagsterInvalidDefinitionError(
                    f"build_definitions(merge_with=…) cannot tell the keys of a {type(asset).__name__} before it is "
                    "loaded; leave it out, and use Definitions.merge on what build_definitions gives"
                )
    return frozenset(keys)


# --- jobs and what starts them -----------------------------------------------------------------------


def _loads(
    manifest: Manifest,
    specs: ProjectSpecs,
    assets: Mapping[str, dg.AssetsDefinition],
    resources: Mapping[str, Any],
) -> dict[str, Load]:
    """The Dagster job of each job and each workflow, by the name of that."""
    loads = {
        name: Load(
            name=name,
            job=asset_job(
                dagster_job_name(name),
                [assets[name]],
                resources=resources,
                tags={"ematix/job": name},
                description=planned.job.job.description,
            ),
            steps=frozenset([name]),
            keys=planned.keys,
        )
        for name, planned in specs.jobs.items()
    }
    for workflow in manifest.workflows.values():
        loads[workflow.name] = Load(
            name=workflow.name,
            job=asset_job(
                workflow.name,
                [assets[name] for name in workflow.jobs],
                resources=resources,
                tags={"ematix/workflow": workflow.name},
                description=f"Runs {', '.join(workflow.jobs)}.",
            ),
            steps=frozenset(workflow.jobs),
            keys=frozenset().union(*(specs.jobs[name].keys for name in workflow.jobs)),
        )
    return loads


def _schedules(
    manifest: Manifest, loads: Mapping[str, Load], status: dg.DefaultScheduleStatus
) -> Iterator[dg.ScheduleDefinition]:
    scheduled: list[Job | Workflow] = [resolved.job for resolved in manifest.jobs.values()]
    scheduled += manifest.workflows.values()
    for declared in scheduled:
        if declared.schedule is not None:
            yield cron_schedule(loads[declared.name], declared.schedule, declared.timezone, status)


def _sensors(
    manifest: Manifest, loads: Mapping[str, Load], status: dg.DefaultSensorStatus
) -> Iterator[dg.SensorDefinition]:
    for workflow in manifest.workflows.values():
        if workflow.triggered_by:
            followed = frozenset().union(*(loads[name].keys for name in workflow.triggered_by))
            yield follow_sensor(loads[workflow.name], followed, status)
