"""An annotated class body becomes a frozen `Table` (pure: it reads the class, and nothing else).

Annotations are read as Python's typing module reads them: string annotations (also all of them, under
`from __future__ import annotations`) are evaluated in the module that holds the class, and in the function that does.
"""

from __future__ import annotations

import datetime
import decimal
import inspect
import re
import sys
import types
import typing
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Union

from ematix_flow.markers import MARKERS, Comment, Default, NaturalKey, PrimaryKey, objection_to_default
from ematix_flow.problems import Report
from ematix_flow.spec import Column, Origin, Table, UniqueKey
from ematix_flow.types import ColumnType, DataType, Scalar

# PostgreSQL manual, "Identifiers and Key Words": a longer name is cut to 63 bytes, silently.
MAX_NAME_BYTES = 63

# --- names -------------------------------------------------------------------------------------------


def snake_case(name: str) -> str:
    """The table name that a class name means: CustomerDim → customer_dim, HTTPServer → http_server, SKUs → skus."""
    return "".join(
        f"_{letter}" if _starts_word(name, at) else letter for at, letter in enumerate(name)
    ).lower()


def _starts_word(name: str, at: int) -> bool:
    """Whether a capital follows a small letter or digit, or ends a run of capitals as the next word's first."""
    if at == 0 or not name[at].isupper():
        return False
    before, after = name[at - 1], name[at + 1 :]
    plural = after[:1] == "s" and not after[1:2].islower()  # the s of SKUs belongs to its capitals
    return before.islower() or before.isdigit() or (before.isupper() and after[:1].islower() and not plural)


# PostgreSQL quotes any name; the folders of a Delta table cannot be called everything.
_INNER = r"[^/\\\x00-\x1f\x7f]"
_NAME = re.compile(rf"(?!\s){_INNER}+(?<!\s)")


def check_name(name: str, *, field: str, report: Report) -> None:
    """Report a schema, table or column name that a database or a folder's name cannot carry."""
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name in (".", ".."):
        report.add(
            f"{name!r} is not a usable name; it may hold anything but '/', '\\', control characters and blanks at its "
            "ends",
            field=field,
        )
    elif len(name.encode()) > MAX_NAME_BYTES:
        report.add(
            f"'{name}' has {len(name.encode())} bytes, and PostgreSQL would cut it to {MAX_NAME_BYTES}; shorten it",
            field=field,
        )


# --- the table ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The names that a declaration sees: of its module, and of the function or class around it."""

    globals: Mapping[str, Any]
    locals: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableNames:
    """How a table is called, and described."""

    schema: str
    name: str
    comment: str | None


