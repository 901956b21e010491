"""The shop as a Dagster code location."""

from ematix_flow_dagster import build_definitions
from example_project import jobs

defs = build_definitions(modules=[jobs])
