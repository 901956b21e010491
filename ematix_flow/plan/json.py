"""A plan as JSON: for a gate that looks for more than an exit code, and for a diff between two plans. Pure."""

from __future__ import annotations

import dataclasses
import enum
from datetime import datetime, timedelta
from typing import Any

from ematix_flow.plan.values import JobPlan
from ematix_flow.spec import Origin
from ematix_flow.types import Decimal, Foreign, ListOf, Scalar, Varchar


def plan_as_json(plan: JobPlan) -> dict[str, Any]:
    """The plan as dicts, lists, strings, numbers, booleans and None.

    Every value is an object of its fields, and `kind` names its class, which tells alternatives apart: the kinds of
    window, action, path, step and mode. Column types are spelled as users write them, times in ISO 8601, spans of time
    in seconds. Where a declaration stands in a file is left out.
    """
    return _fields(plan)


def _fields(value: Any) -> dict[str, Any]:
    found = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    kept = {name: _plain(each) for name, each in found.items() if not isinstance(each, Origin)}
    return {"kind": type(value).__name__, **kept}


def _plain(value: Any) -> Any:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Scalar() | Varchar() | Decimal() | ListOf() | Foreign():
            return str(value)
        case enum.Enum():
            return value.value
        case datetime():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case tuple():
            return [_plain(each) for each in value]
        case _:
            return _fields(value)
