"""The words of `@ematix.job` and the function under it become a frozen `Job`."""

from __future__ import annotations

import inspect
import keyword
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, TypeAlias, TypeVar

from ematix_flow.problems import Report
from ematix_flow.project.bodies import body_of, check_body
from ematix_flow.project.schedules import check_schedule, check_timezone
from ematix_flow.project.targets import ConnectionName, TargetWords, connection_name, parse_targets
from ematix_flow.spec import (
    Append,
    Automatic,
    Deletes,
    EveryRow,
    ExtraColumns,
    Increment,
    Incremental,
    Job,
    Merge,
    OnDrift,
    Origin,
    Scd2,
    Target,
    Truncate,
    Workflow,
)

JobName: TypeAlias = str | Job  # a job's name, or the job itself
Body: TypeAlias = Callable[..., Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobWords:
    """What `@ematix.job(…)` was called with."""

    name: str | None
    targets: TargetWords
    source_connection: ConnectionName | None
    incremental: str | Incremental | Literal[False] | None
    source_table: str | None
    column_map: Mapping[str, str] | None
    on_drift: str | OnDrift
    extra_columns: str | ExtraColumns
    previous_name: str | None
    schedule: str | None
    timezone: str
    depends_on: JobName | Sequence[JobName]
    sources: str | Sequence[str]
    description: str | None
    group: str | None
    owners: str | Sequence[str]
    tags: Mapping[str, str] | None


def job_name(words: JobWords, body: Body) -> str:
    """The name given, else that of the function."""
    return getattr(body, "__name__", "") if words.name is None else words.name


def parse_job(words: JobWords, body: Body, origin: Origin, report: Report) -> Job:
    """The job that the words and the body mean; every mistake is noted in `report`."""
    name = job_name(words, body)
    check_job_name(name, report)
    check_body(body, report)
    check_schedule(words.schedule, report)
    check_timezone(words.timezone, report)
    _check_dagster_words(words, report)
    targets = parse_targets(words.targets, report)
    source = words.source_connection
    return Job(
        name=name,
        body=body_of(words, body, targets, report),
        targets=targets,
        source=None if source is None else connection_name(source, field="source_connection", report=report),
        increment=_increment(words.incremental, targets, body, report),
        on_drift=_choice(OnDrift, words.on_drift, "on_drift", report),
        extra_columns=_choice(ExtraColumns, words.extra_columns, "extra_columns", report),
        previous_name=words.previous_name,
        schedule=words.schedule,
        timezone=words.timezone,
        depends_on=names_of(words.depends_on, field="depends_on", report=report),
        sources=_source_tables(words.sources, report),
        description=words.description or inspect.cleandoc(getattr(body, "__doc__", None) or "") or None,
        group=words.group,
        owners=_owners(words.owners, report),
        tags=tuple((words.tags or {}).items()),
        origin=origin,
    )


_Choice = TypeVar("_Choice", OnDrift, ExtraColumns)


def _choice(kind: type[_Choice], written: object, field: str, report: Report) -> _Choice:
    for each in kind:
        if written in (each, each.value):
            return each
    words = " or ".join(repr(each.value) for each in kind)
    report.add(f"{written!r} is not understood; it is {words}", field=field)
    return next(iter(kind))


# --- names -------------------------------------------------------------------------------------------

# Dagster refuses these, and Python's keywords, as names of ops and jobs.
_RESERVED = frozenset(
    [
        "context",
        "conf",
        "config",
        "meta",
        "arg_dict",
        "dict",
        "input_arg_dict",
        "output_arg_dict",
        "int",
        "str",
        "float",
        "bool",
        "input",
        "output",
        "type",
    ]
)


def check_job_name(name: object, report: Report) -> None:
    """Report a name that Dagster would refuse for an op or a job."""
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_]+", name):
        report.add(
            f"{name!r} is not a usable name; give another by name=, of letters, digits and '_'", field="name"
        )
    elif keyword.iskeyword(name) or name in _RESERVED:
        report.add(f"'{name}' is a reserved word; give another by name=", field="name")


