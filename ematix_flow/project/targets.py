"""The words for a job's targets: which tables, in which connections, in which modes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, TypeAlias

from ematix_flow import spec
from ematix_flow.problems import Report, suggestion
from ematix_flow.project.classes import declared_connection, declared_table
from ematix_flow.project.modes import Keys, parse_mode, with_keys
from ematix_flow.spec import LoadMode, Table

ConnectionName: TypeAlias = str | type[Any]  # a connection's name, or the class that declares it
TargetConnection: TypeAlias = ConnectionName | Mapping[str, ConnectionName]


@dataclass(frozen=True, slots=True)
class Target:
    """A target of its own connection or mode: `Target(Events, connection="lake", mode="truncate")`.

    What is left out is taken from the job: its `target_connection` and its `mode`.
    """

    table: type[Any]
    _: KW_ONLY
    connection: ConnectionName | None = None
    mode: str | LoadMode | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetWords:
    """What a job says of its targets, as written."""

    target: type[Any] | Target | None
    targets: Sequence[type[Any] | Target] | None
    target_connection: TargetConnection | None
    mode: str | LoadMode
    keys: Keys | None


def parse_targets(words: TargetWords, report: Report) -> tuple[spec.Target, ...]:
    """The targets that a job means; without those in which `report` notes a mistake."""
    field = "target" if words.targets is None else "targets"
    pairs = _tables(_elements(words, report), field, report)
    job_mode = parse_mode(words.mode, field="mode", report=report)
    connections = _connections(pairs, words.target_connection, report)
    parsed = []
    for (target, table), connection in zip(pairs, connections, strict=True):
        mode = job_mode if target.mode is None else parse_mode(target.mode, field="targets", report=report)
        if mode is not None:
            mode = with_keys(mode, words.keys, table, report)
            parsed.append(spec.Target(table=table, connection=connection, mode=mode))
    return tuple(parsed)


# --- tables ------------------------------------------------------------------------------------------

_ResolvedTable: TypeAlias = tuple[Target, Table]


def _elements(words: TargetWords, report: Report) -> list[object]:
    match words.target, words.targets:
        case None, None:
            report.add("is missing; give target=, or targets= for several", field="target")
        case None, Sequence() as targets if not isinstance(targets, str):
            if not targets:
                report.add("is empty; name at least one table", field="targets")
            return list(targets)
        case None, _:
            report.add("is no list; write targets=[…], or target= for one table", field="targets")
        case _, None:
            return [words.target]
        case _:
            report.add("is given together with targets=; leave one out", field="target")
    return []


def _tables(elements: list[object], field: str, report: Report) -> list[_ResolvedTable]:
    found = []
    for element in elements:
        target = element if isinstance(element, Target) else Target(element)  # type: ignore[arg-type]  # judged next
        table = declared_table(target.table)
        if table is None:
            report.add(_objection_to_table(target.table), field=field)
        else:
            found.append((target, table))
    return found


def _objection_to_table(written: object) -> str:
    if isinstance(written, type):
        return f"class {written.__name__} is no table; decorate it with @ematix.table"
    if isinstance(written, Sequence) and not isinstance(written, str):
        return "takes one table; for several write targets=[…]"
    return f"{written!r} is no table; give the class that is decorated with @ematix.table"


# --- connections -------------------------------------------------------------------------------------


def connection_name(written: object, *, field: str, report: Report) -> str | None:
    """The name that a name or a connection class gives; None after reporting that it is neither."""
    if isinstance(written, str):
        return written
    if (connection := declared_connection(written)) is not None:
        return connection.name
    if isinstance(written, type):
        report.add(
            f"class {written.__name__} is no connection; decorate it with @ematix.connection", field=field
        )
    else:
        report.add(f"{written!r} is no connection; give its name or its class", field=field)
    return None


def _connections(
    pairs: list[_ResolvedTable], written: TargetConnection | None, report: Report
) -> list[str | None]:
    """For each target the name of its connection; None means the project's only one."""
    undecided = [table for target, table in pairs if target.connection is None]
    match written:
        case None:
            names: dict[str, str | None] = {}
        case Mapping():
            names = _names_by_table(undecided, written, report)
        case _:
            one = connection_name(written, field="target_connection", report=report)
            names = {table.full_name: one for table in undecided}
    return [
        names.get(table.full_name)
        if target.connection is None
        else connection_name(target.connection, field="targets", report=report)
        for target, table in pairs
    ]


def _names_by_table(
    tables: list[Table], written: Mapping[str, ConnectionName], report: Report
) -> dict[str, str | None]:
    """The connection of each table, by its full name, from a dict keyed by short or full names."""
    field = "target_connection"
    full_names = sorted({table.full_name for table in tables})
    names: dict[str, str | None] = {}
    mentioned: set[str] = set()
    for key, connection in written.items():
        meant = sorted({table.full_name for table in tables if key in (table.name, table.full_name)})
        mentioned.update(meant)
        match meant:
            case []:
                report.add(
                    f"names {key!r}, which is no target that needs a connection; {suggestion(str(key), full_names)}",
                    field=field,
                )
            case [table] if table in names:
                report.add(f"names table {table} twice; leave one out", field=field)
            case [table]:
                names[table] = connection_name(connection, field=field, report=report)
            case _:
                report.add(f"{key!r} may be {' or '.join(meant)}; write the full name", field=field)
    for table in full_names:
        if table not in mentioned:
            report.add(f"misses table {table}; add it", field=field)
    return names
