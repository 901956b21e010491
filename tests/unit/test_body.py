"""What a job's body may give: one SQL string, or record batches in any of the shapes that Python has for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pytest

from ematix_flow.body import Query, Rows, SourceHandle, call_body, takes_argument
from ematix_flow.errors import BackendUnavailableError, SourceQueryError
from ematix_flow.spec import Job
from ematix_flow.state import SourceColumn
from ematix_flow.types import Foreign, Scalar

TABLE = pa.table({"n": [1, 2, 3], "name": ["a", "b", None]})


def job(body: Callable[..., Any]) -> Job:
    return Job(name="load", body=body, targets=())


def given(body: Callable[..., Any], handle: SourceHandle | None = None) -> Query | Rows:
    return call_body(job(body), handle)


def rows(body: Callable[..., Any]) -> Rows:
    result = given(body)
    assert isinstance(result, Rows)
    return result


def refused(body: Callable[..., Any], handle: SourceHandle | None = None) -> str:
    with pytest.raises(SourceQueryError) as raised:
        given(body, handle)
    return str(raised.value)


def read_nothing(_sql: str) -> pa.RecordBatchReader:
    raise AssertionError("nothing is to be read")


# --- SQL ----------------------------------------------------------------------------------------------


def test_a_string_is_a_query_whose_text_is_kept() -> None:
    query = given(lambda: "select a FROM t -- it's 100 %\n;")
    assert isinstance(query, Query)
    assert query.select.text == "select a FROM t -- it's 100 %\n"


def test_sql_that_is_no_select_is_refused_under_the_jobs_name() -> None:
    assert refused(lambda: "delete from t").startswith("job 'load': the query is DELETE, which changes data")


def test_a_string_that_is_empty_is_refused() -> None:
    assert refused(lambda: "") == "job 'load': the query is empty; return one SELECT"


# --- the source handle --------------------------------------------------------------------------------


def test_a_body_with_an_argument_gets_the_source() -> None:
    query = given(lambda conn: f"select '{conn.name}' as name", SourceHandle("warehouse", read_nothing))
    assert isinstance(query, Query)
    assert query.select.text == "select 'warehouse' as name"


def test_a_body_with_an_argument_gets_none_where_there_is_no_source() -> None:
    seen: list[Any] = []
    given(lambda conn: seen.append(conn) or "select 1 as n")
    assert seen == [None]


@pytest.mark.parametrize(
    ("body", "expected"), [(lambda: "", False), (lambda conn: "", True), (lambda *conns: "", True)]
)
def test_whether_a_body_wants_the_source_is_read_off_its_signature(
    body: Callable[..., Any], expected: bool
) -> None:
    assert takes_argument(body) is expected


def test_a_handle_shows_no_more_than_its_name() -> None:
    assert "secret" not in repr(SourceHandle("warehouse", read_nothing))


# --- batches ------------------------------------------------------------------------------------------


def yielding() -> Iterator[pa.RecordBatch]:
    yield from TABLE.to_batches(max_chunksize=2)


def yielding_tables() -> Iterator[pa.Table]:
    yield TABLE.slice(0, 1)
    yield TABLE.slice(1)


class ArrowFrame:
    """As polars, pandas and duckdb offer their frames (Arrow PyCapsule interface)."""

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return TABLE.__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize(
    "body",
    [
        yielding,
        yielding_tables,
        lambda: TABLE,
        lambda: TABLE.combine_chunks().to_batches()[0],
        lambda: TABLE.to_batches(max_chunksize=1),
        lambda: TABLE.to_reader(),
        lambda: ArrowFrame(),
    ],
    ids=["generator", "generator of tables", "table", "batch", "list", "reader", "frame"],
)
def test_rows_may_come_in_any_arrow_shape(body: Callable[[], Any]) -> None:
    found = rows(body)
    assert found.columns == (
        SourceColumn(name="n", type=Scalar.BIGINT),
        SourceColumn(name="name", type=Scalar.TEXT),
    )
    assert pa.Table.from_batches(found.batches.rows, found.batches.schema) == TABLE


def test_no_more_than_the_first_batch_is_read_ahead() -> None:
    read: list[int] = []

    def body() -> Iterator[pa.RecordBatch]:
        for n in range(5):
            read.append(n)
            yield pa.record_batch({"n": [n]})

    rows(body)
    assert read == [0]


def test_a_body_that_yields_nothing_has_no_columns_of_its_own() -> None:
    found = rows(lambda: iter(()))
    assert found.columns is None
    assert list(found.batches.rows) == []


def test_an_empty_batch_has_columns() -> None:
    found = rows(lambda: iter([pa.record_batch({"n": pa.array([], pa.int32())})]))
    assert found.columns == (SourceColumn(name="n", type=Scalar.INTEGER),)


def test_a_column_of_nulls_is_of_no_type() -> None:
    found = rows(lambda: pa.record_batch({"n": [None]}))
    assert found.columns == (SourceColumn(name="n", type=Foreign("null")),)


@pytest.mark.parametrize(
    ("result", "what"),
    [
        (None, "returned NoneType"),
        (7, "returned int"),
        ({"n": [1]}, "returned dict"),
        (b"select 1", "returned bytes"),
        ([{"n": 1}], "yielded dict"),
        (["select 1"], "yielded str"),
        ([(1, "a")], "yielded tuple"),
    ],
    ids=str,
)
def test_anything_else_is_refused(result: Any, what: str) -> None:
    assert refused(lambda: result) == (
        f"job 'load': the body {what}; return one SQL string, or yield pyarrow.RecordBatch values"
    )


def test_a_column_yielded_twice_is_refused() -> None:
    batch = pa.RecordBatch.from_arrays([pa.array([1]), pa.array([2])], names=["n", "n"])
    assert refused(lambda: batch) == (
        "job 'load': the body yields n more than once; give each column its own name"
    )


def test_another_set_of_columns_is_refused_when_it_comes() -> None:
    found = rows(lambda: iter([pa.record_batch({"n": [1]}), pa.record_batch({"m": [1]})]))
    next(found.batches.rows)
    with pytest.raises(SourceQueryError) as raised:
        next(found.batches.rows)
    assert str(raised.value) == (
        "job 'load': the body yielded columns ['m'] after ['n']; yield one set of columns"
    )


# --- bodies that raise --------------------------------------------------------------------------------


def raising() -> str:
    raise KeyError("API_TOKEN")


def raising_before_the_first_batch() -> Iterator[pa.RecordBatch]:
    raise KeyError("API_TOKEN")
    yield


@pytest.mark.parametrize("body", [raising, raising_before_the_first_batch])
def test_an_error_of_the_body_is_told_and_chained(body: Callable[[], Any]) -> None:
    with pytest.raises(SourceQueryError) as raised:
        given(body)
    assert str(raised.value) == "job 'load': the body raised KeyError: 'API_TOKEN'"
    assert isinstance(raised.value.__cause__, KeyError)


def test_an_error_of_the_source_keeps_its_kind() -> None:
    def read(_sql: str) -> pa.RecordBatchReader:
        raise BackendUnavailableError(job="load", connection="warehouse", reason="it is down")

    with pytest.raises(BackendUnavailableError, match="connection 'warehouse': it is down"):
        given(lambda conn: conn.read("select 1"), SourceHandle("warehouse", read))
