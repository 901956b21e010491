"""What `pg_catalog` says of tables and servers: the queries, and their rows read as values. Pure.

Object names travel as literals and are looked up by oid, never spliced. PostgreSQL manual, "System Catalogs".
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from ematix_flow.backends.postgres.types import parse_type
from ematix_flow.spec import Column, Computed, Table, UniqueKey
from ematix_flow.state import Alters, Relation, RelationColumn, RelationKind, UniqueIndex

# The first oid that is not assigned by initdb (PostgreSQL source, transam.h: FirstNormalObjectId).
_FIRST_USER_OID = 16384

_UNIQUE_KEYS = """
    select coalesce(jsonb_agg(jsonb_build_array(i.indexrelid::regclass::text, i.indisprimary, (
        select jsonb_agg(a.attname order by k.n)
        from unnest(i.indkey::int2[]) with ordinality as k (attnum, n)
        join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
        where k.n <= i.indnkeyatts), (
        select bool_and(a.attnotnull) from pg_attribute a
        where a.attrelid = i.indrelid and a.attnum = any (i.indkey::int2[])))
        order by i.indisprimary desc, i.indexrelid), '[]')
    from pg_index i
    where i.indrelid = c.oid and i.indisunique and i.indisvalid and i.indimmediate
      and i.indpred is null and i.indexprs is null
"""

# After the crash of one process the others start anew, and the counter goes back to the last id in the log that was
# on disk, while the server's start remains what it was. The statistics begin anew as well, and say when.
SERVER = sql.SQL(
    """
    select jsonb_build_array(
        (select system_identifier::text from pg_control_system()),
        case when not pg_is_in_recovery() then left(pg_walfile_name(pg_current_wal_lsn()), 8) end,
        pg_postmaster_start_time()::text,
        (select oid::text from pg_database where datname = current_database()),
        (select stats_reset::text from pg_stat_archiver),
        current_setting('search_path'), current_setting('transform_null_equals'), current_setting('array_nulls'),
        current_setting('timezone_abbreviations'), current_setting('quote_all_identifiers'))::text,
        pg_is_in_recovery(),
        pg_snapshot_xmin(pg_current_snapshot())::text
    """
)

_RELATION = sql.SQL(
    "select n.nspname, c.relname, c.relkind::text, c.oid::bigint, c.relpersistence::text,"
    " row_security_active(c.oid), exists (select from pg_inherits where inhparent = c.oid),"
    " (select coalesce(jsonb_agg(jsonb_build_array(t.relid::oid::text, l.relkind) order by t.relid), '[]')"
    "  from pg_partition_tree(c.oid) as t join pg_class l on l.oid = t.relid where t.isleaf),"
    " (select coalesce(jsonb_agg(jsonb_build_array(attnum, attname, format_type(atttypid, atttypmod), atttypid,"
    "  y.typtype = 'e' or y.typnamespace = 'pg_catalog'::regnamespace, attcollation::oid::text,"
    "  case when attgenerated <> '' then pg_get_expr(adbin, adrelid) end) order by attnum), '[]')"
    "  from pg_attribute join pg_type y on y.oid = atttypid"
    "  left join pg_attrdef on adrelid = attrelid and adnum = attnum"
    "  where attrelid = c.oid and attnum > 0 and not attisdropped),"
    " (select coalesce(jsonb_agg(jsonb_build_array(enumtypid, enumlabel) order by enumtypid, enumsortorder), '[]')"
    "  from pg_enum where enumtypid in (select atttypid from pg_attribute where attrelid = c.oid)),"
    " ({}) from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = to_regclass({})"
)

_TABLE = sql.SQL(
    "select a.attname, format_type(a.atttypid, a.atttypmod), not a.attnotnull,"
    " a.atthasdef or a.attidentity <> '' or a.attgenerated <> '', col_description(c.oid, a.attnum),"
    " obj_description(c.oid, 'pg_class'), ({}),"
    " case when a.attgenerated = 's' then 'STORED' when a.attgenerated <> '' then 'VIRTUAL'"
    " when a.attidentity = 'a' then 'IDENTITY' end from pg_class c join pg_attribute a on a.attrelid = c.oid"
    " where c.oid = to_regclass({}) and a.attnum > 0 and not a.attisdropped order by a.attnum"
)

# tgtype is a set of bits: 1 for each row, 2 before the event (PostgreSQL source, pg_trigger.h). Of a partitioned table,
# each partition may have triggers of its own.
_CONDITION = sql.SQL(
    """
    select pg_has_role(c.relowner, 'usage'), c.relkind in ('r', 'p') and not row_security_active(c.oid),
        (select coalesce(jsonb_agg(jsonb_build_array(x.relname, (
            select jsonb_agg(a.attname order by k.n)
            from unnest(i.indkey::int2[]) with ordinality as k (attnum, n)
            join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
            where k.n <= i.indnkeyatts), exists (select from pg_constraint where conindid = x.oid and contype in ('p', 'u')))
            order by i.indisprimary desc, x.oid), '[]')
         from pg_index i join pg_class x on x.oid = i.indexrelid
         where i.indrelid = c.oid and i.indisunique and i.indpred is null and i.indexprs is null),
        exists (select from pg_trigger t
                where (t.tgrelid = c.oid or t.tgrelid in (select relid from pg_partition_tree(c.oid)))
                  and not t.tgisinternal and t.tgenabled <> 'D' and t.tgtype & 3 = 3)
    from pg_class c where c.oid = to_regclass({})
    """
)


# Over built-in types only: an extension's functions of its own types are called by nobody else.
OVERLOADS = sql.SQL(
    """
    select coalesce(array_agg(name order by name), '{}') from (
        select distinct p.proname::text || '()' as name from pg_proc p
        where p.oid >= 16384 and pg_function_is_visible(p.oid)
          and exists (select from pg_proc b
                      where b.pronamespace = 'pg_catalog'::regnamespace and b.proname = p.proname)
          and not exists (select from pg_type t where t.oid = any (p.proargtypes::oid[])
                          and t.typnamespace <> 'pg_catalog'::regnamespace)
        union
        select o.oprname::text from pg_operator o
        where o.oid >= 16384 and pg_operator_is_visible(o.oid)
          and not exists (select from pg_type t where t.oid in (o.oprleft, o.oprright)
                          and t.typnamespace <> 'pg_catalog'::regnamespace)
        union
        select format_type(c.castsource, null) || '::' || format_type(c.casttarget, null) from pg_cast c
        where c.oid >= 16384 and c.castmethod = 'f'
          and not exists (select from pg_type t where t.oid in (c.castsource, c.casttarget)
                          and t.typnamespace <> 'pg_catalog'::regnamespace)) as named
    """
)


def quoted(schema: str | None, name: str) -> sql.Literal:
    """A table's name as text for `to_regclass`; without a schema the server's search path decides."""
    parts = [part.replace('"', '""') for part in (schema, name) if part is not None]
    return sql.Literal(".".join(f'"{part}"' for part in parts))


def relation_query(schema: str | None, name: str) -> sql.Composed:
    """What planning wants to know of a table that a query names; no row when there is no such table."""
    return _RELATION.format(sql.SQL(_UNIQUE_KEYS), quoted(schema, name))


def relation(row: Sequence[Any]) -> Relation:
    """A row of `relation_query`."""
    schema, name, relkind, oid, persistence, secured, inherited, leaves, columns, enums, uniques = row
    return Relation(
        schema=schema,
        name=name,
        kind=_kind(relkind, oid, inherited, [kind for _, kind in leaves]),
        columns=tuple(
            RelationColumn(name=column, type=type_name, built_in=built_in)
            for _, column, type_name, _, built_in, *_ in columns
        ),
        row_security=secured,
        unique_keys=tuple(tuple(key) for _, _, key, not_null in uniques if not_null),
        identity=json.dumps([oid, persistence, leaves, columns, enums]),
    )


def _kind(relkind: str, oid: int, inherited: bool, leaf_kinds: Sequence[str]) -> RelationKind:
    if oid < _FIRST_USER_OID:
        return RelationKind.SYSTEM
    match relkind:
        case "r":
            return RelationKind.INHERITED if inherited else RelationKind.HEAP
        case "p":
            return RelationKind.PARTITIONED if set(leaf_kinds) <= {"r"} else RelationKind.OTHER
        case "v" | "m":
            return RelationKind.VIEW
        case "f":
            return RelationKind.FOREIGN
        case _:
            return RelationKind.OTHER


def plain_query(tables: Sequence[tuple[str | None, str]]) -> sql.Composed:
    """Whether all of these are tables, partitioned or not, without row security, whose policies may read others."""
    oids = sql.SQL(", ").join(
        sql.SQL("to_regclass({})").format(quoted(schema, name)) for schema, name in tables
    )
    return sql.SQL(
        "select coalesce(bool_and(c.relkind in ('r', 'p') and not c.relrowsecurity), false) "
        "from unnest(array[{}]) as t (oid) left join pg_class c on c.oid = t.oid"
    ).format(oids)


def name(schema: str | None, table: str) -> sql.Identifier:
    """A name as a statement has it; without a schema, the search path finds it."""
    return sql.Identifier(table) if schema is None else sql.Identifier(schema, table)


def table_query(table: Table) -> sql.Composed:
    """The live table's columns, comments and keys; no row when it does not exist."""
    return _TABLE.format(sql.SQL(_UNIQUE_KEYS), quoted(table.schema, table.name))


