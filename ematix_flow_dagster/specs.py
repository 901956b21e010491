"""All assets of a project, with their keys and dependencies (calls the bodies of jobs, and reads nothing else)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import TypeAlias

import dagster as dg

from ematix_flow import (
    DeclarationError,
    DependencyCycleError,
    DuplicateNameError,
    Job,
    Manifest,
    Problem,
    ResolvedJob,
    SourceQueryError,
    TableName,
    tables_read,
)
from ematix_flow_dagster.translator import EmatixTranslator, SourceData, TargetData


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpecs:
    """A job and the asset of each of its targets, by the target's label."""

    job: ResolvedJob
    specs: Mapping[str, dg.AssetSpec]

    @property
    def keys(self) -> frozenset[dg.AssetKey]:
        """The keys of the job's assets."""
        return frozenset(spec.key for spec in self.specs.values())

    def labels_of(self, keys: Collection[dg.AssetKey]) -> list[str]:
        """The labels of the targets whose assets are among `keys`."""
        return [label for label, spec in self.specs.items() if spec.key in keys]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectSpecs:
    """The assets that a project's jobs load, and the tables they read that nobody in the code location makes."""

    jobs: Mapping[str, JobSpecs]
    sources: tuple[dg.AssetSpec, ...]


def project_specs(
    manifest: Manifest, translator: EmatixTranslator, existing: AbstractSet[dg.AssetKey]
) -> ProjectSpecs:
    """Translate every target and source into an asset, and connect them.

    A table that a job reads is the asset of the job that loads it from the same connection, else that of the
    translator; unless its key is among `existing`, those of the rest of the code location, it is a source.

    Raises:
        DeclarationError: two tables became one asset, or a body's SQL is no SELECT; it lists every such mistake.
        DependencyCycleError: what jobs read and load forms a ring.
    """
    targets = _target_specs(manifest, translator, existing)
    tables = _tables_read(manifest)
    producers = _producers(manifest, targets)
    read = {
        name: _read_specs(job, tables[name], producers, translator) for name, job in manifest.jobs.items()
    }
    jobs = {name: _connect(job, targets, read[name]) for name, job in manifest.jobs.items()}
    _check_rings(jobs)
    known = existing | {key for job in jobs.values() for key in job.keys}
    sources = {spec.key: spec for specs in read.values() for spec in specs if spec.key not in known}
    return ProjectSpecs(jobs=jobs, sources=tuple(sources.values()))


_SpecsByLabel: TypeAlias = Mapping[str, dg.AssetSpec]
_Place: TypeAlias = tuple[str, str, str]  # connection, schema, table


# --- what jobs load ----------------------------------------------------------------------------------


def _target_specs(
    manifest: Manifest, translator: EmatixTranslator, existing: AbstractSet[dg.AssetKey]
) -> dict[str, _SpecsByLabel]:
    """The assets of each job, by the job's name and the target's label."""
    found: dict[str, _SpecsByLabel] = {}
    owners: dict[dg.AssetKey, Job] = {}
    problems: list[Problem] = []
    for name, job in manifest.jobs.items():
        workflow = next((w.name for w in manifest.workflows.values() if name in w.jobs), None)
        specs = {
            target.label: translator.get_asset_spec(TargetData(job=job, target=target, workflow=workflow))
            for target in job.targets
        }
        for label, spec in specs.items():
            if spec.key in existing:
                problems.append(_problem(job.job, _made_elsewhere(label, spec.key)))
            elif spec.key in owners:
                problems.append(_problem(job.job, _loaded_twice(label, spec.key, owners[spec.key])))
            owners.setdefault(spec.key, job.job)
        found[name] = specs
    if problems:
        raise DuplicateNameError(problems=tuple(problems))
    return found


def _made_elsewhere(label: str, key: dg.AssetKey) -> str:
    return (
        f"its target {label} is asset {key.to_user_string()}, which the definitions it is merged with have too; "
        "take it out there, or give it another key by an EmatixTranslator"
    )


def _loaded_twice(label: str, key: dg.AssetKey, first: Job) -> str:
    return (
        f"its target {label} is asset {key.to_user_string()}, which job '{first.name}' loads "
        f"({first.origin.file}:{first.origin.line}), and in one code location an asset has one job; load the table "
        "by one job, whose query unites both, or put the jobs into two projects and two code locations"
    )


def _problem(job: Job, text: str, field: str = "target") -> Problem:
    return Problem(
        file=job.origin.file, line=job.origin.line, declaration=f"job '{job.name}'", field=field, text=text
    )


# --- what they read ----------------------------------------------------------------------------------


def _tables_read(manifest: Manifest) -> dict[str, tuple[TableName, ...]]:
    found: dict[str, tuple[TableName, ...]] = {}
    problems: list[Problem] = []
    for name, job in manifest.jobs.items():
        try:
            found[name] = tables_read(job)
        except SourceQueryError as error:
            problems.append(_problem(job.job, error.reason, field="its SQL"))
    if problems:
        raise DeclarationError(problems=tuple(problems))
    return found


def _producers(manifest: Manifest, targets: Mapping[str, _SpecsByLabel]) -> dict[_Place, dg.AssetKey]:
    return {
        (target.connection.name, target.table.schema, target.table.name): targets[name][target.label].key
        for name, job in manifest.jobs.items()
        for target in job.targets
    }


def _read_specs(
    job: ResolvedJob,
    tables: Iterable[TableName],
    producers: Mapping[_Place, dg.AssetKey],
    translator: EmatixTranslator,
) -> list[dg.AssetSpec]:
    """The assets that a job reads, whoever makes them."""
    specs = []
    for schema, table in tables:
        made = producers.get((job.source.name, schema, table)) if job.source else None
        data = SourceData(connection=job.source, schema=schema, table=table)
        specs.append(dg.AssetSpec(made) if made else translator.get_asset_spec(data))
    return specs


# --- how they hang together --------------------------------------------------------------------------


def _connect(
    job: ResolvedJob, targets: Mapping[str, _SpecsByLabel], read: Iterable[dg.AssetSpec]
) -> JobSpecs:
    """The job's assets, each depending on all that the job reads and on the assets of the jobs it waits for."""
    own = targets[job.job.name]
    upstream = (spec for name in job.upstream for spec in targets[name].values())
    keys = dict.fromkeys(spec.key for spec in (*read, *upstream))
    for spec in own.values():
        keys.pop(spec.key, None)
    return JobSpecs(job=job, specs={label: _depending(spec, keys) for label, spec in own.items()})


def _depending(spec: dg.AssetSpec, keys: Iterable[dg.AssetKey]) -> dg.AssetSpec:
    """The asset with these dependencies beside those that the translator gave it."""
    given = {dep.asset_key for dep in spec.deps}
    return spec.merge_attributes(deps=[key for key in keys if key not in given])


def _check_rings(jobs: Mapping[str, JobSpecs]) -> None:
    loaded_by = {key: name for name, job in jobs.items() for key in job.keys}
    waits_for = {
        name: {
            loaded_by[dep.asset_key]
            for spec in job.specs.values()
            for dep in spec.deps
            if dep.asset_key in loaded_by
        }
        for name, job in jobs.items()
    }
    try:
        TopologicalSorter(waits_for).prepare()
    except CycleError as error:
        ring: list[str] = error.args[1]
        text = f"jobs read what each other load, in a ring: {' → '.join(ring)}; let one of them read something else"
        raise DependencyCycleError(
            problems=(_problem(jobs[ring[0]].job.job, text, field="its SQL"),)
        ) from error
