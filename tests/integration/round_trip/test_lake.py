"""From Postgres to Delta and back: every value comes back as it left, or is refused by name."""

from __future__ import annotations

import re
from typing import Any

import pytest
from deltalake import DeltaTable
from integration.round_trip.edges import EDGES, Edge

from ematix_flow.errors import RunError

TO_LAKE = {"source_connection": "origin", "target_connection": "lake"}
FROM_LAKE = {"source_connection": "lake", "target_connection": "other"}
FAITHFUL = [edge for edge in EDGES if edge.in_lake and edge.back]
DECLARED = [edge.declared for edge in FAITHFUL]
ONE_WAY = [edge for edge in EDGES if edge.in_lake and not edge.back]
NOWHERE = [edge for edge in EDGES if not edge.in_lake]
SHAPES = {
    "{{1,2},{3,4}}": "an array has several dimensions",
    "{{a,b},{c,d}}": "an array has several dimensions",
    "[0:1]={1,2}": "an array does not start at 1",
}
WILD = [(edge, value) for edge in EDGES if edge.in_lake for value in edge.wild]


def query() -> str:
    return "select * from raw.t"


def rows() -> str:
    return "select * from analytics.t"


def versions() -> str:
    return "select * except (valid_from, valid_to, is_current) from analytics.t where is_current"


@pytest.mark.parametrize("mode", ["append", "truncate", "merge", "scd2"])
def test_the_rows_come_back_as_they_left(room: Any, mode: str) -> None:
    room.fill([(edge.sql, edge.declared, edge.carried) for edge in FAITHFUL])
    if mode != "append":  # which would leave the rows as they were at first
        room.blank()
        room.run(DECLARED, query, mode=mode, **TO_LAKE)
        room.restore()
    there = room.run(DECLARED, query, mode=mode, **TO_LAKE)
    room.run(DECLARED, versions if mode == "scd2" else rows, **FROM_LAKE)
    assert room.texts(room.other, "analytics.t") == room.texts(room.origin, "raw.t")
    assert room.sum(room.other, "analytics.t") == room.sum(room.origin, "raw.t")
    again = room.run(DECLARED, query, mode=mode, **TO_LAKE, full_refresh=True)
    if mode != "truncate":  # which writes them anew
        assert again.counts.unchanged == again.counts.read == there.counts.read


@pytest.mark.parametrize(("edge", "value"), WILD, ids=[f"{edge.sql} {value}" for edge, value in WILD])
def test_a_value_that_batches_cannot_carry_is_refused_by_name(room: Any, edge: Edge, value: str) -> None:
    room.fill([(edge.sql, edge.declared, ("null", value))])
    (text,) = room.origin.execute("select c0::text from raw.t where n = 1").fetchone()
    told = SHAPES.get(text) or re.escape(repr(text.strip('{}"')))  # of an array, the element
    with pytest.raises(RunError, match=rf"job 'load'.*column 'c0': a value does not fit .*: {told}"):
        room.run([edge.declared], query, **TO_LAKE)
    assert not DeltaTable.is_deltatable(str(room.lake / "analytics" / "t"))


@pytest.mark.parametrize("edge", NOWHERE, ids=str)
def test_a_type_that_delta_lacks_is_refused_by_name(room: Any, edge: Edge) -> None:
    room.fill([(edge.sql, edge.declared, ("null",))])
    shown = re.escape(edge.declared.__name__)
    with pytest.raises(RunError, match=rf"job 'load': column 'c0': Delta Lake cannot store {shown}; declare"):
        room.run([edge.declared], query, **TO_LAKE)
    assert not DeltaTable.is_deltatable(str(room.lake / "analytics" / "t"))


@pytest.mark.parametrize("edge", ONE_WAY, ids=str)
def test_a_type_that_comes_back_only_by_a_cast_is_refused_by_name_without_one(room: Any, edge: Edge) -> None:
    room.fill([(edge.sql, edge.declared, edge.carried)])
    room.run([edge.declared], query, **TO_LAKE)
    with pytest.raises(RunError, match=r"job 'load': column 'c0': the source gives (Array\[)?Text.*x::time"):
        room.run([edge.declared], rows, **FROM_LAKE)


def test_a_time_comes_back_by_a_cast(room: Any) -> None:
    (edge,) = (edge for edge in ONE_WAY if edge.sql == "time")
    room.fill([(edge.sql, edge.declared, edge.carried)])
    room.run([edge.declared], query, **TO_LAKE)
    room.run([edge.declared], lambda: "select n, c0::time as c0 from analytics.t", **FROM_LAKE)
    assert room.texts(room.other, "analytics.t") == room.texts(room.origin, "raw.t")
