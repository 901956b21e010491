"""The meaning of the modes: each rule of `load_rows` with exact values, and the laws that hold whatever is loaded."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ematix_flow import Job, PlanError, Project, default, pk
from ematix_flow.results import LoadCounts
from ematix_flow.spec import Append, Deletes, LoadMode, Merge, Scd2, Truncate
from ematix_flow.testing import DuplicateKey, EmptySource, Loaded, MemoryBackend, NullKey, UnfitRow, load_rows
from ematix_flow.types import BigInt, Text

KEY = ("id",)
ROW = dict[str, Any]


def at(hour: int) -> datetime:
    """So many hours after the day began on which all of this takes place."""
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hour)


def row(id_: int | None, v: str | None, **more: Any) -> ROW:
    return {"id": id_, "v": v, **more}


def version(id_: int, v: str | None, since: int, until: int | None = None, **more: Any) -> ROW:
    """A version that holds from one hour to another, or until now."""
    held_until = None if until is None else at(until)
    return row(id_, v, **more, valid_from=at(since), valid_to=held_until, is_current=until is None)


def seen(id_: int, v: str | None, hour: int) -> ROW:
    """An observation that says itself since when it holds."""
    return row(id_, v, at=at(hour))


def event(id_: int, v: str | None, since: int, until: int | None = None) -> ROW:
    """A version that came of `seen(id_, v, since)`."""
    return version(id_, v, since, until, at=at(since))


def loaded(rows: Iterable[ROW], **counts: int) -> Loaded:
    return Loaded(tuple(rows), LoadCounts(**counts))


def runs(mode: LoadMode, *reads: Sequence[ROW]) -> tuple[Any, ...]:
    """The rows that runs at 1, 2, 3, … o'clock leave, one after the other."""
    held: tuple[Any, ...] = ()
    for hour, read in enumerate(reads, start=1):
        held = load_rows(mode, held, read, at(hour)).rows
    return held


# --- append -------------------------------------------------------------------------------------------


def test_a_keyless_append_adds_every_row_again() -> None:
    held = [row(1, "a")]
    assert load_rows(Append(), held, [row(1, "a"), row(None, None)], at(1)) == loaded(
        [row(1, "a"), row(1, "a"), row(None, None)], read=2, inserted=2
    )


def test_a_keyed_append_leaves_a_row_alone_whose_key_is_there() -> None:
    held = [row(1, "old")]
    assert load_rows(Append(keys=KEY), held, [row(1, "new"), row(2, "b")], at(1)) == loaded(
        [row(1, "old"), row(2, "b")], read=2, inserted=1, unchanged=1
    )


# --- truncate -----------------------------------------------------------------------------------------


def test_truncate_makes_the_target_the_source() -> None:
    held = [row(1, "a"), row(2, "b")]
    assert load_rows(Truncate(), held, [row(2, "b"), row(2, "b")], at(1)) == loaded(
        [row(2, "b"), row(2, "b")], read=2, inserted=2, deleted=2
    )


def test_truncate_by_an_empty_source_empties_the_target() -> None:
    assert load_rows(Truncate(keys=KEY), [row(1, "a")], [], at(1)) == loaded([], deleted=1)


# --- merge --------------------------------------------------------------------------------------------


def test_merge_inserts_updates_and_leaves_alone() -> None:
    held = [row(1, "a"), row(2, "b"), row(3, "c")]
    read = [row(2, "b"), row(3, "new"), row(4, "d")]
    assert load_rows(Merge(keys=KEY), held, read, at(1)) == loaded(
        [row(1, "a"), row(2, "b"), row(3, "new"), row(4, "d")], read=3, inserted=1, updated=1, unchanged=1
    )


def test_null_is_a_value_like_any_other() -> None:
    held = [row(1, None), row(2, None), row(3, "c")]
    read = [row(1, None), row(2, "b"), row(3, None)]
    assert load_rows(Merge(keys=KEY), held, read, at(1)) == loaded(
        [row(1, None), row(2, "b"), row(3, None)], read=3, updated=2, unchanged=1
    )


def test_update_restricts_what_is_compared_and_set() -> None:
    held = [row(1, "a", note="x"), row(2, "b", note="x")]
    read = [row(1, "a", note="y"), row(2, "new", note="y"), row(3, "c", note="y")]
    assert load_rows(Merge(keys=KEY, update=("v",)), held, read, at(1)) == loaded(
        [row(1, "a", note="x"), row(2, "new", note="x"), row(3, "c", note="y")],
        read=3,
        inserted=1,
        updated=1,
        unchanged=1,
    )


