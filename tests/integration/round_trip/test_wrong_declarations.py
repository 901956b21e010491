"""A declared type that the source does not fit: a cast that fits, or an error that names job and column, on every way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from ematix_flow.errors import RunError
from ematix_flow.types import UUID, Array, BigInt, Date, Integer, Numeric, String, Timestamp

WAYS = {"insert": "origin", "staged": "origin", "copy": "other", "batches": "other", "lake": "lake"}

FITS: list[tuple[str, Any, str, str]] = [
    ("bigint", Integer, "-2147483648", "-2147483648"),
    ("text", Integer, "'2147483647'", "2147483647"),
    ("numeric", Numeric[10, 2], "1.500", "1.50"),
    ("numeric(12, 4)", Numeric[10, 2], "-99999999.99", "-99999999.99"),
    ("text[]", Array[String[3]], "'{abc,null}'", "{abc,NULL}"),
    ("text[]", Array[UUID], f"'{{{32 * '0'}}}'", "{00000000-0000-0000-0000-000000000000}"),
]
# Each: what the error says of the column beside its name.
WRONG: list[tuple[str, Any, str, str]] = [
    ("double precision", BigInt, "1.5", "the source gives Double, the table declares BigInt"),
    ("bigint", Integer, "2147483648", "2147483648"),
    ("text", Integer, "'1.5'", "1.5"),
    ("text", Integer, "'2147483648'", "2147483648"),
    ("timestamptz", Timestamp, "'2024-01-01Z'", "the source gives TimestampTZ, the table declares Timestamp"),
    ("timestamp", Date, "'2024-01-01'", "the source gives Timestamp, the table declares Date"),
    ("numeric", Numeric[10, 2], "1.005", r"Numeric\[10, 2\]"),
    ("numeric", Numeric[10, 2], "100000000", r"Numeric\[10, 2\]"),
    ("text", String[3], "'abcd'", "abcd"),
    ("text[]", Array[String[2]], "'{abc}'", "abc"),
]


def query() -> str:
    return "select * from raw.t"


def batches(conn: Any) -> Iterator[pa.RecordBatch]:
    yield from conn.read("select * from raw.t")


def load(room: Any, way: str, case: tuple[str, Any, str, str]) -> None:
    sql_type, declared, literal, _ = case
    room.fill([(sql_type, declared, ("null", literal))], key=way != "staged")
    body = batches if way == "batches" else query
    room.run([declared], body, source_connection="origin", target_connection=WAYS[way])


@pytest.mark.parametrize("way", ["insert", "staged", "copy", "batches"])
@pytest.mark.parametrize("case", FITS, ids=lambda case: f"{case[0]} as {case[1].__name__}")
def test_what_fits_is_cast(room: Any, way: str, case: tuple[str, Any, str, str]) -> None:
    load(room, way, case)
    session = room.other if WAYS[way] == "other" else room.origin
    assert [row["c0"] for row in room.texts(session, "analytics.t")] == [None, case[3]]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", WRONG, ids=lambda case: f"{case[0]} {case[2]} as {case[1].__name__}")
def test_what_does_not_fit_is_refused_and_nothing_is_written(
    room: Any, way: str, case: tuple[str, Any, str, str]
) -> None:
    with pytest.raises(
        RunError, match=rf"job 'load'.*column 'c0'.*{case[3]}|job 'load'.*{case[3]}.*column 'c0'"
    ):
        load(room, way, case)
    for session in (room.origin, room.other):
        assert session.execute("select to_regclass('analytics.t')").fetchone() == (None,)
    assert not DeltaTable.is_deltatable(str(room.lake / "analytics" / "t"))
