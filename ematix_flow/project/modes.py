"""The words for how a target is loaded, and by which key, become a `LoadMode` with its keys resolved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from ematix_flow.problems import Report, suggestion
from ematix_flow.spec import Append, LoadMode, Table, Truncate

_MODES: dict[str, type[LoadMode]] = {"append": Append, "truncate": Truncate}
_PLANNED = ("merge", "scd1", "scd2")

Keys: TypeAlias = str | Sequence[str]


def parse_mode(written: object, *, field: str, report: Report) -> LoadMode | None:
    """The mode that a word or a mode object means; its keys are still those that were written."""
    match written:
        case Append() | Truncate():
            return written
        case str() if written in _MODES:
            return _MODES[written]()
        case str() if written in _PLANNED:
            report.add(
                f"mode '{written}' is not available yet (planned); use 'append' or 'truncate'", field=field
            )
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
    return type(mode)(keys=chosen)


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
