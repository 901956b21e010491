"""From Postgres to Postgres, on every path and in every mode: the servers' own sums of the rows are equal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, LiteralString

import pyarrow as pa
import pytest
from integration.round_trip.edges import EDGES, Edge

from ematix_flow.errors import EmatixError
from ematix_flow.plan import ArrowStream, CopyInto, CopyStaged, InsertSelect, StagedSelect

# Each: where the rows go, and what the plan calls the way of a first load, and of one that is compared with what is
# held. Rows without a key are staged.
PATHS: dict[str, tuple[str, type, type]] = {
    "insert": ("origin", InsertSelect, InsertSelect),
    "staged": ("origin", StagedSelect, StagedSelect),
    "copy": ("other", CopyInto, CopyStaged),  # arrays of texts may be of varchar in a table that is there
    "batches": ("other", ArrowStream, ArrowStream),
}
CURRENT: LiteralString = "(select * from analytics.t where is_current) as t"
DECLARED = [edge.declared for edge in EDGES]
WILD = [(edge, value) for edge in EDGES for value in edge.wild]


def query() -> str:
    return "select * from raw.t"


def batches(conn: Any) -> Iterator[pa.RecordBatch]:
    yield from conn.read("select * from raw.t")


@pytest.mark.parametrize("mode", ["append", "truncate", "merge", "scd2"])
@pytest.mark.parametrize("path", PATHS)
def test_the_rows_arrive_as_they_left(room: Any, path: str, mode: str) -> None:
    target, straight, compared = PATHS[path]
    inside = target == "origin"
    way = straight if mode == "append" or path != "copy" else compared
    columns = [(edge.sql, edge.declared, edge.carried + edge.wild * (path != "batches")) for edge in EDGES]
    room.fill(columns, key=path != "staged")
    body = batches if path == "batches" else query
    words = {"mode": mode, "source_connection": "origin", "target_connection": target}
    if mode != "append":  # which would leave the rows as they were at first
        room.blank()
        room.run(DECLARED, body, **words)
        room.restore()
    first = room.run(DECLARED, body, **words)
    assert type(first.plan.path) is (StagedSelect if inside and mode == "scd2" else way)

    session = room.origin if inside else room.other
    arrived = CURRENT if mode == "scd2" else "analytics.t"
    assert room.texts(session, arrived) == room.texts(room.origin, "raw.t")
    assert room.sum(session, arrived) == room.sum(room.origin, "raw.t")
    again = room.run(DECLARED, body, **words, full_refresh=True)
    if mode != "truncate":  # which writes them anew
        assert again.counts.unchanged == again.counts.read == first.counts.read
    assert room.sum(session, arrived) == room.sum(room.origin, "raw.t")


@pytest.mark.parametrize(("edge", "value"), WILD, ids=[f"{edge.sql} {value}" for edge, value in WILD])
def test_what_batches_cannot_carry_is_refused_by_name(room: Any, edge: Edge, value: str) -> None:
    room.fill([(edge.sql, edge.declared, ("null", value))])
    with pytest.raises(EmatixError, match=r"job 'load'.*column 'c0': a value does not fit"):
        room.run([edge.declared], batches, source_connection="origin", target_connection="other")
    assert room.other.execute("select to_regclass('analytics.t')").fetchone() == (None,)