def names_of(written: object, *, field: str, report: Report) -> tuple[str, ...]:
    """The names in a list of names, jobs and workflows, or in one of these alone."""
    found = []
    for element in _listed(written):
        match element:
            case str():
                found.append(element)
            case Job() | Workflow():
                found.append(element.name)
            case _:
                shown = element.__name__ if isinstance(element, type) else repr(element)
                text = f"{shown} is no job; give its name, or what its decorator returned"
                report.add(text, field=field)
    return tuple(dict.fromkeys(found))


def _source_tables(written: object, report: Report) -> tuple[str, ...]:
    tables = []
    for table in _listed(written):
        if isinstance(table, str) and re.fullmatch(r"[^.]+\.[^.]+", table):
            tables.append(table)
        else:
            report.add(f"{table!r} is no schema and table; write it as in 'raw.events'", field="sources")
    return tuple(tables)


def _listed(written: object) -> tuple[object, ...]:
    """The elements of a list, or what was written alone."""
    return tuple(written) if isinstance(written, Iterable) and not isinstance(written, str) else (written,)


# --- what Dagster shows ------------------------------------------------------------------------------

# As Dagster judges owners, groups and tags; found here, such a mistake names its job.
_OWNER = re.compile(r"team:.+|[\w.%+-]+@[\w.-]+\.[A-Za-z]{2,7}", re.ASCII)
_GROUP = re.compile(r"\w+(/\w+)*", re.ASCII)
_TAG = re.compile(r"([\w.-]{1,63}/)?[\w.-]{1,63}", re.ASCII)


def _check_dagster_words(words: JobWords, report: Report) -> None:
    group = words.group
    if group is not None and not (isinstance(group, str) and _GROUP.fullmatch(group)):
        report.add(f"{group!r} is no group; use letters, digits and '_'", field="group")
    for key, value in (words.tags or {}).items():
        if not (isinstance(key, str) and _TAG.fullmatch(key)):
            report.add(f"{key!r} is no tag; use up to 63 letters, digits, '_', '-' and '.'", field="tags")
        if not isinstance(value, str):
            report.add(f"the value of {key!r} is no text; write it in quotes", field="tags")


def _owners(written: object, report: Report) -> tuple[str, ...]:
    owners = []
    for owner in _listed(written):
        if isinstance(owner, str) and _OWNER.fullmatch(owner):
            owners.append(owner)
        else:
            report.add(f"{owner!r} is no owner; write an e-mail address or 'team:name'", field="owners")
    return tuple(owners)


# --- the body, and what it is asked for --------------------------------------------------------------


def _increment(written: object, targets: tuple[Target, ...], body: Body, report: Report) -> Increment:
    field = "incremental"
    match written:
        case None:
            _check_keyless_append(targets, body, report)
            return Automatic()
        case False:
            return EveryRow()
        case str(column) if column:
            increment = Incremental(column=column)
        case Incremental(column=str(column), lookback=timedelta() as lookback) if column:
            if lookback < timedelta(0):
                report.add(
                    "its lookback is negative; give how far to look back as a positive timedelta", field=field
                )
            increment = written
        case _:
            report.add(
                f"{written!r} is not understood; name a column, or False to read every row", field=field
            )
            return Automatic()
    for target in targets:
        match target.mode:
            case Truncate():
                report.add(
                    "does not go with mode 'truncate', which reads every row; leave it out", field=field
                )
            case Merge(deletes=Deletes()) | Scd2(deletes=Deletes()):
                report.add("does not go with deletes=, which reads every row; leave it out", field=field)
            case _:
                continue
    return increment


def _check_keyless_append(targets: tuple[Target, ...], body: Body, report: Report) -> None:
    """A generator decides for itself what it yields; a query would be added as a whole at every run."""
    if inspect.isgeneratorfunction(body):
        return
    for target in targets:
        if isinstance(target.mode, Append) and not target.mode.keys:
            report.add(
                f"table {target.table.full_name} has no key, so each run would add the whole source again; give "
                'incremental="column" to read only what is new, incremental=False to add everything on purpose, or '
                "mark the table's key with pk()",
                field="incremental",
            )
