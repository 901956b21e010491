"""A live table as the text of the class that declares it. Pure."""

from __future__ import annotations

import json
import keyword
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ematix_flow import types
from ematix_flow.errors import DeclarationError
from ematix_flow.introspect import check_name, snake_case
from ematix_flow.problems import Problems
from ematix_flow.spec import NOWHERE, Column, Table, UniqueKey
from ematix_flow.types import DataType, Decimal, Foreign, ListOf, Scalar, Varchar

_TYPE_NAMES = frozenset(types.__all__)


def declaration(table: Table) -> str:
    """Python source that declares `table`: imports and a class; what it cannot say stands in comments.

    Declaring again what it prints gives the same table, but for those columns, for defaults, and for the origin.

    Raises:
        DeclarationError: the schema, the table or every column has a name or type that cannot be declared.
    """
    _check_names(table)
    columns = _declarable(table)
    keys, other_keys = _split_keys(table, columns)
    lines = [_Line(column=column, annotation=_annotation(column, keys)) for column in columns]
    remarks = [
        *(_remark(column, objection) for column in table.columns if (objection := _objection(column))),
        *(
            f"unique ({', '.join(key.columns)}) is not declared: a natural key is of declared NOT NULL columns"
            for key in other_keys
        ),
        *(
            f"{column.name} is {column.computed.value}: a job that loads this very table leaves it out"
            for column in columns
            if column.computed is not None
        ),
        *_remark_on_keys(table, columns, keys),
    ]
    return "\n".join([*_imports(lines), "", "", *_class(table, lines, remarks)])


# --- what can be declared ----------------------------------------------------------------------------


def _check_names(table: Table) -> None:
    problems = Problems()
    report = problems.about(f"table '{table.full_name}'", NOWHERE)
    check_name(table.schema, field="schema", report=report)
    check_name(table.name, field="name", report=report)
    if all(_objection(column) for column in table.columns):
        report.add("has no column that can be declared; " + "; ".join(map(_describe, table.columns)))
    problems.raise_if_any()


def _declarable(table: Table) -> list[Column]:
    """The columns that can be declared; none of them is a key where a part of the primary key is missing."""
    columns = [column for column in table.columns if _objection(column) is None]
    if all(column in columns for column in table.columns if column.primary_key):
        return columns
    return [replace(column, primary_key=False) for column in columns]


def _objection(column: Column) -> str | None:
    """Why a column cannot be declared; None where it can."""
    problems = Problems()
    check_name(column.name, field="name", report=problems.about("column", NOWHERE))
    try:
        problems.raise_if_any()
    except DeclarationError as error:
        return error.problems[0].text
    if not _is_declarable(column.type):
        return f"{column.type} is no type to declare; load it as text: cast it in the query, declare Text"
    return None


def _is_declarable(type_: DataType) -> bool:
    match type_:
        case Foreign():
            return False
        case Decimal(precision=int(precision), scale=int(scale)):
            return 0 <= scale <= precision
        case ListOf(element=ListOf()):
            return False
        case ListOf(element=element):
            return _is_declarable(element)
        case Scalar() | Varchar() | Decimal():
            return True


def _split_keys(table: Table, columns: Sequence[Column]) -> tuple[list[UniqueKey], list[UniqueKey]]:
    """The unique keys that are natural keys, and those that are not, since a key holds no NULL."""
    sure = {column.name for column in columns if not column.nullable}
    natural = [key for key in table.unique_keys if sure.issuperset(key.columns)]
    return natural, [key for key in table.unique_keys if key not in natural]


# --- remarks -----------------------------------------------------------------------------------------


def _describe(column: Column) -> str:
    null = "" if column.nullable else " NOT NULL"
    return f"{column.name} {column.type}{null}"


def _remark(column: Column, objection: str) -> str:
    missed = "" if column.nullable or column.has_default else "; no row can be added without it"
    return f"{_describe(column)} is not declared: {objection}{missed}"


def _remark_on_keys(table: Table, columns: Sequence[Column], keys: Sequence[UniqueKey]) -> list[str]:
    primary = ", ".join(table.primary_key)
    if table.primary_key and not any(column.primary_key for column in columns):
        return [f"primary key ({primary}) is not declared: a part of it is not"]
    if table.primary_key and keys:
        by = ", ".join(keys[0].columns)
        return [f"jobs identify rows by ({by}) unless they say otherwise, as in keys=({primary})"]
    return []


# --- the text ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """One column and the annotation that declares it."""

    column: Column
    annotation: str


def _annotation(column: Column, keys: Sequence[UniqueKey]) -> str:
    type_ = f"{column.type} | None" if column.nullable else str(column.type)
    markers = ["pk()"] if column.primary_key else []
    markers += [f"natural_key({_quoted(key.name)})" for key in keys if column.name in key.columns]
    if column.comment:
        markers.append(f"comment({_quoted(column.comment)})")
    return f"Annotated[{', '.join([type_, *markers])}]" if markers else type_


def _imports(lines: Sequence[_Line]) -> list[str]:
    words = {
        word for line in lines for word in re.findall(r"\w+", re.sub(r'"(\\.|[^"\\])*"', "", line.annotation))
    }
    own = ["ematix", *sorted(words & {"comment", "natural_key", "pk"})]
    return [
        *(["from typing import Annotated", ""] if "Annotated" in words else []),
        f"from ematix_flow import {', '.join(sorted(own))}",
        f"from ematix_flow.types import {', '.join(sorted(words & _TYPE_NAMES))}",
    ]


def _class(table: Table, lines: Sequence[_Line], remarks: Sequence[str]) -> list[str]:
    name = _class_name(table.name)
    words = [f"schema={_quoted(table.schema)}"]
    if snake_case(_as_python_reads(name)) != table.name:
        words.append(f"name={_quoted(table.name)}")
    docstring: list[str] = []
    if table.comment and _is_plain(table.comment):
        docstring = [f'    """{table.comment}"""', ""]
    elif table.comment:
        words.append(f"comment={_quoted(table.comment)}")
    return [
        f"@ematix.table({', '.join(words)})",
        f"class {name}:",
        *docstring,
        *(f"    # {remark}" for text in remarks for remark in text.splitlines()),
        *_body(lines),
    ]


def _body(lines: Sequence[_Line]) -> list[str]:
    """Annotations, or a dict of them where a column is called as no Python name can be."""
    if all(_is_attribute(line.column.name) for line in lines):
        return [f"    {line.column.name}: {line.annotation}" for line in lines]
    entries = [f"        {_quoted(line.column.name)}: {line.annotation}," for line in lines]
    return ["    __annotations__ = {", *entries, "    }"]


def _class_name(table: str) -> str:
    name = "".join(word[:1].upper() + word[1:] for word in re.split(r"[\W_]+", table))
    if not name.isidentifier():
        name = f"Table{name}"
    taken = keyword.iskeyword(name) or name in _TYPE_NAMES or name == "Annotated"
    return f"{name}Table" if taken else name


def _is_attribute(name: str) -> bool:
    # A name that starts with two underscores gets the class's own name before it.
    is_plain = name.isidentifier() and not keyword.iskeyword(name) and not name.startswith("__")
    return is_plain and name == _as_python_reads(name)


def _as_python_reads(name: str) -> str:
    # Python reference, "Identifiers and keywords": all identifiers are normalized.
    return unicodedata.normalize("NFKC", name)


def _is_plain(text: str) -> bool:
    return text == " ".join(text.split()) and not set(text) & {'"', "\\"}


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