def test_a_hard_delete_takes_what_was_not_read() -> None:
    held = [row(1, "a"), row(2, "b")]
    assert load_rows(Merge(keys=KEY, deletes=Deletes.HARD), held, [row(2, "b")], at(1)) == loaded(
        [row(2, "b")], read=1, unchanged=1, deleted=1
    )


def test_a_soft_delete_marks_what_was_not_read_once() -> None:
    mode = Merge(keys=KEY, deletes=Deletes.SOFT)
    held = [row(1, "a", deleted_at=None), row(2, "b", deleted_at=at(1))]
    assert load_rows(mode, held, [row(3, "c")], at(2)) == loaded(
        [row(1, "a", deleted_at=at(2)), row(2, "b", deleted_at=at(1)), row(3, "c", deleted_at=None)],
        read=1,
        inserted=1,
        deleted=1,
    )


def test_a_row_that_is_found_again_loses_its_mark() -> None:
    mode = Merge(keys=KEY, deletes=Deletes.SOFT)
    held = [row(1, "a", deleted_at=at(1)), row(2, "b", deleted_at=None)]
    assert load_rows(mode, held, [row(1, "a"), row(2, "b")], at(2)) == loaded(
        [row(1, "a", deleted_at=None), row(2, "b", deleted_at=None)], read=2, updated=1, unchanged=1
    )


# --- scd2 by the clock --------------------------------------------------------------------------------


def test_a_history_starts_with_a_version_of_each_row() -> None:
    assert load_rows(Scd2(keys=KEY), [], [row(1, "a"), row(2, None)], at(1)) == loaded(
        [version(1, "a", since=1), version(2, None, since=1)], read=2, inserted=2
    )


def test_a_change_closes_one_version_and_opens_another() -> None:
    held = [version(1, "a", since=1), version(2, "b", since=1)]
    assert load_rows(Scd2(keys=KEY), held, [row(1, "new"), row(2, "b")], at(2)) == loaded(
        [version(1, "a", since=1, until=2), version(1, "new", since=2), version(2, "b", since=1)],
        read=2,
        inserted=1,
        unchanged=1,
        closed=1,
    )


def test_there_and_back_again_makes_three_versions() -> None:
    assert runs(Scd2(keys=KEY), [row(1, "a")], [row(1, "b")], [row(1, "a")]) == (
        version(1, "a", since=1, until=2),
        version(1, "b", since=2, until=3),
        version(1, "a", since=3),
    )


def test_nothing_and_null_are_told_apart() -> None:
    assert runs(Scd2(keys=KEY), [row(1, None)], [row(1, None)], [row(1, "")]) == (
        version(1, None, since=1, until=3),
        version(1, "", since=3),
    )


def test_a_version_starts_after_all_that_is_known_of_its_key() -> None:
    held = [version(1, "a", since=5)]
    until = at(5) + timedelta(microseconds=1)
    assert load_rows(Scd2(keys=KEY), held, [row(1, "b")], at(2)).rows == (
        {**version(1, "a", since=5), "valid_to": until, "is_current": False},
        {**version(1, "b", since=5), "valid_from": until},
    )


def test_compare_restricts_what_makes_a_version() -> None:
    held = [version(1, "a", since=1, note="x"), version(2, "b", since=1, note="x")]
    read = [row(1, "a", note="y"), row(2, "new", note="y")]
    assert load_rows(Scd2(keys=KEY, compare=("v",)), held, read, at(2)) == loaded(
        [
            version(1, "a", since=1, note="x"),
            version(2, "b", since=1, until=2, note="x"),
            version(2, "new", since=2, note="y"),
        ],
        read=2,
        inserted=1,
        unchanged=1,
        closed=1,
    )


def test_a_history_without_deletes_keeps_what_was_not_read() -> None:
    held = [version(1, "a", since=1)]
    assert load_rows(Scd2(keys=KEY), held, [], at(2)) == loaded(held)


def test_a_soft_delete_closes_what_was_not_read() -> None:
    mode = Scd2(keys=KEY, deletes=Deletes.SOFT)
    held = [version(1, "a", since=1, until=2), version(1, "b", since=2), version(2, "c", since=1)]
    assert load_rows(mode, held, [row(2, "c")], at(3)) == loaded(
        [version(1, "a", since=1, until=2), version(1, "b", since=2, until=3), version(2, "c", since=1)],
        read=1,
        unchanged=1,
        closed=1,
    )


