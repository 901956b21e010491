"""How the table's name is written, and what stands around it, changes neither the verdict nor the place."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from ematix_flow.query import TableRef, Trackable, Untrackable, parse_select, source_tables, tracking

GAPS = st.lists(
    st.sampled_from(
        [" ", "\n", "\t", "\r\n", "-- from x\n", "/**/", "/* from raw.events; 'é' */", '/* /* a */ " */']
    ),
    max_size=3,
).map("".join)
SPACES = GAPS.map(lambda gap: f" {gap}")
BEFORE = st.sampled_from(
    [
        "select a, e.b",
        "select * ",
        "select 'é from raw.events 🦆', $x$ from t $x$ as \"from\"",
        "/* 🦆 */ select extract(epoch from a) as c",
        "select now() as at",
        "select count(*)",
        "select lower(a) as a, (b).c",
    ]
)
AFTER = st.sampled_from(
    ["", "where e.b = 'é'", "where a in (select 1)", "order by 1", "limit 3", "group by 1"]
)
NAMES = st.sampled_from(["events", "e2", "sales", "Events", "a b", 'q"q', "événement", "select", "from"])
SCHEMAS = NAMES | st.none()


@given(
    BEFORE,
    SCHEMAS,
    NAMES,
    AFTER,
    st.lists(GAPS, min_size=2, max_size=2),
    st.lists(SPACES, min_size=3, max_size=3),
)
def test_white_space_comments_and_quoting_around_the_table_change_nothing(
    before: str, schema: str | None, name: str, after: str, inner: list[str], outer: list[str]
) -> None:
    quoted = _quoted(name) if schema is None else f"{_quoted(schema)}{inner[0]}.{inner[1]}{_quoted(name)}"
    plain = tracking(parse_select(f"{before} from t e {after}"))
    select = parse_select(f"{before}{outer[0]}from{outer[1]}{quoted}{outer[2]}e {after}")
    found = tracking(select)
    match plain:
        case Untrackable():
            assert found == plain
        case Trackable():
            assert isinstance(found, Trackable)
            assert found == replace(plain, table=TableRef(schema, name), start=found.start, end=found.end)
            assert select.text[found.start : found.end] == quoted


@given(BEFORE, NAMES, NAMES, AFTER, SPACES)
def test_the_place_holds_exactly_the_table(before: str, schema: str, name: str, after: str, gap: str) -> None:
    select = parse_select(f"{before} from {_quoted(schema)}.{_quoted(name)}{gap}as e {after}")
    found = tracking(select)
    if isinstance(found, Trackable):
        window = f"(select * from {select.text[found.start : found.end]} where true)"  # noqa: S608, no server runs it
        windowed = parse_select(select.text[: found.start] + window + select.text[found.end :])
        assert source_tables(windowed) == source_tables(select) == (TableRef(schema, name),)


def _quoted(name: str) -> str:
    return name if name.isidentifier() and name not in ("Events", "select", "from") else _in_quotes(name)


def _in_quotes(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
