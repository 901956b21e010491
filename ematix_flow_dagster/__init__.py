"""ematix-flow in Dagster: a project of declarations as a code location."""

from ematix_flow import LineageWarning
from ematix_flow_dagster.assets import LoadConfig
from ematix_flow_dagster.definitions import build_definitions
from ematix_flow_dagster.resources import EmatixConnection
from ematix_flow_dagster.translator import AssetData, EmatixTranslator, SourceData, TargetData

__all__ = [
    "AssetData",
    "EmatixConnection",
    "EmatixTranslator",
    "LineageWarning",
    "LoadConfig",
    "SourceData",
    "TargetData",
    "build_definitions",
]
