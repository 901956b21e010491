"""Questions about the keys of staged rows, asked before any of them is loaded. Pure."""

from __future__ import annotations

from psycopg import sql

from ematix_flow.backends.postgres.ddl import names_sql
from ematix_flow.backends.postgres.stage import STAGE


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
