"""Changing a live Delta table: new columns with the rows, and for all else what a person could run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from ematix_flow.errors import RunError
from ematix_flow.migration import Drift, Migration, diff
from ematix_flow.plan import AddRows
from ematix_flow.spec import Column, Table
from ematix_flow.state import Watermark
from ematix_flow.types import DataType, Decimal, ListOf, Scalar

ROWS = [1, 100_000]
ID = Column(name="id", type=Scalar.BIGINT, nullable=False, primary_key=True)
V = Column(name="v", type=Scalar.TEXT)


def table(*columns: Column, name: str = "t", schema: str = "shop") -> Table:
    return Table(schema=schema, name=name, columns=(ID, *columns))


def fill(lake: Any, live: Table, rows: int, **values: Any) -> None:
    lake.load(live, AddRows(), [{"id": number, **values} for number in range(1, rows + 1)])


def migration(lake: Any, declared: Table) -> Migration:
    with lake.sink() as sink:
        return diff(sink.observe(declared), ())


def remedy(lake: Any, declared: Table, drifts: tuple[Drift, ...]) -> tuple[str, ...]:
    with lake.sink() as sink:
        sink.observe(declared)
        return tuple(sink.remedy(drifts))


def held(lake: Any, declared: Table, column: str) -> set[Any]:
    return set(pa.RecordBatchReader.from_stream(lake.handle(declared).scan()).read_all()[column].to_pylist())


# --- with the rows ------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", ROWS)
def test_a_nullable_column_is_added_with_the_rows_and_no_file_is_rewritten(lake: Any, rows: int) -> None:
    fill(lake, table(V), rows, v="x")
    files = set(lake.handle(table()).file_uris())
    wider = table(V, Column(name="w", type=Scalar.INTEGER, comment="how many"))
    (step,) = migration(lake, wider).steps
    assert str(step) == "add column w Integer"
    lake.load(wider, AddRows(), [{"id": 0, "v": None, "w": 7}])
    assert files < set(lake.handle(table()).file_uris())
    assert held(lake, wider, "w") == {None, 7}
    assert migration(lake, wider) == Migration()


def test_a_comment_that_differs_is_no_reason_for_a_commit(lake: Any) -> None:
    fill(lake, table(V), 1, v="x")
    assert migration(lake, replace(table(replace(V, comment="new")), comment="All.")) == Migration()


def test_a_default_is_not_stored_and_no_difference(lake: Any) -> None:
    declared = table(replace(V, nullable=False, default="EU"))
    fill(lake, declared, 1, v="x")
    assert migration(lake, declared) == Migration()


# --- left to a person ---------------------------------------------------------------------------------

_NO_REWRITE = (
    "; a load adds nullable columns to a Delta table, and rewrites it only to widen a type, where on_drift='rewrite' "
    "says so"
)
DRIFTS: dict[str, tuple[Column | None, Any, Column | None, list[str], Any]] = {
    # the live column, its value, the declared column, the differences, what rows hold after the remedy
    "wider": (
        replace(V, type=Scalar.INTEGER),
        5,
        replace(V, type=Scalar.BIGINT),
        [f"column v is Integer, declared BigInt{_NO_REWRITE}"],
        5,
    ),
    "narrower": (
        replace(V, type=Scalar.BIGINT),
        5,
        replace(V, type=Scalar.INTEGER),
        ["column v is BigInt, declared Integer"],
        5,
    ),
    "NULL declared": (
        replace(V, nullable=False),
        "x",
        V,
        [f"column v is NOT NULL, declared nullable{_NO_REWRITE}"],
        "x",
    ),
    "NULL refused": (V, "x", replace(V, nullable=False), ["column v is nullable, declared NOT NULL"], "x"),
    "missing with a default": (
        None,
        None,
        replace(V, nullable=False, default="E'U"),
        [f"column v is missing{_NO_REWRITE}"],
        "E'U",
    ),
    "dropped": (
        replace(V, nullable=False),
        "x",
        None,
        ["column v is NOT NULL and not declared, so no row could be added"],
        "x",
    ),
}


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("case", DRIFTS)
def test_drift_says_what_a_person_could_run(lake: Any, case: str, rows: int) -> None:
    live, value, column, differences, after = DRIFTS[case]
    held_before, declared = table(*([live] if live else [])), table(*([column] if column else []))
    fill(lake, held_before, rows, **({"v": value} if live else {}))
    found = migration(lake, declared)
    assert [drift.text for drift in found.drifts] == differences
    exec("\n".join(remedy(lake, declared, found.drifts)), {})  # noqa: S102  # as a person would
    assert migration(lake, declared) == Migration()
    assert lake.handle(declared).count() == rows
    assert held(lake, declared, "v") == {after}
    lake.load(declared, AddRows(), [{"id": 0} | ({"v": after} if column else {})])
    assert lake.handle(declared).count() == rows + 1


NEW: list[DataType] = [
    *(each for each in Scalar if each is not Scalar.INTERVAL),
    Decimal(38, 4),
    ListOf(Scalar.TEXT),
    ListOf(Decimal(5, 2)),
]


@pytest.mark.parametrize("type_", NEW, ids=str)
def test_a_column_of_any_type_that_refuses_null_is_added_by_a_person(lake: Any, type_: DataType) -> None:
    fill(lake, table(), 2)
    declared = table(Column(name='a "column"', type=type_, nullable=False, comment="it's new"))
    found = migration(lake, declared)
    exec("\n".join(remedy(lake, declared, found.drifts)), {})  # noqa: S102  # as a person would
    assert migration(lake, declared) == Migration()
    assert lake.handle(declared).count() == 2


def test_a_watermark_survives_what_a_person_runs(lake: Any) -> None:
    mark = Watermark(cursor="id", value="7", type=Scalar.BIGINT)
    live = table(replace(V, type=Scalar.INTEGER))
    lake.load(live, AddRows(), [{"id": 1, "v": 1}], watermark=mark)
    declared = table(replace(V, type=Scalar.BIGINT))
    exec("\n".join(remedy(lake, declared, migration(lake, declared).drifts)), {})  # noqa: S102  # as a person would
    assert lake.stored(declared, "id", mark) == "7"


# --- all or nothing -----------------------------------------------------------------------------------


def test_a_load_that_fails_leaves_the_table_without_its_new_column(
    lake: Any, plan_for: Any, as_batches: Any
) -> None:
    fill(lake, table(V), 1, v="x")
    version = lake.version(table())
    wider = table(V, Column(name="w", type=Scalar.INTEGER))

    def broken() -> Any:
        yield [{"id": 2, "v": "y", "w": 1}]
        raise RunError(job="load_orders", reason="the source is gone")

    with lake.sink() as sink:
        plan = plan_for(sink.observe(wider), wider, AddRows())
        with pytest.raises(RunError, match="the source is gone"):
            sink.load(plan, as_batches(plan, broken()))
    assert lake.version(table()) == version
    assert [field.name for field in lake.handle(table()).schema().fields] == ["id", "v"]


# --- names --------------------------------------------------------------------------------------------

NAMES = ["Capital", "select", "two words", 'a "quote"', "it's", "a.b", "Größe", "日本語", "a-b", "n" * 63]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_created_widened_and_loaded(lake: Any, name: str) -> None:
    first = Column(name=name, type=Scalar.INTEGER)
    added = Column(name=f"{name[:-1]}2", type=Scalar.TEXT)
    narrow, wide = table(first, name=name, schema=name), table(first, added, name=name, schema=name)
    lake.load(narrow, AddRows(), [{"id": 1, name: 5}])
    lake.load(wide, AddRows(), [{"id": 2, name: None, added.name: "x"}])
    rows: list[Mapping[str, Any]] = lake.rows(wide)
    assert rows == [{"id": 1, name: 5, added.name: None}, {"id": 2, name: None, added.name: "x"}]
