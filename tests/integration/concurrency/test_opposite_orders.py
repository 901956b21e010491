"""Jobs that would lock the same things in opposite orders."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from integration.concurrency import look
from integration.concurrency.race import Entry, Racers

pytestmark = pytest.mark.filterwarnings("ignore::ematix_flow.LiteralPasswordWarning")


def query(job: int) -> str:
    """Every key, in one order or the other, and in each row which job read it."""
    order = "asc" if job % 2 else "desc"
    return f"select id, 'job {job}' as name, updated_at from raw.orders order by id {order}"  # noqa: S608  # two words


@pytest.mark.parametrize(
    ("mode", "target"),
    [("merge", "origin"), ("scd2 by the clock", "other"), ("merge", "lake"), ("scd2 by the clock", "lake")],
    ids=lambda word: word,
)
def test_four_jobs_that_merge_into_one_table_in_opposite_orders_come_one_after_the_other(
    racers: Racers, urls: Mapping[str, str], mode: str, target: str
) -> None:
    entries = [
        Entry(
            urls=urls, mode=mode, job=f"job_{job}", query=query(job), targets=((target, "orders"),), times=3
        )
        for job in range(4)
    ]
    reports = racers.race([[entry] for entry in entries])
    assert [report.errors for report in reports] == [()] * 4
    held = look.rows(urls, target, "orders")
    if mode != "merge":
        look.check_history(held)
        held = look.current(held)
    assert [row["id"] for row in held] == list(range(1, 61))
    assert len({row["name"] for row in held}) == 1  # all of the job that came last


FAN_OUTS = [
    pytest.param((("origin", "orders"), ("other", "orders")), id="two databases"),
    pytest.param((("origin", "orders"), ("far", "orders")), id="two servers"),
    pytest.param((("other", "orders"), ("other", "archive")), id="two tables"),
    pytest.param((("other", "orders"), ("lake", "orders"), ("far", "orders")), id="servers and a lake"),
]


@pytest.mark.parametrize("targets", FAN_OUTS)
def test_two_fan_outs_whose_targets_stand_in_opposite_orders_do_not_wait_for_each_other_in_a_ring(
    racers: Racers,
    urls: Mapping[str, str],
    second_server: str,
    targets: tuple[tuple[str, str], ...],
) -> None:
    urls = {**urls, "far": second_server}
    lanes = [
        [Entry(urls=urls, mode="merge", job=f"job_{job}", query=query(job), targets=order, times=3)]
        for job, order in enumerate((targets, targets[::-1], targets, targets[::-1]))
    ]
    reports = racers.race(lanes)
    assert [report.errors for report in reports] == [()] * 4
    for connection, table in targets:
        held = look.rows(urls, connection, table)
        assert [row["id"] for row in held] == list(range(1, 61))
        assert len({row["name"] for row in held}) == 1
