"""What a person could run where a Delta table must be changed otherwise than by a load: Python. Pure.

`alter` sets and clears few things; all else is a rewrite, which deltalake streams from the table into itself. The
statements are to be run one after another, with `storage_options=` where the store needs them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import assert_never

from ematix_flow.migration import (
    AddColumn,
    AddFilledColumn,
    ChangeType,
    CommentColumn,
    CommentTable,
    CreateSchema,
    CreateTable,
    Drift,
    DropNotNull,
    DropUnique,
    LetBeSet,
    Remedy,
    RenameColumn,
    SetNotNull,
    WidenColumn,
)
from ematix_flow.spec import Column
from ematix_flow.types import DataType, Decimal, ListOf, Scalar, delta_name

_PLACEHOLDERS = {
    Scalar.TEXT: "",
    Scalar.BYTES: "",
    Scalar.BOOLEAN: "false",
    Scalar.DATE: "1970-01-01",
    Scalar.TIMESTAMP: "1970-01-01",
    Scalar.TIMESTAMPTZ: "1970-01-01",
}


def remedy(drifts: Sequence[Drift], location: str) -> tuple[str, ...]:
    """Statements that mend the drifts of the table at `location`; () where only the declaration can."""
    remedies = [drift.remedy for drift in drifts if drift.remedy is not None]
    if not remedies:
        return ()
    rewritten = [column for each in remedies for column in _rewritten(each)]
    return (
        "import pyarrow as pa",
        "from deltalake import DeltaTable, Field, write_deltalake",
        "from deltalake.schema import ArrayType, PrimitiveType",
        f"table = DeltaTable({location!r})",
        *(line for each in remedies for line in _altered(each)),
        *(_rewrite(rewritten) if rewritten else ()),
    )


def _altered(remedy: Remedy) -> Iterator[str]:
    match remedy:
        case AddColumn(column=column) | AddFilledColumn(column=column):
            added = Column(name=column.name, type=column.type)
            value = _placeholder(column.type) if column.default is None else _literal(str(column.default))
            yield f"table.alter.add_columns([{_field(added)}])"
            yield f"table.update(updates={{{_quoted(column.name)!r}: {value!r}}})  # what older rows hold: choose it"
        case DropNotNull(column=name):
            yield f"table.alter.drop_column_not_null({name!r})"
        case WidenColumn() | ChangeType() | SetNotNull():
            return  # by the rewrite
        case (
            CreateSchema()
            | CreateTable()
            | CommentTable()
            | CommentColumn()
            | RenameColumn()
            | LetBeSet()
            | DropUnique()
        ):
            raise AssertionError(f"no drift of a Delta table asks for {remedy}")
        case _:
            assert_never(remedy)


def _rewritten(remedy: Remedy) -> Iterator[Column]:
    match remedy:
        case AddColumn(column=column) | AddFilledColumn(column=column) if not column.nullable:
            yield column
        case WidenColumn(column=column) | ChangeType(column=column) | SetNotNull(column=column):
            yield column


def _rewrite(columns: Sequence[Column]) -> Iterator[str]:
    fields = ", ".join(f"{column.name!r}: pa.field({_field(column)})" for column in columns)
    yield f"fields = {{{fields}}}"
    yield "schema = pa.schema([fields.get(field.name, field) for field in pa.schema(table.schema().to_arrow())])"
    yield (
        "write_deltalake(table, pa.RecordBatchReader.from_stream(table.scan()).cast(schema), mode='overwrite', "
        "schema_mode='overwrite')"
    )


def _field(column: Column) -> str:
    metadata = f", metadata={{'comment': {column.comment!r}}}" if column.comment else ""
    return f"Field({column.name!r}, {_type(column.type)}, nullable={column.nullable}{metadata})"


def _type(type_: DataType) -> str:
    if isinstance(type_, ListOf):
        return f"ArrayType({_type(type_.element)}, True)"
    return f"PrimitiveType({delta_name(type_)!r})"


def _quoted(name: str) -> str:
    """The name in DataFusion's SQL, as it is spelled."""
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


def _literal(text: str) -> str:
    escaped = text.replace("'", "''")
    return f"'{escaped}'"


def _placeholder(type_: DataType) -> str:
    match type_:
        case ListOf():
            return "make_array()"
        case Scalar():
            return _literal(_PLACEHOLDERS.get(type_, "0"))
        case Decimal():
            return "0"
        case _:
            return "''"
