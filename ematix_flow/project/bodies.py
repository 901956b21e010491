"""The function under `@ematix.job`, or the table that stands for it, becomes the job's body."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

from ematix_flow.problems import Report, suggestion
from ematix_flow.spec import SelectFrom, Target

Body: TypeAlias = Callable[..., Any]


class BodyWords(Protocol):
    """What of a job's words concerns its body."""

    @property
    def source_table(self) -> str | None:
        """The table to read instead of calling the function."""

    @property
    def column_map(self) -> Mapping[str, str] | None:
        """The source's names of columns that are called otherwise there."""


def body_of(words: BodyWords, body: Body, targets: tuple[Target, ...], report: Report) -> Body:
    """The body that the function, or `source_table=`, means; every mistake is noted in `report`."""
    if words.source_table is None:
        if words.column_map:
            report.add(
                "goes with source_table=; a function's SELECT names its columns itself", field="column_map"
            )
        return body
    if not _is_empty(body):
        report.add(
            "stands in the place of the function's SELECT, and the function is not empty; leave one of them out",
            field="source_table",
        )
    schema, dot, table = words.source_table.partition(".")
    if not (schema and dot and table):
        report.add(
            f"{words.source_table!r} is no schema and table; write it as in 'raw.events'",
            field="source_table",
        )
    return SelectFrom(schema=schema, table=table, columns=_columns(words.column_map or {}, targets, report))


def _columns(
    column_map: Mapping[str, str], targets: tuple[Target, ...], report: Report
) -> tuple[tuple[str, str], ...]:
    names = list(dict.fromkeys(column.name for target in targets for column in target.table.columns))
    for name in column_map:
        if name not in names:
            report.add(f"no target has a column {name!r}; {suggestion(name, names)}", field="column_map")
    return tuple((name, column_map.get(name, name)) for name in names)


def _is_empty(body: Body) -> bool:
    """Whether a function does nothing: it names nothing, and its constants are its docstring and None."""
    code = getattr(body, "__code__", None)
    if code is None or code.co_names or inspect.isgeneratorfunction(body):
        return False
    return set(code.co_consts) <= {None, Ellipsis, getattr(body, "__doc__", None)} or not code.co_consts


def check_body(body: Body, report: Report) -> None:
    """Report a function that cannot be called as a body."""
    if inspect.iscoroutinefunction(body) or inspect.isasyncgenfunction(body):
        report.add("its function is async; write a plain `def`, which returns SQL or yields record batches")
        return
    signature = inspect.signature(body)
    if signature.parameters and not _accepts_one(signature):
        report.add(
            f"its function takes {signature}; let it take nothing, or only `conn`, the source connection"
        )


def _accepts_one(signature: inspect.Signature) -> bool:
    try:
        signature.bind("conn")
    except TypeError:
        return False
    return True
