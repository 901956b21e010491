"""DuckDB's PostgreSQL scanner, whose extension comes as a wheel, so that nothing is downloaded at run time.

It turns NaN numerics into 0.00, for which no benchmark can make up.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import duckdb_extension_postgres_scanner
from deltalake import write_deltalake

from benchmarks.task import RAW, Done, Task, Work

_AS_TEXT = {"uuid", "json"}  # Delta has no type for them


def to_postgres(task: Task) -> Work:
    """`insert into target select * from source`, both attached."""
    connection = _attached(task)
    connection.execute(f"attach '{task.target}' as target (type postgres)")
    connection.execute("call postgres_execute('target', ?)", [task.create])

    def work() -> Done:
        query = f"insert into target.{task.table} select * from source.{RAW}.{task.source_table}"  # noqa: S608
        ((rows,),) = connection.execute(query).fetchall()
        return Done(rows=rows)

    return work


def to_delta(task: Task) -> Work:
    """The scanner's record batches, streamed into deltalake's writer."""
    connection = _attached(task)

    def work() -> Done:
        relation = connection.sql(f"select * from source.{RAW}.{task.source_table}")  # noqa: S608
        columns = [
            f'"{name}"::varchar as "{name}"' if str(kind).lower() in _AS_TEXT else f'"{name}"'
            for name, kind in zip(relation.columns, relation.types, strict=True)
        ]
        write_deltalake(task.folder, relation.project(", ".join(columns)).to_arrow_reader(100_000))
        return Done(rows=int(task.options["rows"]))

    return work


def _attached(task: Task) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    (package,) = duckdb_extension_postgres_scanner.__path__
    (extension,) = Path(package).rglob("postgres_scanner.duckdb_extension")
    connection.execute(f"load '{extension}'")
    connection.execute(f"attach '{task.source}' as source (type postgres, read_only)")
    return connection
