"""Running a job: the only choreography of source, plan and targets."""

from __future__ import annotations

from ematix_flow.run.jobs import iter_job, plan_job, run_job

__all__ = ["iter_job", "plan_job", "run_job"]