def condition_query(table: Table) -> sql.Composed:
    """Whether this session may alter the table, whether COPY may load it, its unique indexes, whether a trigger may
    leave out rows; no row when it does not exist.
    """
    return _CONDITION.format(quoted(table.schema, table.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What a table allows besides its columns; by default, what a table that is about to be made will allow."""

    alters: Alters = Alters.ANYTHING
    takes_copy: bool = True
    unique_indexes: tuple[UniqueIndex, ...] = ()
    drops_rows: bool = False


def condition(row: Sequence[Any] | None) -> Condition:
    """A row of `condition_query`."""
    if row is None:
        return Condition()
    owns, takes_copy, indexes, drops_rows = row
    found = tuple(
        UniqueIndex(name=name, columns=tuple(columns), is_constraint=is_constraint)
        for name, columns, is_constraint in indexes
    )
    return Condition(
        alters=Alters.ANYTHING if owns else Alters.NOTHING,
        takes_copy=takes_copy,
        unique_indexes=found,
        drops_rows=drops_rows,
    )


def live_table(table: Table, rows: Sequence[Sequence[Any]]) -> Table | None:
    """Rows of `table_query` as a table under the declared one's name; None when there are none."""
    if not rows:
        return None
    *_, comment, uniques, _ = rows[0]
    primary = next((set(columns) for _, is_primary, columns, _ in uniques if is_primary), set())
    return Table(
        schema=table.schema,
        name=table.name,
        comment=comment,
        columns=tuple(
            Column(
                name=name,
                type=parse_type(type_name),
                nullable=nullable,
                primary_key=name in primary,
                comment=column_comment,
                has_default=has_default,
                computed=None if computed is None else Computed[computed],
            )
            for name, type_name, nullable, has_default, column_comment, _, _, computed in rows
        ),
        unique_keys=tuple(
            UniqueKey(name=index, columns=tuple(columns))
            for index, is_primary, columns, _ in uniques
            if not is_primary
        ),
    )