def table_from_class(cls: type, names: TableNames, *, origin: Origin, scope: Scope, report: Report) -> Table:
    """The table that an annotated class declares; every mistake is noted in `report`.

    Columns come in the order in which they are annotated, those of base classes first. The class's own docstring
    is the table's comment unless `names` gives one.
    """
    check_name(names.schema, field="schema", report=report)
    check_name(names.name, field="name", report=report)
    readings, columns = [], []
    for reading in _readings(cls, scope, report):
        readings.append(reading)
        columns.append(reading.column(report))
    if not readings:
        report.add("has no columns; annotate at least one, as in `event_id: Annotated[BigInt, pk()]`")
    _check_unannotated(cls, report)
    return Table(
        schema=names.schema,
        name=names.name,
        columns=tuple(column for column in columns if column is not None),
        unique_keys=_unique_keys(readings),
        comment=names.comment or inspect.cleandoc(cls.__doc__ or "") or None,
        origin=origin,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """One annotation, taken apart. `type` is None where it was reported that there is none."""

    name: str
    type: DataType | None
    nullable: bool = False
    markers: tuple[Any, ...] = ()

    def column(self, report: Report) -> Column | None:
        field = f"column '{self.name}'"
        check_name(self.name, field=field, report=report)
        for marker in self.markers:
            if isinstance(marker, types.FunctionType) and marker in MARKERS:
                report.add(f"write {marker.__name__}(), with parentheses", field=field)
        is_key = any(isinstance(marker, PrimaryKey) for marker in self.markers)
        if is_key and self.nullable:
            report.add("is part of the primary key and cannot be NULL; take `| None` away", field=field)
        comments = [marker.text for marker in self.markers if isinstance(marker, Comment)]
        if self.type is None:
            return None
        defaults = [marker.value for marker in self.markers if isinstance(marker, Default)]
        for value in defaults:
            if objection := objection_to_default(value, self.type, nullable=self.nullable):
                report.add(objection, field=field)
        return Column(
            name=self.name,
            type=self.type,
            nullable=self.nullable,
            primary_key=is_key,
            comment=comments[-1] if comments else None,
            default=defaults[-1] if defaults else None,
        )


def _unique_keys(readings: list[_Reading]) -> tuple[UniqueKey, ...]:
    groups: dict[str, list[str]] = {}
    for reading in readings:
        for marker in reading.markers:
            if isinstance(marker, NaturalKey):
                groups.setdefault(marker.group, []).append(reading.name)
    return tuple(UniqueKey(name=name, columns=tuple(columns)) for name, columns in groups.items())


# --- annotations -------------------------------------------------------------------------------------


def _readings(cls: type, scope: Scope, report: Report) -> Iterator[_Reading]:
    for name, (base, annotation) in _annotations(cls).items():
        field = f"column '{name}'"
        module = sys.modules.get(base.__module__)
        in_module = scope.globals if base.__module__ == cls.__module__ or module is None else vars(module)
        try:
            evaluated = _evaluate(annotation, in_module, scope.locals)
        except (NameError, SyntaxError, TypeError, AttributeError) as error:
            report.add(_objection_to(annotation, error), field=field)
            yield _Reading(name=name, type=None)
            continue
        if typing.get_origin(evaluated) is ClassVar or evaluated is ClassVar:
            continue
        if name in vars(base):
            report.add("has a value, and a column takes none; take `= …` away", field=field)
        annotated, nullable, markers = _unfold(evaluated)
        type_ = _data_type(annotated, field=field, report=report)
        yield _Reading(name=name, type=type_, nullable=nullable, markers=markers)


def _annotations(cls: type) -> dict[str, tuple[type, Any]]:
    """Each annotated name with the class whose word on it counts, the columns of base classes first."""
    found: dict[str, tuple[type, Any]] = {}
    for base in reversed(cls.__mro__):
        found |= {name: (base, annotation) for name, annotation in inspect.get_annotations(base).items()}
    return found


def _evaluate(annotation: Any, in_module: Mapping[str, Any], in_function: Mapping[str, Any]) -> Any:
    # get_type_hints evaluates nested strings too (Optional["Text"]), and names the class it is asked about in no
    # message; a class of its own for each annotation lets each mistake be reported for itself. The copy matters:
    # with one mapping for both scopes, typing would reuse what "Text" meant in another module.
    probe = type("probe", (), {"__annotations__": {"column": annotation}})
    hints = typing.get_type_hints(probe, dict(in_module), dict(in_function), include_extras=True)
    return hints["column"]


def _objection_to(annotation: Any, error: Exception) -> str:
    match error:
        case NameError(name=str(name)):
            return f"{name} is not defined here; import it, and not only for type checkers"
        case SyntaxError():
            return f"its annotation {annotation!r} is no Python expression; correct it"
        case _:
            return f"its annotation {annotation!r} cannot be read: {error}"


def _unfold(annotation: Any) -> tuple[Any, bool, tuple[Any, ...]]:
    """(the type itself, whether `| None` stands anywhere around it, the markers)."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        type_, nullable, markers = _unfold(arguments[0])
        return type_, nullable, (*markers, *arguments[1:])
    if origin in (Union, types.UnionType):
        others = [argument for argument in arguments if argument is not types.NoneType]
        if len(others) == 1:
            type_, _, markers = _unfold(others[0])
            return type_, True, markers
    return annotation, False, ()


# --- types -------------------------------------------------------------------------------------------

_INSTEAD_OF: dict[type, str] = {
    int: "SmallInt, Integer or BigInt",
    float: "Double or Float",
    decimal.Decimal: "Numeric[12, 2]",
    str: "Text or String[256]",
    bytes: "Bytes",
    bool: "Boolean",
    datetime.datetime: "TimestampTZ or Timestamp",
    datetime.date: "Date",
    datetime.time: "Time",
    datetime.timedelta: "Interval",
    uuid.UUID: "UUID",
    dict: "JSONB or JSON",
    list: "Array[Text], or whatever the element is",
    tuple: "Array[Text], or whatever the element is",
}
_TYPES = f"{ColumnType.__module__}."
_NEEDS_MORE = {
    "String": "String needs its length, as in String[256]; text of any length is Text",
    "Array": "Array needs its element, as in Array[Text]",
}
_NO_TYPE_ITSELF = "ColumnType is only a base; write Text, BigInt or another of its subclasses"


def _data_type(annotation: Any, *, field: str, report: Report) -> DataType | None:
    """The frozen type that an annotation name stands for; None after reporting that it stands for none."""
    if isinstance(annotation, type) and issubclass(annotation, ColumnType):
        value: DataType | None = getattr(annotation, "value", None)
        if value is None:
            report.add(_NEEDS_MORE.get(annotation.__name__, _NO_TYPE_ITSELF), field=field)
        return value
    shown = annotation.__name__ if isinstance(annotation, type) else str(annotation).replace(_TYPES, "")
    generic = typing.get_origin(annotation) or annotation
    instead = _INSTEAD_OF.get(generic) if isinstance(generic, type) else None
    if instead is None:
        instead = f"one of {', '.join(sorted(str(scalar) for scalar in Scalar))}, String[n], Numeric[p, s], Array[T]"
    report.add(f"{shown} is no column type; write {instead} (from ematix_flow.types)", field=field)
    return None


def _check_unannotated(cls: type, report: Report) -> None:
    """Report `name = Text`, which declares nothing: a colon was meant."""
    for name, value in vars(cls).items():
        is_type = isinstance(value, type) and issubclass(value, ColumnType)
        if is_type or typing.get_origin(value) in (Annotated, Union, types.UnionType):
            report.add(f"write `{name}: …` with a colon, not `{name} = …`", field=f"column '{name}'")
