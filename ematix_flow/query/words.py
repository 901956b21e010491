"""Words of PostgreSQL's grammar: those that may stand before a parenthesis or a string and call nothing."""

from __future__ import annotations


def words(*lines: str) -> frozenset[str]:
    """The words that stand in `lines`, apart by white space."""
    return frozenset(" ".join(lines).split())


# Source: pg_get_keywords(). The reserved words (R) and those that cannot name a function or type (C),
# less the ones that call something (current_date, xmltable, …); and join, like, ilike, which sqlglot
# reads as operators only.
GRAMMAR_WORDS = words(
    """
    all analyse analyze and any array as asc asymmetric both case cast check collate column constraint
    create default deferrable desc distinct do else end except false fetch for foreign from grant group
    having in initially intersect into lateral leading limit not null offset on only or order placing
    primary references returning select some symmetric table then to trailing true union unique using
    variadic when where window with
    between bigint bit boolean char character coalesce dec decimal exists extract float greatest grouping
    inout int integer interval least national nchar none normalize nullif numeric out overlay position
    precision real row smallint substring time timestamp trim values varchar
    join like ilike
    """,
)

# Unreserved words call nothing only after the word or mark beside them.
GRAMMAR_PAIRS = frozenset(
    [
        (")", "filter"),
        (")", "over"),
        (")", "repeatable"),
        ("as", "materialized"),
        ("by", "cube"),
        ("by", "rollup"),
        ("char", "varying"),
        ("character", "varying"),
        ("group", "by"),
        ("grouping", "sets"),
        ("not", "materialized"),
        ("order", "by"),
        ("partition", "by"),
        ("tablesample", "bernoulli"),
        ("tablesample", "system"),
        ("time", "zone"),
    ]
)

# A string may follow these, though they are not reserved.
WORDS_BEFORE_STRINGS = frozenset({"escape"})

# How a statement begins that is no SELECT. (A column may bear such a name; a statement's first word may not.)
WRITING_STATEMENTS = frozenset({"insert", "update", "delete", "merge"})
OTHER_STATEMENTS = words(
    """
    abort alter analyse analyze begin call checkpoint close cluster comment commit copy create deallocate
    declare discard do drop end execute explain fetch grant import listen load lock move notify prepare
    reassign refresh reindex release reset revoke rollback savepoint security set show start truncate
    unlisten vacuum
    """,
)
