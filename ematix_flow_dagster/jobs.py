"""Dagster jobs over the assets of a project, resolved one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What of the code location a job needs besides its assets."""

    resources: Mapping[str, Any]
    executor: dg.ExecutorDefinition | dg.Executor | None = None
    loggers: Mapping[str, dg.LoggerDefinition] | None = None


def asset_job(
    name: str,
    assets: Sequence[dg.AssetsDefinition],
    surroundings: Surroundings,
    *,
    tags: Mapping[str, str],
    description: str | None = None,
) -> dg.JobDefinition:
    """A job that materializes all of `assets`, in the order of their dependencies.

    It is resolved here, by definitions that are thrown away, because Dagster resolves the jobs of one `Definitions`
    in a time that grows with the square of their number.
    """
    job = dg.define_asset_job(
        name,
        selection=dg.AssetSelection.assets(*assets),
        tags=tags,
        description=description,
        # A process for its only step would add five seconds to each run and nothing else.
        executor_def=dg.in_process_executor if len(assets) == 1 else None,
    )
    definitions = dg.Definitions(
        assets=assets,
        jobs=[job],
        resources=surroundings.resources,
        executor=surroundings.executor,
        loggers=surroundings.loggers,
    )
    return definitions.resolve_job_def(name)
