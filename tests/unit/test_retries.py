"""Pauses between attempts, and what is tried again."""

from __future__ import annotations

import logging

import pytest

from ematix_flow import retries
from ematix_flow.retries import pauses, retried


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that would have been made."""
    made: list[float] = []
    monkeypatch.setattr(retries.time, "sleep", made.append)
    return made


def test_pauses_grow_and_stay_within_five_seconds() -> None:
    found = list(pauses(10))
    least = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]
    assert len(found) == len(least)
    for pause, bound in zip(found, least, strict=True):
        assert bound <= pause <= min(bound + 1, 5.0)


def test_one_attempt_has_no_pause() -> None:
    assert list(pauses(1)) == []


def test_what_passes_is_tried_again_without_a_word(
    slept: list[float], capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    outcomes = iter([OSError(), OSError(), 7])

    def call() -> int:
        outcome = next(outcomes)
        if isinstance(outcome, OSError):
            raise outcome
        return outcome

    assert retried(call, on=OSError, attempts=3) == 7
    assert len(slept) == 2
    assert (capfd.readouterr(), caplog.records) == (("", ""), [])


def test_the_last_attempt_says_why_it_failed(slept: list[float]) -> None:
    numbers = iter("123")

    def call() -> None:
        raise OSError(next(numbers))

    with pytest.raises(OSError, match="3"):
        retried(call, on=OSError, attempts=3)
    assert len(slept) == 2


def test_nothing_else_is_tried_again(slept: list[float]) -> None:
    def call() -> None:
        raise LookupError("not it")

    with pytest.raises(LookupError, match="not it"):
        retried(call, on=OSError, attempts=3)
    assert slept == []