def test_a_version_that_is_closed_stays_closed_at_its_time() -> None:
    mode = Scd2(keys=KEY, deletes=Deletes.SOFT)
    held = [version(1, "a", since=1, until=2)]
    assert load_rows(mode, held, [row(2, "b")], at(3)) == loaded(
        [version(1, "a", since=1, until=2), version(2, "b", since=3)], read=1, inserted=1
    )


@pytest.mark.parametrize("v", ["a", "b"], ids=["as it was", "changed"])
def test_a_row_that_reappears_leaves_a_gap(v: str) -> None:
    mode = Scd2(keys=KEY, deletes=Deletes.SOFT)
    held = [version(1, "a", since=1, until=2)]
    assert load_rows(mode, held, [row(1, v)], at(3)) == loaded(
        [version(1, "a", since=1, until=2), version(1, v, since=3)], read=1, inserted=1
    )


# --- scd2 by the rows' own time -----------------------------------------------------------------------

BY_TIME = Scd2(keys=KEY, valid_from="at")


def test_several_versions_in_one_read_all_become_history_in_the_order_of_their_time() -> None:
    read = [seen(1, "c", 3), seen(1, "a", 1), seen(1, "b", 2)]
    assert load_rows(BY_TIME, [], read, at(9)) == loaded(
        [event(1, "a", 1, 2), event(1, "b", 2, 3), event(1, "c", 3)], read=3, inserted=3
    )


def test_an_observation_that_says_nothing_new_leaves_no_trace() -> None:
    assert load_rows(BY_TIME, [event(1, "a", 1)], [seen(1, "a", 3)], at(9)) == loaded(
        [event(1, "a", 1)], read=1, unchanged=1
    )


def test_a_late_version_is_spliced_into_its_place() -> None:
    held = [event(1, "a", 1, 5), event(1, "c", 5)]
    assert load_rows(BY_TIME, held, [seen(1, "b", 3)], at(9)) == loaded(
        [event(1, "a", 1, 3), event(1, "b", 3, 5), event(1, "c", 5)], read=1, inserted=1
    )


def test_a_version_before_all_others_ends_where_they_begin() -> None:
    assert load_rows(BY_TIME, [event(1, "b", 5)], [seen(1, "a", 3)], at(9)) == loaded(
        [event(1, "a", 3, 5), event(1, "b", 5)], read=1, inserted=1
    )


def test_a_late_version_may_equal_the_one_after_it() -> None:
    held = [event(1, "a", 1, 5), event(1, "b", 5)]
    assert load_rows(BY_TIME, held, [seen(1, "b", 3)], at(9)).rows == (
        event(1, "a", 1, 3),
        event(1, "b", 3, 5),
        event(1, "b", 5),
    )


def test_the_same_instant_with_other_values_corrects_the_version_in_place() -> None:
    held = [event(1, "a", 1, 5), event(1, "b", 5)]
    assert load_rows(BY_TIME, held, [seen(1, "x", 1)], at(9)) == loaded(
        [event(1, "x", 1, 5), event(1, "b", 5)], read=1, updated=1
    )


def test_a_correction_is_what_later_observations_are_compared_with() -> None:
    held = [event(1, "a", 1)]
    assert load_rows(BY_TIME, held, [seen(1, "x", 1), seen(1, "x", 2)], at(9)) == loaded(
        [event(1, "x", 1)], read=2, updated=1, unchanged=1
    )


def test_what_is_gone_is_closed_by_the_clock() -> None:
    mode = Scd2(keys=KEY, valid_from="at", deletes=Deletes.SOFT)
    held = [event(1, "a", 1), event(2, "b", 1)]
    assert load_rows(mode, held, [seen(2, "b", 1)], at(9)) == loaded(
        [event(1, "a", 1, 9), event(2, "b", 1)], read=1, unchanged=1, closed=1
    )


def test_a_version_in_a_gap_holds_until_what_follows() -> None:
    held = [event(1, "a", 1, 2), event(1, "b", 5)]
    assert load_rows(BY_TIME, held, [seen(1, "a", 3)], at(9)) == loaded(
        [event(1, "a", 1, 2), event(1, "a", 3, 5), event(1, "b", 5)], read=1, inserted=1
    )


def test_a_version_that_is_over_does_not_end_again() -> None:
    held = [event(1, "a", 1, 5)]
    assert load_rows(BY_TIME, held, [seen(1, "b", 3)], at(9)) == loaded(
        [event(1, "a", 1, 3), event(1, "b", 3, 5)], read=1, inserted=1
    )


