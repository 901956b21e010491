"""A window over a declared column: ties, late commits and the values that no watermark passes, keyed and keyless."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any

import psycopg
import pytest
from psycopg import sql

from ematix_flow import Incremental, pk, plan_job
from ematix_flow.errors import RunError
from ematix_flow.plan import ColumnRange
from ematix_flow.results import LoadCounts
from ematix_flow.types import BigInt, Date, Double, Numeric, Text, Timestamp, TimestampTZ

KEY = Annotated[BigInt, pk()]

# Per precision: the column's type, then moments in order: the first run ends on the third.
PRECISIONS: dict[str, tuple[str, Any, list[str]]] = {
    "microseconds": (
        "timestamptz",
        TimestampTZ,
        [
            "2024-05-01 10:00:00Z",
            "2024-05-01 10:00:00.000001Z",
            "2024-05-01 10:00:00.000002Z",
            "2024-05-01 10:00:00.000003Z",
        ],
    ),
    "seconds": (
        "timestamp(0)",
        Timestamp,
        ["2024-05-01 09:59:58", "2024-05-01 09:59:59", "2024-05-01 10:00:00", "2024-05-01 10:00:01"],
    ),
    "days": ("date", Date, ["2024-04-28", "2024-04-29", "2024-04-30", "2024-05-01"]),
}
LOOKBACK = {
    "microseconds": timedelta(microseconds=1),
    "seconds": timedelta(seconds=1),
    "days": timedelta(days=1),
}

# How rows arrive: into a table with a key, whose rows may change, or only be added; or into one without.
TARGETS: dict[str, dict[str, Any]] = {
    "merge": {"mode": "merge", "id": KEY},
    "append with a key": {"mode": "append", "id": KEY},
    "append without a key": {"mode": "append", "id": BigInt},
}


class Table:
    """raw.d (id, v, at) and a job over it whose window is `at`."""

    def __init__(
        self, make: Callable[..., Any], sql_type: str, declared: Any, into: str, **window: Any
    ) -> None:
        target = TARGETS[into]
        self.stand = make(
            "select id, v, at from raw.d",
            columns={"id": target["id"], "v": Text | None, "at": declared | None},
            mode=target["mode"],
            incremental=Incremental(column="at", **window),
        )
        self.stand.do(f"create table raw.d (id bigint, v text, at {sql_type})")

    def insert(self, *rows: tuple[int, str, str | None]) -> None:
        with psycopg.connect(self.stand.origin) as session:
            session.cursor().executemany("insert into raw.d values (%s, %s, %s)", rows)

    def run(self) -> LoadCounts:
        counts: LoadCounts = self.stand.run()
        return counts

    def lower(self) -> str | None:
        """Where the next window would begin."""
        window = plan_job(self.stand.job, project=self.stand.project).targets[0].read.window
        assert isinstance(window, ColumnRange)
        return window.lower


@pytest.fixture(params=PRECISIONS)
def precision(request: pytest.FixtureRequest) -> str:
    """How exactly moments are told apart."""
    return str(request.param)


@pytest.fixture(params=TARGETS)
def into(request: pytest.FixtureRequest) -> str:
    """The kind of target."""
    return str(request.param)


def test_rows_on_the_watermark_itself_are_found_whenever_they_commit(
    stand: Callable[..., Any], precision: str, into: str
) -> None:
    sql_type, declared, moments = PRECISIONS[precision]
    table = Table(stand, sql_type, declared, into)
    table.insert((1, "a", moments[0]), (2, "b", moments[2]))
    assert table.run().inserted == 2
    table.insert((3, "a tie", moments[2]))
    with psycopg.connect(table.stand.origin) as late:
        late.execute("insert into raw.d values (4, 'a late tie', %s)", (moments[2],))
        counts = table.run()
        assert (counts.read, counts.inserted, counts.unchanged) == (2, 1, 1)
        late.commit()
    counts = table.run()
    assert (counts.read, counts.inserted, counts.unchanged) == (3, 1, 2)
    assert table.stand.held() == [(1, "a"), (2, "b"), (3, "a tie"), (4, "a late tie")]


def test_a_late_commit_within_the_lookback_is_found_and_one_below_it_is_not(
    stand: Callable[..., Any], precision: str, into: str
) -> None:
    sql_type, declared, moments = PRECISIONS[precision]
    table = Table(stand, sql_type, declared, into, lookback=LOOKBACK[precision])
    table.insert((1, "a", moments[2]))
    with psycopg.connect(table.stand.origin) as late:
        late.execute("insert into raw.d values (2, 'within', %s)", (moments[1],))
        late.execute("insert into raw.d values (3, 'below', %s)", (moments[0],))
        assert table.run().inserted == 1
        late.commit()
    counts = table.run()
    assert (counts.read, counts.inserted, counts.unchanged) == (2, 1, 1)
    assert table.stand.held() == [(1, "a"), (2, "within")]
    notes = plan_job(table.stand.job, project=table.stand.project).targets[0].notes
    below = f"more than {LOOKBACK[precision]} below"
    assert notes == (f"a row whose at lies {below} the watermark when it commits is not seen",)


def test_a_changed_row_on_the_watermark_is_merged_and_otherwise_left(
    stand: Callable[..., Any], precision: str, into: str
) -> None:
    sql_type, declared, moments = PRECISIONS[precision]
    table = Table(stand, sql_type, declared, into)
    table.insert((1, "a", moments[1]), (2, "b", moments[2]))
    table.run()
    table.stand.do("update raw.d set v = 'new' where id = 2")
    table.run()
    held = {
        "merge": [(1, "a"), (2, "new")],
        "append with a key": [(1, "a"), (2, "b")],
        "append without a key": [(1, "a"), (2, "b"), (2, "new")],  # nothing says that it is the same row
    }
    assert table.stand.held() == held[into]


def test_twins_on_the_watermark_are_added_as_often_as_they_stand(
    stand: Callable[..., Any], precision: str
) -> None:
    sql_type, declared, moments = PRECISIONS[precision]
    table = Table(stand, sql_type, declared, "append without a key")
    table.insert((1, "a", moments[2]), (1, "a", moments[2]))
    assert table.run().inserted == 2
    table.insert((1, "a", moments[2]))
    counts = table.run()
    assert (counts.read, counts.inserted, counts.unchanged) == (3, 1, 2)
    assert table.stand.held() == [(1, "a")] * 3
    assert table.run().inserted == 0


def test_a_row_below_the_watermark_does_not_move_it_back(
    stand: Callable[..., Any], precision: str, into: str
) -> None:
    sql_type, declared, moments = PRECISIONS[precision]
    table = Table(stand, sql_type, declared, into, lookback=LOOKBACK[precision])
    table.insert((1, "a", moments[2]))
    table.run()
    before = table.lower()
    table.stand.do("delete from raw.d")
    table.insert((2, "b", moments[1]))
    assert table.run().read == 1
    assert table.lower() == before


# Values that no watermark passes, per type that has them.
ENDLESS: list[tuple[str, Any, str, str | None]] = [
    ("date", Date, "2024-05-01", None),
    ("date", Date, "2024-05-01", "infinity"),
    ("date", Date, "2024-05-01", "-infinity"),
    ("timestamp(0)", Timestamp, "2024-05-01", None),
    ("timestamp(0)", Timestamp, "2024-05-01", "infinity"),
    ("timestamptz", TimestampTZ, "2024-05-01Z", None),
    ("timestamptz", TimestampTZ, "2024-05-01Z", "-infinity"),
    ("double precision", Double, "1.5", None),
    ("double precision", Double, "1.5", "NaN"),
    ("double precision", Double, "1.5", "Infinity"),
    ("numeric", Numeric, "1.5", "NaN"),
    ("numeric", Numeric, "1.5", "-Infinity"),
]


@pytest.mark.parametrize("path", ["stream"])
@pytest.mark.parametrize(("sql_type", "declared", "value", "endless"), ENDLESS)
def test_a_value_that_no_watermark_passes_stops_the_run_until_it_is_mended(
    stand: Callable[..., Any], into: str, sql_type: str, declared: Any, value: str, endless: str | None
) -> None:
    table = Table(stand, sql_type, declared, into)
    table.insert((1, "a", value))
    table.run()
    before = table.lower()
    table.insert((2, "b", value), (3, "odd", endless))
    with pytest.raises(
        RunError, match=f"window column 'at': no watermark can pass the value: {endless or 'NULL'}"
    ):
        table.run()
    assert table.stand.held() == [(1, "a")]
    assert table.lower() == before
    with psycopg.connect(table.stand.origin) as session:
        session.execute("update raw.d set at = %s where id = 3", (value,))
    assert table.run().inserted == 2
    assert table.stand.held() == [(1, "a"), (2, "b"), (3, "odd")]


@pytest.mark.parametrize("path", ["inside"])
@pytest.mark.parametrize(("sql_type", "declared", "value", "endless"), ENDLESS)
def test_such_a_value_stops_a_first_run_too(
    stand: Callable[..., Any], into: str, sql_type: str, declared: Any, value: str, endless: str | None
) -> None:
    table = Table(stand, sql_type, declared, into)
    table.insert((1, "a", value), (2, "odd", endless))
    with pytest.raises(RunError, match="no watermark can pass the value"):
        table.run()
    with psycopg.connect(table.stand.target) as session:
        gone = session.execute(sql.SQL("select to_regclass('analytics.t') is null")).fetchone()
    assert gone == (True,)


def test_a_source_of_nothing_but_such_values_stops_the_run(stand: Callable[..., Any], into: str) -> None:
    table = Table(stand, "date", Date, into)
    table.insert((1, "odd", None), (2, "odd", None))
    with pytest.raises(RunError, match="no watermark can pass the value: NULL"):
        table.run()
