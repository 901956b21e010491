"""Questions about the keys of staged rows, asked before any of them is loaded. Pure."""

from __future__ import annotations

from psycopg import sql

from ematix_flow.backends.postgres.ddl import names_sql, table_sql
from ematix_flow.backends.postgres.select import in_slice
from ematix_flow.backends.postgres.stage import STAGE, same_key
from ematix_flow.plan import ReplaceSlice
from ematix_flow.spec import Table


def null_keys(keys: tuple[str, ...]) -> sql.Composed:
    """How many staged rows have NULL in the key, and five of them."""
    missing = sql.SQL(" or ").join(sql.SQL("{} is null").format(sql.Identifier(key)) for key in keys)
    return sql.SQL(
        "select count(*), (array_agg(s::text) filter (where n <= 5)) from "
        "(select s, row_number() over () as n from {} as s where {}) as x"
    ).format(STAGE, missing)


def repeated_keys(keys: tuple[str, ...]) -> sql.Composed:
    """How many keys stand in several staged rows."""
    return sql.SQL("select count(*) from (select from {} group by {} having count(*) > 1) as x").format(
        STAGE, names_sql(keys)
    )


def conflicting_keys(keys: tuple[str, ...]) -> sql.Composed:
    """How many keys stand in several *different* staged rows, and five of those rows."""
    return sql.SQL(
        "select count(*), (array_agg(rows) filter (where n <= 5)) from (select rows, row_number() over () as n from "
        "(select string_agg(distinct s::text, ' / ') as rows from {} as s group by {} "
        "having count(distinct s::text) > 1) as y) as x"
    ).format(STAGE, names_sql(keys))


def keys_elsewhere(table: Table, action: ReplaceSlice) -> sql.Composed:
    """How many rows of the target outside of the slice have the key of a staged row, and the keys of five of them."""
    shown = sql.SQL(", ").join(sql.Identifier("t", key) for key in action.keys)
    return sql.SQL(
        "select count(*), (array_agg(key) filter (where n <= 5)) from "
        "(select row({})::text as key, row_number() over () as n from {} as t where ({}) is not true "
        "and exists (select from {} as s where {})) as x"
    ).format(
        shown,
        table_sql(table),
        in_slice(action.window, sql.Identifier("t", action.window.column)),
        STAGE,
        same_key(action.keys, "t", "s"),
    )