# --- keys ---------------------------------------------------------------------------------------------

KEYED = [Append(keys=KEY), Truncate(keys=KEY), Merge(keys=KEY), Scd2(keys=KEY)]


@pytest.mark.parametrize("mode", KEYED)
def test_a_null_in_a_key_is_refused(mode: LoadMode) -> None:
    with pytest.raises(NullKey):
        load_rows(mode, [], [row(1, "a"), row(None, "b")], at(1))


@pytest.mark.parametrize("mode", KEYED)
def test_different_rows_of_one_key_are_refused(mode: LoadMode) -> None:
    with pytest.raises(DuplicateKey):
        load_rows(mode, [], [row(1, "a"), row(1, "b")], at(1))


@pytest.mark.parametrize("mode", KEYED)
def test_identical_rows_of_one_key_count_once(mode: LoadMode) -> None:
    found = load_rows(mode, [], [row(1, "a"), row(1, "a")], at(1))
    assert [each["id"] for each in found.rows] == [1]
    assert found.counts == LoadCounts(read=2, inserted=1, unchanged=1)


def test_a_version_is_told_apart_by_its_instant_too() -> None:
    with pytest.raises(DuplicateKey):
        load_rows(BY_TIME, [], [seen(1, "a", 1), seen(1, "b", 1)], at(9))
    found = load_rows(BY_TIME, [], [seen(1, "a", 1), seen(1, "a", 1)], at(9))
    assert found == loaded([event(1, "a", 1)], read=2, inserted=1, unchanged=1)


def test_a_version_without_an_instant_is_refused() -> None:
    with pytest.raises(NullKey):
        load_rows(BY_TIME, [], [row(1, "a", at=None)], at(9))


def test_a_key_may_have_several_columns() -> None:
    mode = Merge(keys=("id", "v"))
    held = [row(1, "a", n=1), row(1, "b", n=1)]
    assert load_rows(mode, held, [row(1, "b", n=2), row(2, "b", n=1)], at(1)) == loaded(
        [row(1, "a", n=1), row(1, "b", n=2), row(2, "b", n=1)], read=2, inserted=1, updated=1
    )


# --- an empty source ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "mode",
    [
        Merge(keys=KEY, deletes=Deletes.HARD),
        Merge(keys=KEY, deletes=Deletes.SOFT),
        Scd2(keys=KEY, deletes=Deletes.SOFT),
    ],
)
def test_an_empty_source_deletes_nothing_by_accident(mode: LoadMode) -> None:
    with pytest.raises(EmptySource):
        load_rows(mode, [], [], at(1))


@pytest.mark.parametrize(
    ("mode", "held", "after"),
    [
        (Merge(keys=KEY, deletes=Deletes.HARD, allow_empty_source=True), row(1, "a"), []),
        (
            Merge(keys=KEY, deletes=Deletes.SOFT, allow_empty_source=True),
            row(1, "a", deleted_at=None),
            [row(1, "a", deleted_at=at(2))],
        ),
    ],
)
def test_an_empty_source_that_is_meant_deletes_everything(
    mode: LoadMode, held: ROW, after: list[ROW]
) -> None:
    assert load_rows(mode, [held], [], at(2)) == loaded(after, deleted=1)


def test_an_empty_source_that_is_meant_closes_everything() -> None:
    mode = Scd2(keys=KEY, deletes=Deletes.SOFT, allow_empty_source=True)
    assert load_rows(mode, [version(1, "a", since=1)], [], at(2)) == loaded(
        [version(1, "a", since=1, until=2)], closed=1
    )


@pytest.mark.parametrize("mode", [Append(keys=KEY), Merge(keys=KEY), Scd2(keys=KEY)])
def test_an_empty_source_changes_nothing_where_nothing_is_deleted(mode: LoadMode) -> None:
    held = runs(mode, [row(1, "a")])
    assert load_rows(mode, held, [], at(2)) == Loaded(held, LoadCounts())


# --- a backend in memory ------------------------------------------------------------------------------


class Order:
    """The target of the jobs below."""

    id: Annotated[BigInt, pk()]
    v: Text | None


def job(project: Project, mode: str | LoadMode, table: type[Any] = Order) -> Job:
    """A job that loads shop.orders."""
    project.connection(type("lake", (), {"kind": "delta", "url": "lake"}))
    shop = project.table(schema="shop", name="orders")(table)
    return project.job(name="load", target=shop, mode=mode)(list)


