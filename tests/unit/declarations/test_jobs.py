"""What a job's decorator declares."""
# ruff: noqa: N801 - a connection is called like its class

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Any

import pytest

from ematix_flow import Append, Incremental, Job, Project, Target, Truncate, natural_key, pk, spec, table_of
from ematix_flow.spec import Automatic, Deletes, EveryRow, LoadMode, Merge, Scd2
from ematix_flow.types import BigInt, Text, TimestampTZ

ematix = Project()


@ematix.connection
class warehouse:
    kind = "postgres"
    url = "${WAREHOUSE_DSN}"


@ematix.connection
class lake:
    kind = "delta"
    url = "/srv/lake"


@ematix.table(schema="shop")
class Orders:
    order_id: Annotated[BigInt, pk()]
    receipt: Annotated[Text, natural_key()]


@ematix.table(schema="shop")
class Lines:
    order_id: Annotated[BigInt, pk()]
    line: Annotated[BigInt, pk()]


@ematix.table(schema="shop")
class Clicks:
    path: Text


@ematix.table(schema="shop")
class Prices:
    product: Annotated[Text, pk()]
    price: BigInt
    set_at: TimestampTZ


def select(conn: object) -> str:
    """Read what there is."""
    return "select 1"


def batches() -> Iterator[object]:
    yield from ()


def job(body: Callable[..., Any] = select, **words: Any) -> Job:
    """The job that these words declare, in a project of its own; its target is Lines unless they say another."""
    if "targets" not in words:
        words = {"target": Lines, **words}
    return Project().job(**words)(body)


# --- defaults, and words taken as they are -----------------------------------------------------------


def test_a_job_of_few_words() -> None:
    assert job() == Job(
        name="select",
        body=select,
        targets=(
            spec.Target(table=table_of(Lines), connection=None, mode=Append(keys=("order_id", "line"))),
        ),
        description="Read what there is.",
    )


def test_a_job_of_many_words() -> None:
    upstream = job(name="upstream")
    assert job(
        name="load",
        target=Clicks,
        target_connection="lake",
        source_connection=warehouse,
        mode="truncate",
        schedule="*/5 * * * *",
        timezone="Europe/Berlin",
        depends_on=[upstream, "other"],
        sources="raw.clicks",
        description="Clicks, as they came.",
        group="web/raw",
        owners=["team:web", "ann@shop.example"],
        tags={"tier": "one", "shop/tier": ""},
    ) == Job(
        name="load",
        body=select,
        targets=(spec.Target(table=table_of(Clicks), connection="lake", mode=Truncate()),),
        source="warehouse",
        schedule="*/5 * * * *",
        timezone="Europe/Berlin",
        depends_on=("upstream", "other"),
        sources=("raw.clicks",),
        description="Clicks, as they came.",
        group="web/raw",
        owners=("team:web", "ann@shop.example"),
        tags=(("tier", "one"), ("shop/tier", "")),
    )


def test_pipeline_is_the_same_decorator() -> None:
    assert Project().pipeline("load", target=Lines)(select) == Project().job("load", target=Lines)(select)


def test_calling_the_job_calls_the_body() -> None:
    assert job()("conn") == "select 1"


@pytest.mark.parametrize("alone", ["other", job(name="other")], ids=["a name", "a job"])
def test_depends_on_takes_one_job_alone(alone: object) -> None:
    assert job(depends_on=alone).depends_on == ("other",)


