"""A job as one Dagster step that loads any of its targets, each an asset of its own.

Without `from __future__ import annotations`: Dagster wants the annotations of a step's parameters as objects.
"""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

import dagster as dg
from pydantic import Field

from ematix_flow import Connection, EmatixError, JobTarget, Project, TargetResult, count_rows, iter_job
from ematix_flow_dagster.metadata import load_metadata
from ematix_flow_dagster.resources import connection_names, connections_for_run
from ematix_flow_dagster.specs import JobSpecs
from ematix_flow_dagster.story import Story


class LoadConfig(dg.Config):
    """What the launchpad can ask of one run."""

    full_refresh: bool = Field(False, description="Read the whole source, as if no watermark were stored.")


@dataclass(frozen=True, slots=True)
class _Rows:
    """Counts the rows of tables, through the connections of one run."""

    connections: Mapping[str, Connection]
    log: logging.Logger

    def held_by(self, target: JobTarget) -> int | None:
        """How many rows a table holds, or None where that is not to be known. The load has committed all the same."""
        try:
            return count_rows(self.connections[target.connection.name], target.table)
        except EmatixError as error:
            self.log.warning(f"{target.label}: loaded, but its rows could not be counted. {error}")
            return None


def job_assets(planned: JobSpecs, project: Project) -> dg.AssetsDefinition:
    """The step that loads a job's targets, called like the job; a run may select any of them."""
    name = planned.job.job.name

    @dg.multi_asset(
        name=name,
        specs=list(planned.specs.values()),
        can_subset=True,
        pool=f"ematix_{name}",
        op_tags={"ematix/job": name},
        required_resource_keys=connection_names(planned.job),
        description=planned.job.job.description,
    )
    def load(context: dg.AssetExecutionContext, config: LoadConfig) -> Iterator[dg.MaterializeResult[None]]:
        yield from _load(context, config, planned, project)

    return load


def _load(
    context: dg.AssetExecutionContext, config: LoadConfig, planned: JobSpecs, project: Project
) -> Iterator[dg.MaterializeResult[None]]:
    """Run the job for the selected assets; each is materialized as soon as it has committed.

    Raises:
        dg.Failure: a target failed, or the source did; the other targets have committed.
    """
    job = planned.job
    resources = {name: getattr(context.resources, name) for name in connection_names(job)}
    connections = connections_for_run(job, resources)
    story = Story(context.log, clock=time.monotonic)
    results: list[TargetResult] = []
    events = iter_job(
        job.job,
        project=project,
        targets=planned.labels_of(context.selected_asset_keys),
        full_refresh=config.full_refresh,
        connections=connections,
    )
    try:
        with closing(events):  # a cancelled run stops the load at once, not when the generator is collected
            for event in events:
                story.tell(event)
                if isinstance(event, TargetResult):
                    results.append(event)
                    yield from _materialized(event, planned, _Rows(connections, context.log))
    except EmatixError as error:
        raise dg.Failure(str(error)) from error
    _raise_if_failed(job.job.name, results)


def _materialized(
    result: TargetResult, planned: JobSpecs, rows: _Rows
) -> Iterator[dg.MaterializeResult[None]]:
    """The event of a target that committed; none for one that failed."""
    if result.error is None and result.plan is not None:
        target = next(target for target in planned.job.targets if target.label == result.label)
        yield dg.MaterializeResult(
            asset_key=planned.specs[result.label].key,
            metadata=load_metadata(result, result.plan, target.connection, rows.held_by(target)),
        )


def _raise_if_failed(job: str, results: Sequence[TargetResult]) -> None:
    failed = [result for result in results if result.error is not None]
    if failed:
        told = "; ".join(str(result.error) for result in failed)
        raise dg.Failure(
            f"{len(failed)} of {len(results)} targets of job '{job}' failed: {told}",
            metadata={result.label: str(result.error or "committed") for result in results},
        ) from failed[0].error
