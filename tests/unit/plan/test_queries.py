"""What a target without a key is loaded from: the query's words and the declared columns, as one number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ematix_flow.errors import PlanError
from ematix_flow.plan import JobPlan
from ematix_flow.spec import Column, EveryRow, Incremental
from ematix_flow.state import Window
from ematix_flow.types import Scalar

Plan = Callable[..., JobPlan]
BY_TIME = Incremental(column="received_at")


@pytest.fixture
def fingerprint(shop: Any, plan: Plan) -> Callable[..., int | None]:
    def of(query: str = shop.query, table: Any = shop.keyless, increment: Any = BY_TIME) -> int | None:
        target = shop.target(table)
        planned = plan(shop.job(target, increment=increment), shop.seen(target, empty=True), query=query)
        return planned.targets[0].query

    return of


@pytest.mark.parametrize(
    "query",
    [
        "SELECT event_id, name, received_at FROM raw.events",
        "select event_id,\n  name, -- who\n  received_at /* when */ from raw.events",
    ],
)
def test_white_space_comments_and_the_case_of_words_make_no_other_query(fingerprint: Any, query: str) -> None:
    assert fingerprint(query) == fingerprint()


@pytest.mark.parametrize(
    "query",
    [
        "select event_id, upper(name) as name, received_at from raw.events",
        "select event_id, name, received_at from raw.events where name <> 'x'",
        'select event_id, "name", received_at from raw.events',
    ],
)
def test_other_words_make_another_query(fingerprint: Any, query: str) -> None:
    assert fingerprint(query) != fingerprint()


def test_another_column_makes_another_query(shop: Any, fingerprint: Any) -> None:
    wider = replace(shop.keyless, columns=(*shop.keyless.columns, Column(name="w", type=Scalar.TEXT)))
    assert fingerprint(table=wider) != fingerprint()


def test_a_fingerprint_is_a_signed_integer_of_64_bits(fingerprint: Any) -> None:
    assert 0 <= fingerprint() < 2**63


def test_no_fingerprint_is_kept_where_a_key_absorbs_rows_or_every_row_is_added(
    shop: Any, fingerprint: Any
) -> None:
    assert fingerprint(table=shop.table) is None
    assert fingerprint(increment=EveryRow()) is None


def test_rows_of_another_query_stop_the_plan_unless_they_are_replaced(shop: Any, plan: Plan) -> None:
    target = shop.target(shop.keyless)
    job, state = shop.job(target, increment=BY_TIME), shop.seen(target, query=1)
    with pytest.raises(PlanError, match="its rows come from another query than this one"):
        plan(job, state)
    slice_ = Window(start="2026-01-01", end="2026-01-02")
    for request in (replace(shop.request, full_refresh=True), replace(shop.request, window=slice_)):
        assert plan(job, state, request=request).targets[0].steps == ()