BODIES: dict[str, Callable[..., Any]] = {
    "no parameter": lambda: "select 1",
    "one": lambda conn: "select 1",
    "one with a default": lambda conn=None: "select 1",
    "others have defaults": lambda conn, day=1: "select 1",
    "any": lambda *args: "select 1",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_takes_nothing_or_the_connection(body: Callable[..., Any]) -> None:
    assert job(body, name="load").body is body


@pytest.mark.parametrize(
    "schedule",
    [
        "*/5 * * * *",
        "0 6 * * MON-FRI",
        "0 0 29 2 *",
        "0 0 L * *",
        "0 0 * * 1#3",
        "0 0 30 2,3 *",
        "@hourly",
        "@daily",
        "@midnight",
        "@weekly",
        "@monthly",
        "@yearly",
        "@annually",
    ],
)
def test_a_schedule_that_comes_is_taken(schedule: str) -> None:
    assert job(schedule=schedule).schedule == schedule


# --- keys --------------------------------------------------------------------------------------------


def test_the_keys_given_come_first() -> None:
    (target,) = job(target=Orders, keys="order_id").targets
    assert target.mode == Append(keys=("order_id",))


def test_the_keys_of_a_mode_object_count_as_given() -> None:
    (target,) = job(target=Orders, mode=Append(keys=("order_id",))).targets
    assert target.mode == Append(keys=("order_id",))


def test_a_natural_key_comes_before_the_primary_key() -> None:
    (target,) = job(target=Orders).targets
    assert target.mode == Append(keys=("receipt",))


def test_a_primary_key_comes_in_the_order_of_its_columns() -> None:
    (target,) = job(target=Lines, mode="truncate").targets
    assert target.mode == Truncate(keys=("order_id", "line"))


# --- modes -------------------------------------------------------------------------------------------

KEY = ("product",)
MODES: Mapping[str, tuple[Any, LoadMode]] = {
    "merge": ("merge", Merge(keys=KEY)),
    "scd1, merge's old name": ("scd1", Merge(keys=KEY)),
    "scd2": ("scd2", Scd2(keys=KEY)),
    "a merge of one column": (Merge(update="price"), Merge(keys=KEY, update=("price",))),
    "a list of columns": (Merge(update=["price", "set_at"]), Merge(keys=KEY, update=("price", "set_at"))),
    "hard deletes in a word": (Merge(deletes="hard"), Merge(keys=KEY, deletes=Deletes.HARD)),
    "soft deletes": (Merge(deletes=Deletes.SOFT), Merge(keys=KEY, deletes=Deletes.SOFT)),
    "an empty source that is meant": (
        Merge(deletes="hard", allow_empty_source=True),
        Merge(keys=KEY, deletes=Deletes.HARD, allow_empty_source=True),
    ),
    "a history by event time": (Scd2(valid_from="set_at"), Scd2(keys=KEY, valid_from="set_at")),
    "a history of one column": (Scd2(compare="price"), Scd2(keys=KEY, compare=("price",))),
    "a history that closes": (Scd2(deletes="soft"), Scd2(keys=KEY, deletes=Deletes.SOFT)),
}


@pytest.mark.parametrize(("written", "meant"), MODES.values(), ids=MODES)
def test_what_a_mode_means(written: Any, meant: LoadMode) -> None:
    (target,) = job(target=Prices, mode=written).targets
    assert target.mode == meant


def test_one_key_of_a_mode_object_needs_no_list() -> None:
    (target,) = job(target=Prices, mode=Merge(keys="set_at")).targets
    assert target.mode == Merge(keys=("set_at",))


# --- incremental -------------------------------------------------------------------------------------

INCREMENTS = {
    "nothing": (None, Automatic()),
    "False": (False, EveryRow()),
    "a column": ("seen_at", Incremental(column="seen_at")),
    "an object": (
        Incremental(column="seen_at", lookback=timedelta(hours=1)),
        Incremental(column="seen_at", lookback=timedelta(hours=1)),
    ),
}


@pytest.mark.parametrize(("written", "meant"), INCREMENTS.values(), ids=INCREMENTS)
def test_what_incremental_means(written: Any, meant: spec.Increment) -> None:
    assert job(incremental=written).increment == meant


def test_reading_every_row_goes_with_truncate() -> None:
    assert job(mode="truncate", incremental=False).increment == EveryRow()


@pytest.mark.parametrize("incremental", ["seen_at", False])
def test_a_keyless_append_with_a_word_on_what_to_read_is_fine(incremental: Any) -> None:
    (target,) = job(target=Clicks, incremental=incremental).targets
    assert target.mode == Append()


def test_a_generator_may_append_to_a_keyless_table() -> None:
    assert job(batches, target=Clicks).increment == Automatic()


# --- targets -----------------------------------------------------------------------------------------

CONNECTIONS: Mapping[str, tuple[Any, list[str | None]]] = {
    "nothing": (None, [None, None]),
    "a name": ("lake", ["lake", "lake"]),
    "a class": (lake, ["lake", "lake"]),
    "a dict by short names": ({"orders": "warehouse", "lines": "lake"}, ["warehouse", "lake"]),
    "a dict by full names, of classes": (
        {"shop.lines": lake, "shop.orders": warehouse},
        ["warehouse", "lake"],
    ),
}


@pytest.mark.parametrize(("written", "names"), CONNECTIONS.values(), ids=CONNECTIONS)
def test_the_connections_of_two_targets(written: Any, names: list[str | None]) -> None:
    targets = job(targets=[Orders, Lines], target_connection=written).targets
    assert [target.connection for target in targets] == names


def test_a_full_name_tells_two_tables_of_one_name_apart() -> None:
    @Project().table(schema="old", name="orders")
    class OldOrders:
        order_id: Annotated[BigInt, pk()]

    targets = job(
        targets=[Orders, OldOrders], target_connection={"shop.orders": "warehouse", "old.orders": "lake"}
    ).targets
    assert [target.connection for target in targets] == ["warehouse", "lake"]


def test_a_target_of_its_own_words_differs_from_the_others() -> None:
    targets = job(
        targets=[Lines, Target(Lines, connection=lake, mode="truncate")], target_connection="warehouse"
    ).targets
    table = table_of(Lines)
    keys = ("order_id", "line")
    assert targets == (
        spec.Target(table=table, connection="warehouse", mode=Append(keys=keys)),
        spec.Target(table=table, connection="lake", mode=Truncate(keys=keys)),
    )


def test_a_dict_need_not_name_a_target_that_names_its_own_connection() -> None:
    targets = job(
        targets=[Orders, Target(Lines, connection="lake")], target_connection={"orders": "warehouse"}
    ).targets
    assert [target.connection for target in targets] == ["warehouse", "lake"]
