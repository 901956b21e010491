"""The words for how a target is loaded, and by which key, become a `LoadMode` with its keys resolved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias, assert_never

from ematix_flow.history import added_columns
from ematix_flow.problems import Report, suggestion
from ematix_flow.spec import Append, Deletes, LoadMode, Merge, Scd2, Table, Truncate, mode_name
from ematix_flow.types import Scalar

_MODES: dict[str, type[LoadMode]] = {
    "append": Append,
    "truncate": Truncate,
    "merge": Merge,
    "scd1": Merge,
    "scd2": Scd2,
}

Keys: TypeAlias = str | Sequence[str]


def parse_mode(written: object, *, field: str, report: Report) -> LoadMode | None:
    """The mode that a word or a mode object means; its keys are still those that were written."""
    match written:
        case Append() | Truncate() | Merge() | Scd2():
            return _as_declared(written, field=field, report=report)
        case str() if written in _MODES:
            return _MODES[written]()
        case type() if written in _MODES.values():
            report.add(f"write {written.__name__}(), with parentheses", field=field)
        case _:
            report.add(f"there is no mode {written!r}; {suggestion(str(written), _MODES)}", field=field)
    return None


def with_keys(mode: LoadMode, keys: Keys | None, table: Table, report: Report) -> LoadMode:
    """`mode` with the keys that identify a row of `table`.

    They are those of the mode object, else `keys`, else the table's first natural key, else its primary key.
    """
    if mode.keys and keys is not None:
        report.add("keys are given twice, here and in the mode; leave one out", field="keys")
    written = _as_names(mode.keys or keys, report)
    chosen = written or _keys_of(table)
    for name in chosen:
        _check_key(name, table, report)
    resolved = replace(mode, keys=chosen)
    if isinstance(resolved, Merge | Scd2):
        _check_keyed(resolved, table, report)
    return resolved


def _as_declared(mode: LoadMode, *, field: str, report: Report) -> LoadMode:
    """A mode object with the words that users may write in it turned into values."""
    match mode:
        case Append() | Truncate():
            return replace(mode, keys=_columns(mode.keys))
        case Merge():
            deletes = _deletes(mode.deletes, tuple(Deletes), field, report)
            return replace(mode, keys=_columns(mode.keys), update=_columns(mode.update), deletes=deletes)
        case Scd2():
            deletes = _deletes(mode.deletes, (Deletes.SOFT,), field, report)
            return replace(mode, keys=_columns(mode.keys), compare=_columns(mode.compare), deletes=deletes)
        case _:
            assert_never(mode)


def _columns(names: Keys) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _deletes(written: object, allowed: tuple[Deletes, ...], field: str, report: Report) -> Deletes | None:
    for each in allowed:
        if written in (each, each.value):
            return each
    if written is not None:
        words = ", ".join(repr(each.value) for each in allowed)
        report.add(f"deletes={written!r}: it is {words} or None", field=field)
    return None


def _check_keyed(mode: Merge | Scd2, table: Table, report: Report) -> None:
    name = mode_name(mode)
    if not mode.keys:
        report.add(f"{name} needs keys; give keys=(...) or mark a column pk()", field="keys")
    for added in added_columns(mode):
        if table.column(added):
            report.add(
                f"{name} adds the column '{added}', which table {table.full_name} declares; rename it",
                field="mode",
            )
    named = mode.update if isinstance(mode, Merge) else mode.compare
    for column in named:
        if table.column(column) is None or column in mode.keys:
            known = [each.name for each in table.columns if each.name not in mode.keys]
            report.add(
                f"{column!r} is no column of table {table.full_name} beside the keys; {suggestion(str(column), known)}",
                field="mode",
            )
    if isinstance(mode, Scd2) and mode.valid_from is not None:
        _check_instant(mode.valid_from, table, report)


def _check_instant(name: str, table: Table, report: Report) -> None:
    column = table.column(name)
    if column is None or column.nullable or column.type is not Scalar.TIMESTAMPTZ:
        report.add(
            f"valid_from={name!r}: it names a column that is TimestampTZ and not null, which says since when a row "
            "holds",
            field="mode",
        )


def _as_names(keys: Keys | None, report: Report) -> tuple[str, ...]:
    if keys is None:
        return ()
    names = (keys,) if isinstance(keys, str) else tuple(keys)
    if not names:
        report.add("is empty; name columns, or leave it out to use the table's own key", field="keys")
    for name in sorted({str(name) for name in names if names.count(name) > 1}):
        report.add(f"names column '{name}' twice; leave one out", field="keys")
    return tuple(dict.fromkeys(names))


def _keys_of(table: Table) -> tuple[str, ...]:
    return table.unique_keys[0].columns if table.unique_keys else table.primary_key


def _check_key(name: str, table: Table, report: Report) -> None:
    column = table.column(name)
    if column is None:
        known = [column.name for column in table.columns]
        report.add(
            f"table {table.full_name} has no column {name!r}; {suggestion(str(name), known)}", field="keys"
        )
    elif column.nullable:
        report.add(
            f"column '{name}' of table {table.full_name} may be NULL, and a key may not; take its `| None` away, "
            "or choose other keys",
            field="keys",
        )