def test_a_backend_in_memory_starts_with_the_tables_it_is_given() -> None:
    memory = MemoryBackend(tables={"raw.orders": [row(1, "a")]})
    assert memory.rows("raw.orders") == (row(1, "a"),)
    assert memory.rows("shop.orders") == ()


def test_a_backend_in_memory_loads_a_job_in_its_mode_and_by_its_keys(project: Project) -> None:
    memory, load = MemoryBackend(tables={"raw.orders": [row(1, "a")]}), job(project, "merge")
    counts = memory.load(load, memory.rows("raw.orders"), loaded_at=at(1))
    assert counts == LoadCounts(read=1, inserted=1)
    assert memory.load(load, [row(1, "b"), row(2, None)], loaded_at=at(2)) == LoadCounts(
        read=2, inserted=1, updated=1
    )
    assert memory.rows("shop.orders") == (row(1, "b"), row(2, None))


def test_a_backend_in_memory_keeps_versions_by_the_clock_that_it_is_given(project: Project) -> None:
    memory, load = MemoryBackend(), job(project, "scd2")
    memory.load(load, [row(1, "a")], loaded_at=at(1))
    memory.load(load, [row(1, "b")], loaded_at=at(2))
    assert memory.rows("shop.orders") == (version(1, "a", since=1, until=2), version(1, "b", since=2))


def test_a_column_that_the_rows_lack_is_null_and_the_order_of_columns_is_the_tables(project: Project) -> None:
    memory = MemoryBackend()
    memory.load(job(project, "append"), [{"id": 1}, {"v": "b", "id": 2}], loaded_at=at(1))
    assert [list(found.items()) for found in memory.rows("shop.orders")] == [
        [("id", 1), ("v", None)],
        [("id", 2), ("v", "b")],
    ]


def test_a_column_that_was_declared_since_holds_its_default_in_what_is_there(project: Project) -> None:
    class Wider(Order):
        city: Annotated[Text, default("Rome")]

    memory = MemoryBackend(tables={"shop.orders": [row(1, "a")]})
    memory.load(job(project, "merge", Wider), [row(2, "b", city="Paris")], loaded_at=at(1))
    assert memory.rows("shop.orders") == (row(1, "a", city="Rome"), row(2, "b", city="Paris"))


def test_rows_that_are_there_when_soft_deletes_begin_have_no_mark(project: Project) -> None:
    memory = MemoryBackend(tables={"shop.orders": [row(1, "a"), row(2, "b")]})
    load = job(project, Merge(deletes=Deletes.SOFT))
    assert memory.load(load, [row(2, "b")], loaded_at=at(1)) == LoadCounts(read=1, unchanged=1, deleted=1)
    assert memory.rows("shop.orders") == (row(1, "a", deleted_at=at(1)), row(2, "b", deleted_at=None))


@pytest.mark.parametrize(
    ("wrong", "refusal", "told"),
    [
        (row(None, "c"), NullKey, "None"),
        (row(1, "other"), DuplicateKey, "other"),
        ({"id": 2, "w": "b"}, UnfitRow, "table shop.orders has no column w; declare it, or leave it out"),
    ],
)
def test_a_load_that_is_refused_leaves_a_table_in_memory_as_it_was(
    project: Project, wrong: ROW, refusal: type[ValueError], told: str
) -> None:
    memory = MemoryBackend(tables={"shop.orders": [row(3, "c")]})
    with pytest.raises(refusal, match=told):
        memory.load(job(project, "truncate"), [row(1, "a"), wrong], loaded_at=at(1))
    assert memory.rows("shop.orders") == (row(3, "c"),)


def test_a_value_that_the_table_wants_and_no_row_has_is_missed(project: Project) -> None:
    class Strict(Order):
        city: Text

    with pytest.raises(UnfitRow, match=r"^table shop\.orders wants a value in column city: "):
        MemoryBackend().load(job(project, "append", Strict), [row(1, "a")], loaded_at=at(1))


def test_of_a_job_with_several_targets_each_is_loaded_by_itself(project: Project) -> None:
    project.connection(type("lake", (), {"kind": "delta", "url": "lake"}))
    orders = project.table(schema="shop", name="orders")(Order)
    copies = project.table(schema="shop", name="copies")(type("Copies", (Order,), {}))
    load = project.job(name="load", targets=[orders, copies])(list)
    memory = MemoryBackend()
    with pytest.raises(PlanError, match=r"several targets; load each of job\.targets by itself"):
        memory.load(load, [row(1, "a")], loaded_at=at(1))
    memory.load(load.targets[1], [row(1, "a")], loaded_at=at(1))
    assert (memory.rows("shop.orders"), memory.rows("shop.copies")) == ((), (row(1, "a"),))


