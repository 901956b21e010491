"""Record batches as COPY's CSV bytes, to the byte: what is null, what is empty, what is quoted."""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ematix_flow.backends.postgres.copy import encode


def encoded(*arrays: pa.Array) -> str:
    return encode(pa.RecordBatch.from_arrays(list(arrays), [f"c{i}" for i in range(len(arrays))])).decode()


def test_a_null_is_nothing_and_an_empty_text_is_quoted() -> None:
    assert encoded(pa.array([None, "", "a"])) == '\n""\n"a"\n'


def test_columns_stand_in_the_batchs_order() -> None:
    assert encoded(pa.array([1, 2]), pa.array(["a", None])) == '1,"a"\n2,\n'


def test_a_batch_without_rows_is_nothing() -> None:
    assert encoded(pa.array([], pa.int64())) == ""


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('say "hi"', '"say ""hi"""'),
        ("a,b", '"a,b"'),
        ("a\nb", '"a\nb"'),
        ("a\r\nb", '"a\r\nb"'),
        ("\\.", '"\\."'),
        ("\\N", '"\\N"'),
        ("NULL", '"NULL"'),
        ("😀", '"😀"'),
    ],
)
def test_a_text_is_always_quoted(text: str, field: str) -> None:
    assert encoded(pa.array([text])) == f"{field}\n"


@pytest.mark.parametrize(
    ("array", "field"),
    [
        (pa.array([True]), "true"),
        (pa.array([-(2**63)]), "-9223372036854775808"),
        (pa.array([1.1], pa.float32()), "1.1"),
        (pa.array([float("nan")]), "nan"),
        (pa.array([float("-inf")]), "-inf"),
        (pa.array([-0.0]), "-0"),
        (pa.array([Decimal("-1.50")]), "-1.50"),
        (pa.array([date(1, 1, 1)]), "0001-01-01"),
        (pa.array([time(23, 59, 59, 999999)]), "23:59:59.999999"),
        (pa.array([datetime(9999, 12, 31, 23, 59, 59, 999999)]), "9999-12-31 23:59:59.999999"),
        (pa.array([datetime(2024, 1, 1, tzinfo=UTC)]), "2024-01-01 00:00:00.000000Z"),
        (pa.array([b"\x00\xff"]), '"\\x00ff"'),
        (pa.array([b""]), '"\\x"'),
        (pa.array([pa.MonthDayNano([-1, 2, -3000])]), '"-1 months 2 days -3 microseconds"'),
        (pa.array([pa.MonthDayNano([0, 0, 2**63 - 808])]), '"0 months 0 days 9223372036854775 microseconds"'),
    ],
    ids=lambda value: str(getattr(value, "type", value)),
)
def test_a_value_is_written_as_the_server_reads_it(array: pa.Array, field: str) -> None:
    assert encoded(array) == f"{field}\n"


@pytest.mark.parametrize(
    ("array", "literal"),
    [
        (pa.array([[]], pa.list_(pa.int64())), "{}"),
        (pa.array([[1, None]]), '{"1",NULL}'),
        (pa.array([["a", "", "NULL", None]]), '{"a","","NULL",NULL}'),
        (pa.array([['"', "\\", "{,}", "\n"]]), '{"\\"","\\\\","{,}","\n"}'),
        (pa.array([[True, False]]), "{true,false}"),
        (pa.array([[float("nan"), float("inf"), 0.1]]), '{"nan","inf","0.1"}'),
        (pa.array([[b"\x00\xff"]]), '{"\\\\x00ff"}'),
        (pa.array([[Decimal("1.10")]]), '{"1.10"}'),
        (pa.array([[date(2024, 2, 29)]]), '{"2024-02-29"}'),
        (pa.array([[pa.MonthDayNano([1, -2, 3000])]]), '{"1 months -2 days 3 microseconds"}'),
    ],
    ids=lambda value: str(getattr(value, "type", "")),
)
def test_a_list_is_written_as_an_array_literal(array: pa.Array, literal: str) -> None:
    (row,) = csv.reader([encoded(array)])
    assert row == [literal]


# --- what PostgreSQL does not hold --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (pa.array(["a", "a\x00b"]), "column 'c1': a text holds a zero byte, which PostgreSQL cannot store"),
        (pa.array([["a\x00b"]] * 2), "column 'c1': a text holds a zero byte, which PostgreSQL cannot store"),
        (
            pa.array([pa.MonthDayNano([0, 0, 1])] * 2),
            "column 'c1': an interval of 1 ns is finer than PostgreSQL's microseconds",
        ),
        (
            pa.array([[pa.MonthDayNano([0, 0, -1])]] * 2),
            "column 'c1': an interval of -1 ns is finer than PostgreSQL's microseconds",
        ),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_name(array: pa.Array, reason: str) -> None:
    with pytest.raises(pa.ArrowInvalid) as raised:
        encoded(pa.array(["", "x"]), array)
    assert str(raised.value) == reason


def test_a_zero_byte_among_bytes_is_fine() -> None:
    assert encoded(pa.array([b"\x00"])) == '"\\x00"\n'


# --- laws ---------------------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))


def read_back(literal: str) -> list[Any]:
    """The elements of an array literal, read as the PostgreSQL manual says ("Array Input and Output Syntax")."""
    elements: list[Any] = []
    rest = literal[1:-1]
    while rest:
        if rest.startswith("NULL"):
            elements.append(None)
            rest = rest[4:]
        else:
            element, rest = "", rest[1:]
            while rest[0] != '"':
                rest = rest.removeprefix("\\") if rest[0] == "\\" else rest
                element, rest = element + rest[0], rest[1:]
            elements.append(element)
            rest = rest[1:]
        rest = rest.removeprefix(",")
    return elements


@given(row=st.lists(texts, min_size=1, max_size=3))
def test_any_text_is_read_back(row: list[str]) -> None:
    assert next(csv.reader([encoded(*(pa.array([value]) for value in row))])) == row


@given(elements=st.lists(st.none() | texts, max_size=5))
def test_any_list_of_texts_is_read_back(elements: list[str | None]) -> None:
    (row,) = csv.reader([encoded(pa.array([elements], pa.list_(pa.string())))])
    assert read_back(row[0]) == elements
