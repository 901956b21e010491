"""Declaring: what users write becomes frozen values, in a `Project`."""

from ematix_flow.project.classes import connection_of, table_of
from ematix_flow.project.connections import LiteralPasswordWarning, literal_secrets
from ematix_flow.project.declare import Project
from ematix_flow.project.targets import Target

__all__ = [
    "LiteralPasswordWarning",
    "Project",
    "Target",
    "connection_of",
    "ematix",
    "literal_secrets",
    "table_of",
]

ematix = Project()
"""The ready-made project, which `plan_job`, `run_job` and `build_definitions` use unless told otherwise."""
