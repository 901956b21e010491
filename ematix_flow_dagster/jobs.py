"""Dagster jobs over the assets of a project, resolved one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg


def asset_job(
    name: str,
    assets: Sequence[dg.AssetsDefinition],
    *,
    resources: Mapping[str, Any],
    tags: Mapping[str, str],
    description: str | None = None,
) -> dg.JobDefinition:
    """A job that materializes all of `assets`, in the order of their dependencies.

    It is resolved here, by definitions that are thrown away, because Dagster resolves the jobs of one `Definitions`
    in a time that grows with the square of their number. The executor and the loggers of the code location still
    reach it.
    """
    job = dg.define_asset_job(
        name,
        selection=dg.AssetSelection.assets(*assets),
        tags=tags,
        description=description,
        # A process for its only step would add five seconds to each run and nothing else.
        executor_def=dg.in_process_executor if len(assets) == 1 else None,
    )
    return dg.Definitions(assets=assets, jobs=[job], resources=resources).resolve_job_def(name)