# --- laws ---------------------------------------------------------------------------------------------

values = st.sampled_from(["a", "b", None])
rows_by_key = st.dictionaries(st.integers(1, 4), values).map(
    lambda found: [row(id_, v) for id_, v in found.items()]
)
observations = st.dictionaries(st.tuples(st.integers(1, 3), st.integers(0, 6)), values).map(
    lambda found: [seen(id_, v, hour) for (id_, hour), v in found.items()]
)
modes = st.sampled_from(
    [
        Append(keys=KEY),
        Truncate(keys=KEY),
        Merge(keys=KEY),
        Merge(keys=KEY, deletes=Deletes.HARD, allow_empty_source=True),
        Merge(keys=KEY, deletes=Deletes.SOFT, allow_empty_source=True),
        Scd2(keys=KEY),
        Scd2(keys=KEY, deletes=Deletes.SOFT, allow_empty_source=True),
    ]
)
histories = st.sampled_from(
    [BY_TIME, Scd2(keys=KEY, valid_from="at", deletes=Deletes.SOFT, allow_empty_source=True)]
)


@given(modes, st.lists(rows_by_key, min_size=2, max_size=5))
def test_what_was_read_is_inserted_updated_or_unchanged(mode: LoadMode, reads: list[list[ROW]]) -> None:
    held = runs(mode, *reads[:-1])
    counts = load_rows(mode, held, reads[-1], at(9)).counts
    assert counts.read == counts.inserted + counts.updated + counts.unchanged == len(reads[-1])


@given(modes.filter(lambda mode: not isinstance(mode, Truncate)), st.lists(rows_by_key, min_size=1))
def test_a_read_that_is_loaded_twice_changes_nothing_the_second_time(
    mode: LoadMode, reads: list[list[ROW]]
) -> None:
    held = runs(mode, *reads)
    again = load_rows(mode, held, reads[-1], at(20))
    assert again == Loaded(held, LoadCounts(read=len(reads[-1]), unchanged=len(reads[-1])))


@given(st.lists(rows_by_key, min_size=1))
def test_a_merge_with_hard_deletes_makes_the_target_the_source(reads: list[list[ROW]]) -> None:
    mode = Merge(keys=KEY, deletes=Deletes.HARD, allow_empty_source=True)
    held = runs(mode, *reads)
    assert sorted(held, key=lambda each: each["id"]) == sorted(reads[-1], key=lambda each: each["id"])


@given(st.lists(rows_by_key, min_size=1))
def test_the_current_versions_of_a_history_with_deletes_are_the_source(reads: list[list[ROW]]) -> None:
    held = runs(Scd2(keys=KEY, deletes=Deletes.SOFT, allow_empty_source=True), *reads)
    current = {each["id"]: each["v"] for each in held if each["is_current"]}
    assert current == {each["id"]: each["v"] for each in reads[-1]}


@given(st.one_of(st.tuples(modes, st.lists(rows_by_key)), st.tuples(histories, st.lists(observations))))
def test_the_versions_of_a_key_follow_one_another(case: tuple[LoadMode, list[list[ROW]]]) -> None:
    mode, reads = case
    held = runs(mode, *reads) if isinstance(mode, Scd2) else ()
    for key in {each["id"] for each in held}:
        versions = sorted((each for each in held if each["id"] == key), key=lambda each: each["valid_from"])
        for one, following in itertools.pairwise(versions):
            assert one["valid_from"] < one["valid_to"] <= following["valid_from"]
            assert not one["is_current"]
        assert versions[-1]["is_current"] is (versions[-1]["valid_to"] is None)


@given(observations, st.randoms(use_true_random=False))
def test_the_order_in_which_observations_stand_in_a_read_makes_no_difference(
    read: list[ROW], random: Any
) -> None:
    shuffled = list(read)
    random.shuffle(shuffled)

    def versions(found: Loaded) -> Counter[tuple[Any, ...]]:
        return Counter(tuple(each.items()) for each in found.rows)

    one, other = load_rows(BY_TIME, [], read, at(9)), load_rows(BY_TIME, [], shuffled, at(9))
    assert (versions(one), one.counts) == (versions(other), other.counts)
