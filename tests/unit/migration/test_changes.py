"""What becomes of each difference between a declared and a live table: a step, or drift with its remedy."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ematix_flow.migration import (
    AddColumn,
    AddFilledColumn,
    ChangeType,
    CommentColumn,
    CommentTable,
    Drift,
    DropNotNull,
    LetBeSet,
    Migration,
    RenameColumn,
    Step,
    WidenColumn,
    diff,
)
from ematix_flow.spec import Column, Computed, Table
from ematix_flow.state import Alters, TargetState
from ematix_flow.types import DataType, Decimal, ListOf, Scalar, Varchar

ID = Column(name="id", type=Scalar.BIGINT, nullable=False, primary_key=True)
NAME = Column(name="name", type=Scalar.TEXT)
CITY = Column(name="city", type=Scalar.TEXT, nullable=False)


def table(*columns: Column, comment: str | None = None) -> Table:
    return Table(schema="shop", name="orders", columns=columns, comment=comment)


def migration(
    declared: Table, live: Table, *, empty: bool = False, alters: Alters = Alters.ANYTHING
) -> Migration:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    state = TargetState(stored=declared, live=live, schema_exists=True, empty=empty, clock=now, alters=alters)
    return diff(state, ())


def only_drift(found: Migration) -> Drift:
    assert found.steps == ()
    (drift,) = found.drifts
    return drift


# --- types --------------------------------------------------------------------------------------------

WIDENINGS: list[tuple[DataType, DataType, bool]] = [
    (Scalar.SMALLINT, Scalar.INTEGER, True),
    (Scalar.SMALLINT, Scalar.BIGINT, True),
    (Scalar.INTEGER, Scalar.BIGINT, True),
    (Scalar.REAL, Scalar.DOUBLE, True),
    (Varchar(10), Varchar(11), False),
    (Varchar(10), Scalar.TEXT, False),
    (Decimal(10, 2), Decimal(11, 2), False),
]
NO_WIDENINGS: list[tuple[DataType, DataType]] = [
    *((wide, narrow) for narrow, wide, _ in WIDENINGS),
    (Decimal(10, 2), Decimal(12, 3)),
    (Decimal(10, 2), Decimal(12, 1)),
    (Decimal(), Decimal(10, 2)),
    (Scalar.BIGINT, Scalar.DOUBLE),
    (Scalar.INTEGER, Decimal(10, 0)),
    (Scalar.TIMESTAMP, Scalar.TIMESTAMPTZ),
    (Scalar.JSON, Scalar.JSONB),
    (ListOf(Scalar.INTEGER), ListOf(Scalar.BIGINT)),
]


@pytest.mark.parametrize(("live", "declared", "rewrites"), WIDENINGS, ids=str)
def test_a_type_is_widened_where_no_value_changes(live: DataType, declared: DataType, rewrites: bool) -> None:
    wanted = table(ID, replace(NAME, type=declared))
    column = wanted.columns[1]
    assert migration(wanted, table(ID, replace(NAME, type=live))) == Migration(
        steps=(WidenColumn(table=wanted, column=column, live=live, rewrites=rewrites),)
    )


@pytest.mark.parametrize(("live", "declared"), NO_WIDENINGS, ids=str)
def test_any_other_change_of_type_is_drift(live: DataType, declared: DataType) -> None:
    wanted = table(ID, replace(NAME, type=declared))
    assert only_drift(migration(wanted, table(ID, replace(NAME, type=live)))) == Drift(
        text=f"column name is {live}, declared {declared}",
        remedy=ChangeType(table=wanted, column=wanted.columns[1]),
    )


# --- NULL ---------------------------------------------------------------------------------------------


def test_a_column_that_refuses_null_takes_it_where_nulls_are_declared() -> None:
    live = table(ID, replace(NAME, nullable=False))
    assert migration(table(ID, NAME), live).steps == (DropNotNull(table=table(ID, NAME), column="name"),)


def test_a_column_of_the_live_primary_key_cannot_take_null() -> None:
    live = table(ID, replace(NAME, nullable=False, primary_key=True))
    assert only_drift(migration(table(ID, NAME), live)) == Drift(
        text="column name is part of the live primary key, declared nullable"
    )


def test_a_column_that_nobody_declared_may_be_let_be_null_by_a_person() -> None:
    drift = only_drift(migration(table(ID), table(ID, CITY)))
    assert drift.remedy == DropNotNull(table=table(ID), column="city")


def test_a_column_of_the_live_primary_key_that_nobody_declared_has_no_remedy() -> None:
    drift = only_drift(migration(table(ID), table(ID, replace(CITY, primary_key=True))))
    assert drift.remedy is None
    assert drift.text.endswith("so no row could be added; it is part of the live primary key")


# --- a missing column that refuses NULL ---------------------------------------------------------------


@pytest.mark.parametrize("default", ["EU", ""])
def test_it_is_added_with_its_default(default: str) -> None:
    declared = table(ID, replace(CITY, default=default))
    assert migration(declared, table(ID)) == Migration(
        steps=(AddColumn(table=declared, column=declared.columns[1]),)
    )


def test_it_is_added_to_a_table_without_rows() -> None:
    declared = table(ID, CITY)
    assert migration(declared, table(ID), empty=True).steps == (AddColumn(table=declared, column=CITY),)


def test_it_is_drift_where_a_person_must_choose_its_value() -> None:
    declared = table(ID, CITY)
    assert only_drift(migration(declared, table(ID))) == Drift(
        text="column city is missing and declared NOT NULL without a default",
        remedy=AddFilledColumn(table=declared, column=CITY),
    )


def test_it_may_be_another_one_renamed() -> None:
    declared = table(ID, CITY)
    live = table(ID, replace(CITY, name="town"))
    assert only_drift(migration(declared, live)) == Drift(
        text="column city is missing, and town of the same type is NOT NULL and not declared, as if it had been renamed",
        remedy=RenameColumn(table=declared, live="town", column="city"),
    )


@pytest.mark.parametrize(
    ("declared", "live"),
    [
        (["a"], ["b", "c"]),
        (["a", "b"], ["c"]),
    ],
)
def test_no_renaming_is_guessed_where_there_is_a_choice(declared: list[str], live: list[str]) -> None:
    wanted = table(ID, *(replace(CITY, name=name) for name in declared))
    held = table(ID, *(replace(CITY, name=name) for name in live))
    remedies = [drift.remedy for drift in migration(wanted, held).drifts]
    assert len(remedies) == 3
    assert not any(isinstance(remedy, RenameColumn) for remedy in remedies)


def test_a_column_of_another_type_was_not_renamed() -> None:
    live = table(ID, Column(name="town", type=Scalar.DATE, nullable=False))
    assert len(migration(table(ID, CITY), live).drifts) == 2


# --- comments -----------------------------------------------------------------------------------------


def test_comments_are_written_where_they_differ() -> None:
    declared = table(ID, replace(NAME, comment="new"), comment="orders")
    live = table(ID, replace(NAME, comment="old"))
    assert migration(declared, live).steps == (
        CommentTable(table=declared),
        CommentColumn(table=declared, column=declared.columns[1]),
    )


def test_a_comment_that_the_declaration_does_not_replace_stays() -> None:
    live = table(ID, replace(NAME, comment="by hand"), comment="by hand")
    assert migration(table(ID, NAME), live) == Migration()


# --- what a load may do here --------------------------------------------------------------------------

CHANGES: list[tuple[Column, Column | None, str]] = [
    (replace(CITY, default="EU"), None, "column city is missing"),
    (replace(CITY, nullable=True), CITY, "column city is NOT NULL, declared nullable"),
    (CITY, replace(CITY, type=Varchar(5)), "column city is String[5], declared Text"),
]


@pytest.mark.parametrize("alters", [Alters.NULLABLE_COLUMNS, Alters.NOTHING])
@pytest.mark.parametrize(("declared", "live", "text"), CHANGES, ids=[text for *_, text in CHANGES])
def test_what_a_load_may_not_do_is_drift_whose_remedy_is_the_step(
    declared: Column, live: Column | None, text: str, alters: Alters
) -> None:
    wanted, held = table(ID, declared), table(ID, *([live] if live else []))
    (step,) = migration(wanted, held).steps
    assert only_drift(migration(wanted, held, alters=alters)) == Drift(
        text=f"{text}; {alters.value}", remedy=step
    )


def test_a_nullable_column_is_added_to_a_lake() -> None:
    found = migration(table(ID, NAME), table(ID), alters=Alters.NULLABLE_COLUMNS)
    assert found.steps == (AddColumn(table=table(ID, NAME), column=NAME),)


@pytest.mark.parametrize("empty", [True, False])
def test_a_column_that_refuses_null_is_not_added_to_a_lake(empty: bool) -> None:
    found = migration(table(ID, CITY), table(ID), empty=empty, alters=Alters.NULLABLE_COLUMNS)
    assert only_drift(found).remedy == AddFilledColumn(table=table(ID, CITY), column=CITY)


def test_a_nullable_column_of_somebody_elses_table_is_added_by_its_owner() -> None:
    found = migration(table(ID, NAME), table(ID), alters=Alters.NOTHING)
    assert only_drift(found) == Drift(
        text="column name is missing; only the table's owner may change it",
        remedy=AddColumn(table=table(ID, NAME), column=NAME),
    )


@pytest.mark.parametrize("alters", [Alters.NULLABLE_COLUMNS, Alters.NOTHING])
def test_no_load_fails_for_a_comment_that_it_may_not_write(alters: Alters) -> None:
    declared = table(replace(ID, comment="new"), comment="orders")
    assert migration(declared, table(ID), alters=alters) == Migration()


# --- words --------------------------------------------------------------------------------------------

STEPS: list[tuple[Step, str]] = [
    (AddColumn(table=table(), column=NAME), "add column name Text"),
    (
        AddColumn(table=table(), column=replace(CITY, default="EU")),
        "add column city Text with 'EU' in every row",
    ),
    (DropNotNull(table=table(), column="city"), "let column city be null"),
    (
        WidenColumn(table=table(), column=ID, live=Scalar.INTEGER, rewrites=True),
        "widen column id from Integer to BigInt, which rewrites the table",
    ),
    (
        WidenColumn(table=table(), column=NAME, live=Varchar(5), rewrites=False),
        "widen column name from String[5] to Text",
    ),
    (CommentTable(table=table()), "comment on table shop.orders"),
    (CommentColumn(table=table(), column=ID), "comment on column id"),
]


@pytest.mark.parametrize(("step", "words"), STEPS, ids=[words for _, words in STEPS])
def test_a_step_says_what_it_does(step: Step, words: str) -> None:
    assert str(step) == words


# --- laws ---------------------------------------------------------------------------------------------

columns = st.builds(
    Column,
    name=st.sampled_from("abcdef"),
    type=st.sampled_from([Scalar.INTEGER, Scalar.BIGINT, Scalar.TEXT, Varchar(5), Decimal(12, 2)]),
    nullable=st.booleans(),
    primary_key=st.booleans(),
    comment=st.sampled_from([None, "one", "two"]),
    default=st.sampled_from([None, "0"]),
    has_default=st.booleans(),
).map(lambda column: replace(column, nullable=column.nullable and not column.primary_key))
tables = st.lists(columns, min_size=1, unique_by=lambda column: column.name).map(lambda made: table(*made))


def applied(live: Table, steps: tuple[Step, ...]) -> Table:
    for step in steps:
        match step:
            case AddColumn(column=column):
                live = replace(live, columns=(*live.columns, column))
            case DropNotNull(column=name):
                live = changed(live, name, nullable=True)
            case WidenColumn(column=column):
                live = changed(live, column.name, type=column.type)
            case CommentColumn(column=column):
                live = changed(live, column.name, comment=column.comment)
    return live


def changed(live: Table, name: str, **facts: object) -> Table:
    return replace(
        live,
        columns=tuple(
            replace(column, **facts) if column.name == name else column  # type: ignore[arg-type]
            for column in live.columns
        ),
    )


@given(declared=tables, empty=st.booleans(), alters=st.sampled_from(Alters))
def test_a_table_never_differs_from_itself(declared: Table, empty: bool, alters: Alters) -> None:
    assert migration(declared, declared, empty=empty, alters=alters) == Migration()


@given(declared=tables, live=tables, empty=st.booleans(), alters=st.sampled_from(Alters))
def test_after_its_steps_only_drift_is_left(
    declared: Table, live: Table, empty: bool, alters: Alters
) -> None:
    found = migration(declared, live, empty=empty, alters=alters)
    after = applied(live, found.steps)
    assert migration(declared, after, empty=empty, alters=alters) == Migration(drifts=found.drifts)


@given(declared=tables, live=tables, alters=st.sampled_from(Alters))
def test_nothing_is_done_to_what_a_load_may_not_change(declared: Table, live: Table, alters: Alters) -> None:
    steps = migration(declared, live, alters=alters).steps
    match alters:
        case Alters.NOTHING:
            assert steps == ()
        case Alters.NULLABLE_COLUMNS:
            assert all(isinstance(step, AddColumn) and step.column.nullable for step in steps)


# --- columns that the server fills --------------------------------------------------------------------

_LEAVE_OUT = "and no load can set it; leave it out of the declaration"


@pytest.mark.parametrize(
    ("how", "text"),
    [
        (Computed.STORED, f"column name is generated from other columns, {_LEAVE_OUT}, or let it be set"),
        (Computed.IDENTITY, f"column name is generated always as identity, {_LEAVE_OUT}, or let it be set"),
    ],
)
def test_a_declared_column_that_the_server_fills_is_drift(how: Computed, text: str) -> None:
    live = replace(NAME, computed=how, has_default=True)
    declared = table(ID, NAME)
    assert only_drift(migration(declared, table(ID, live))) == Drift(
        text=text, remedy=LetBeSet(table=declared, column="name", computed=how)
    )


def test_a_column_that_is_computed_when_it_is_read_stays_what_it_is() -> None:
    live = replace(NAME, computed=Computed.VIRTUAL, has_default=True)
    assert only_drift(migration(table(ID, NAME), table(ID, live))) == Drift(
        text=f"column name is generated from other columns when it is read, {_LEAVE_OUT}"
    )


@pytest.mark.parametrize("how", Computed)
def test_a_column_that_the_server_fills_and_nobody_declared_is_left_alone(how: Computed) -> None:
    live = replace(CITY, computed=how, has_default=True)
    assert migration(table(ID, NAME), table(ID, NAME, live)) == Migration()
