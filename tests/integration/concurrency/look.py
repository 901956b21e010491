"""What lies in a target, seen without our own code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import psycopg
import pyarrow as pa
from deltalake import DeltaTable
from psycopg import sql
from psycopg.rows import dict_row

Row = dict[str, Any]


def rows(urls: Mapping[str, str], connection: str, table: str, schema: str = "analytics") -> list[Row]:
    """Every row, ordered by key and version."""
    if connection == "lake":
        scan = DeltaTable(f"{urls['lake']}/{schema}/{table}").scan()
        found = pa.RecordBatchReader.from_stream(scan).read_all().to_pylist()
    else:
        with psycopg.connect(urls[connection], row_factory=dict_row) as session:
            found = session.execute(
                sql.SQL("select * from {}").format(sql.Identifier(schema, table))
            ).fetchall()
    return sorted(found, key=lambda row: (row["id"], row.get("valid_from", row["updated_at"])))


def source(urls: Mapping[str, str]) -> list[Row]:
    return rows(urls, "origin", "orders", "raw")


def check_history(versions: list[Row]) -> None:
    """One current version a key, and each version begins where the one before it ends."""
    by_key: dict[int, list[Row]] = {}
    for version in versions:
        by_key.setdefault(version["id"], []).append(version)
    for key, history in by_key.items():
        assert [version["is_current"] for version in history] == [False] * (len(history) - 1) + [True], key
        starts = [version["valid_from"] for version in history[1:]]
        assert [version["valid_to"] for version in history] == [*starts, None], key


def current(versions: list[Row]) -> list[Row]:
    return [
        {name: row[name] for name in ("id", "name", "updated_at")} for row in versions if row["is_current"]
    ]


def counted(found: list[Row]) -> Counter[tuple[tuple[str, Any], ...]]:
    return Counter(tuple(sorted(row.items())) for row in found)
