"""What Dagster shows of a table and of a load (pure).

The keys that begin with `dagster/` are those that the page renders in a way of their own. All others keep their
names and types from load to load, zeros included, because the page plots them over time.
"""

from __future__ import annotations

from typing import TypeAlias, assert_never

import dagster as dg

from ematix_flow import (
    Connection,
    DeltaConnection,
    JobTarget,
    PostgresConnection,
    Table,
    TargetPlan,
    TargetResult,
    describe_path,
    describe_window,
    type_name,
)

Metadata: TypeAlias = dict[str, int | float | str | dg.TableSchema | dg.MarkdownMetadataValue]
_TABLE_NAME = "dagster/table_name"
_COLUMN_SCHEMA = "dagster/column_schema"


def definition_metadata(target: JobTarget) -> Metadata:
    """What is known of a table from its declaration alone, without a database."""
    found: Metadata = {
        _TABLE_NAME: target.table.full_name,
        _COLUMN_SCHEMA: column_schema(target.table, target.connection),
    }
    match target.connection:
        case DeltaConnection() as lake:
            # Unresolved: a reference such as ${LAKE_URL} stays one, and a literal password is hidden.
            found["dagster/uri"] = f"{lake.reference.rstrip('/')}/{target.table.schema}/{target.table.name}"
        case PostgresConnection():
            return found
        case _:
            assert_never(target.connection)
    return found


def load_metadata(
    result: TargetResult, plan: TargetPlan, connection: Connection, held: int | None
) -> Metadata:
    """What a committed load tells.

    `dagster/row_count` is `held`, the number of rows in the table, and left out where that is not known. `bytes` is
    0 where no row left the server.
    """
    counts = result.counts
    return {
        **({} if held is None else {"dagster/row_count": held}),
        _TABLE_NAME: result.table,
        _COLUMN_SCHEMA: column_schema(plan.stored, connection),
        "rows_read": counts.read,
        "rows_inserted": counts.inserted,
        "rows_updated": counts.updated,
        "rows_unchanged": counts.unchanged,
        "rows_deleted": counts.deleted,
        "rows_closed": counts.closed,
        "bytes": counts.bytes,
        "seconds": float(result.seconds),
        "rows_per_second": counts.read / result.seconds if result.seconds > 0 else 0.0,
        "path": describe_path(plan.path),
        "window": describe_window(plan.read.window),
        "watermark": result.watermark.value if result.watermark else "none is kept",
        "sql": dg.MetadataValue.md(_sql(plan)),
        "migration": dg.MetadataValue.md("\n".join(f"- {step}" for step in plan.steps) or "nothing to do"),
    }


def column_schema(table: Table, connection: Connection) -> dg.TableSchema:
    """The columns with the names that the database gives their types."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name,
                type_name(column.type, connection),
                description=column.comment,
                constraints=dg.TableColumnConstraints(
                    nullable=column.nullable,
                    unique=table.primary_key == (column.name,),
                    other=["primary key"] if column.primary_key else None,
                ),
            )
            for column in table.columns
        ]
    )


def _sql(plan: TargetPlan) -> str:
    query = plan.read.query or "-- the body yields record batches"
    return "\n\n".join(f"```sql\n{text.strip()}\n```" for text in (query, *plan.sql))
