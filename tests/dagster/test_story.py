"""How often a run speaks while rows are in flight."""

from __future__ import annotations

import logging

import pytest

from ematix_flow import Progress
from ematix_flow_dagster.story import Story


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> logging.Logger:
    caplog.set_level(logging.INFO, logger="a run")
    return logging.getLogger("a run")


def test_progress_is_told_every_ten_seconds_for_each_target(
    log: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    now = 0.0
    story = Story(log, clock=lambda: now)
    for now in (0.0, 5.0, 9.9, 10.0, 15.0, 20.5):
        story.tell(Progress(label="warehouse:analytics.events", rows=int(now * 1000), bytes=0))
        if now >= 9.9:
            story.tell(Progress(label="lake:analytics.events", rows=7, bytes=0))
    assert caplog.messages == [
        "warehouse:analytics.events: 10,000 rows so far",
        "warehouse:analytics.events: 20,500 rows so far",
        "lake:analytics.events: 7 rows so far",
    ]
