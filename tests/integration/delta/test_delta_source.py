"""A lake as a source: SQL over its tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pyarrow as pa
import pytest

from ematix_flow.backends.delta.source import DeltaSource
from ematix_flow.casts import Cast
from ematix_flow.errors import BackendUnavailableError, RunError, SourceQueryError
from ematix_flow.plan import AddRows, ColumnRange, Everything, Form, ReadColumn, ReadPlan, ReadWindow
from ematix_flow.spec import Column, DeltaConnection, Table
from ematix_flow.state import Inquiry, SourceColumn, SourceState
from ematix_flow.streams import Batches, StreamCancelledError
from ematix_flow.types import DataType, Decimal, ListOf, Scalar

EVENTS = Table(
    schema="raw",
    name="events",
    columns=(
        Column(name="id", type=Scalar.BIGINT),
        Column(name="name", type=Scalar.TEXT),
        Column(name="at", type=Scalar.TIMESTAMPTZ),
        Column(name="opens", type=Scalar.TIME),
        Column(name="tags", type=ListOf(Scalar.TEXT)),
        Column(name="price", type=Decimal(10, 2)),
    ),
)
TEXT = "select id, name, at from raw.events"
EVERYTHING = Everything(why="a test")


def event(id_: int, second: int | None) -> dict[str, Any]:
    at = None if second is None else datetime(2024, 1, 1, 0, 0, second, tzinfo=UTC)
    return {
        "id": id_,
        "name": f"event {id_}",
        "at": at,
        "opens": time(9, 30),
        "tags": ["x", None],
        "price": 1,
    }


def source(lake: Any) -> DeltaSource:
    return DeltaSource(connection=lake.connection, job="copy_events", environ=lake.environ)


def describe(lake: Any, text: str, *tables: tuple[str | None, str], cursor: str | None = None) -> SourceState:
    with source(lake) as opened:
        return opened.describe(
            Inquiry(text=text, tables=tables or (("raw", "events"),), cursor_column=cursor)
        )


def read_all(
    lake: Any, text: str, *columns: ReadColumn, window: ReadWindow = EVERYTHING
) -> list[dict[str, Any]]:
    with source(lake) as opened:
        opened.describe(Inquiry(text=text, tables=(("raw", "events"),)))
        plan = ReadPlan(job="copy_events", query=text, columns=columns, window=window, form=Form.ARROW)
        stream = opened.open(plan)
        assert isinstance(stream, Batches)
        found = stream.reader().read_all().to_pylist()
    return sorted(found, key=str)


def column(name: str, source_type: DataType, declared: DataType, cast: Cast) -> ReadColumn:
    return ReadColumn(name=name, source=source_type, declared=declared, cast=cast)


ID = column("id", Scalar.BIGINT, Scalar.BIGINT, Cast.NONE)


@pytest.fixture
def events(lake: Any) -> Any:
    """A lake with three events."""
    lake.load(EVENTS, AddRows(), [event(1, 1), event(2, 2)], [event(3, 3)])
    return lake


# --- describe ----------------------------------------------------------------------------------------


def test_columns_and_types_are_told_without_running_the_query(events: Any) -> None:
    state = describe(events, "select * from raw.events where 1 / (id - 1) > 0 -- would divide by zero")
    assert state == SourceState(
        columns=(
            SourceColumn(name="id", type=Scalar.BIGINT),
            SourceColumn(name="name", type=Scalar.TEXT),
            SourceColumn(name="at", type=Scalar.TIMESTAMPTZ),
            SourceColumn(name="opens", type=Scalar.TEXT),
            SourceColumn(name="tags", type=ListOf(Scalar.TEXT)),
            SourceColumn(name="price", type=Decimal(10, 2)),
        )
    )


def test_a_query_joins_tables_of_several_schemas(events: Any) -> None:
    events.load(Table(schema="Ref Data", name="names", columns=EVENTS.columns[:2]), AddRows(), [event(2, 2)])
    text = 'select e.id from raw.events as e join "Ref Data".names as n on n.id = e.id'
    with source(events) as opened:
        assert opened.read(text).read_all().to_pylist() == [{"id": 2}]


@pytest.mark.parametrize(
    ("expression", "bound"),
    [
        ("at", "2024-01-01 00:00:03+00"),
        ("at::timestamp", "2024-01-01 00:00:03"),
        ("at::date", "2024-01-01"),
        ("id", "3"),
        ("name", "event 3"),
        ("price", "1.00"),
    ],
)
def test_the_bound_is_the_largest_value_as_text(events: Any, expression: str, bound: str) -> None:
    assert describe(events, f"select {expression} as c from raw.events", cursor="c").bound == bound  # noqa: S608  # the test's own text


def test_an_empty_source_has_no_bound(lake: Any) -> None:
    lake.load(EVENTS, AddRows())
    assert describe(lake, TEXT, cursor="at").bound is None


def test_a_column_that_makes_no_watermark_is_refused(events: Any) -> None:
    with pytest.raises(SourceQueryError, match="window column 'c': a column of type Boolean"):
        describe(events, "select id > 1 as c from raw.events", cursor="c")


@pytest.mark.parametrize(
    ("text", "tables", "reason"),
    [
        ("select nope from raw.events", (("raw", "events"),), "No field named nope"),
        ("select 1 from raw.orders", (("raw", "orders"),), "there is no Delta table at .*/raw/orders"),
        ("select 1 from events", ((None, "events"),), "a table of a lake is named schema.table"),
        ("select 1 from other.events", (("raw", "events"),), "other.events"),
    ],
)
def test_a_query_that_cannot_run_says_why(
    events: Any, text: str, tables: tuple[tuple[str | None, str], ...], reason: str
) -> None:
    with pytest.raises(SourceQueryError, match=reason) as caught:
        describe(events, text, *tables)
    assert caught.value.job == "copy_events"


@pytest.mark.parametrize(
    "text", ["delete from raw.events", "select 1; select 2", "copy raw.events to 'x.csv'"]
)
def test_a_body_can_only_select(events: Any, text: str) -> None:
    with source(events) as opened, pytest.raises(SourceQueryError):
        opened.read(text)


def test_a_store_that_cannot_be_read_is_told(tmp_path: Any) -> None:
    log = tmp_path / "raw" / "events" / "_delta_log"
    log.mkdir(parents=True)
    (log / "00000000000000000000.json").write_text("{not json")
    connection = DeltaConnection(name="lake", url=str(tmp_path))
    opened = DeltaSource(connection=connection, job="copy_events", environ={})
    with pytest.raises(BackendUnavailableError, match=r"cannot open .*/raw/events: .*Json error"):
        opened.read("select 1 from raw.events")


# --- rows --------------------------------------------------------------------------------------------


def test_a_body_reads_plain_arrow_types(events: Any) -> None:
    with source(events) as opened:
        reader = opened.read("select name, tags from raw.events where id = 1;")
        assert reader.schema == pa.schema(
            [("name", pa.string()), ("tags", pa.list_(pa.field("item", pa.string())))]
        )
        assert reader.read_all().to_pylist() == [{"name": "event 1", "tags": ["x", None]}]


def test_rows_come_in_their_declared_types_and_absent_columns_are_null(events: Any) -> None:
    found = read_all(
        events,
        "select * from raw.events where id = 1",
        column("at", Scalar.TIMESTAMPTZ, Scalar.TIMESTAMPTZ, Cast.NONE),
        ReadColumn(name="note", source=None, declared=Scalar.TEXT, cast=Cast.ABSENT),
        column("id", Scalar.BIGINT, Scalar.SMALLINT, Cast.CHECKED),
        column("opens", Scalar.TEXT, Scalar.TIME, Cast.CHECKED),
    )
    assert found == [
        {"at": datetime(2024, 1, 1, 0, 0, 1, tzinfo=UTC), "note": None, "id": 1, "opens": time(9, 30)}
    ]


@pytest.mark.parametrize(
    ("literal", "declared", "value"),
    [
        ("'2024-02-29'", Scalar.DATE, date(2024, 2, 29)),
        ("'23:59:59.999999'", Scalar.TIME, time(23, 59, 59, 999999)),
        ("'2024-01-01 00:00:00.5+01'", Scalar.TIMESTAMPTZ, datetime(2023, 12, 31, 23, 0, 0, 500000, UTC)),
    ],
)
def test_text_is_parsed_into_what_is_declared(
    events: Any, literal: str, declared: DataType, value: Any
) -> None:
    text = f"select {literal} as x from raw.events where id = 1"  # noqa: S608  # the test's own text
    assert read_all(events, text, column("x", Scalar.TEXT, declared, Cast.CHECKED)) == [{"x": value}]


def test_a_value_that_cannot_be_parsed_is_an_error_of_the_run(events: Any) -> None:
    with pytest.raises(RunError, match=r"reading from lake failed: .*'event \d'"):
        read_all(events, TEXT, column("name", Scalar.TEXT, Scalar.DATE, Cast.CHECKED))


def window(lower: str | None, bound: str | None, lookback: timedelta = timedelta(0)) -> ColumnRange:
    return ColumnRange(column="at", type=Scalar.TIMESTAMPTZ, lower=lower, lookback=lookback, bound=bound)


@pytest.mark.parametrize(
    ("asked", "ids"),
    [
        (window(None, "2024-01-01 00:00:02+00"), [1, 2]),
        (window("2024-01-01 00:00:02+00", "2024-01-01 00:00:03+00"), [2, 3]),
        (window("2024-01-01 00:00:03+00", "2024-01-01 00:00:03+00", timedelta(seconds=2)), [1, 2, 3]),
        (window("2024-01-01 00:00:01+00", None), []),
    ],
)
def test_a_window_bounds_what_is_read(events: Any, asked: ColumnRange, ids: Sequence[int]) -> None:
    assert read_all(events, TEXT, ID, window=asked) == [{"id": id_} for id_ in ids]


def test_a_null_in_the_window_column_is_an_error(events: Any) -> None:
    events.load(EVENTS, AddRows(), [event(4, None)])
    with pytest.raises(RunError, match="window column 'at': no watermark can pass NULL"):
        read_all(events, TEXT, ID, window=window(None, "2024-01-01 00:00:03+00"))


def test_a_table_stays_at_the_version_that_planning_saw(events: Any) -> None:
    with source(events) as opened:
        opened.describe(Inquiry(text=TEXT, tables=(("raw", "events"),)))
        events.load(EVENTS, AddRows(), [event(4, 4)])
        assert opened.read("select count(*) as n from raw.events").read_all().to_pylist() == [{"n": 3}]


def test_a_cancelled_read_stops_at_its_next_batch(events: Any) -> None:
    with source(events) as opened:
        opened.describe(Inquiry(text=TEXT, tables=(("raw", "events"),)))
        plan = ReadPlan(job="copy_events", query=TEXT, columns=(ID,), window=EVERYTHING, form=Form.ARROW)
        stream = opened.open(plan)
        opened.cancel()
        assert isinstance(stream, Batches)
        with pytest.raises(StreamCancelledError):
            next(stream.rows)


def test_a_bucket_is_a_source_too(s3_lake: Any) -> None:
    s3_lake.load(EVENTS, AddRows(), [event(1, 1)])
    assert read_all(s3_lake, TEXT, ID) == [{"id": 1}]
