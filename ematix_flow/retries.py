"""Trying again what passes: pauses that grow, with a part left to chance so that rivals do not meet again.

Not a library's: those tell of retries by hooks that are global to the process, where a run tells of its own.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")
_FIRST, _LONGEST, _CHANCE = 0.1, 5.0, 1.0  # seconds


def pauses(attempts: int) -> Iterator[float]:
    """The seconds between so many attempts: each pause twice as long as the last, up to 5, and up to 1 more."""
    for number in range(attempts - 1):
        yield min(_FIRST * 2**number + random.uniform(0, _CHANCE), _LONGEST)  # noqa: S311  # no secret hangs on it


def retried(call: Callable[[], T], *, on: type[Exception], attempts: int) -> T:
    """What `call` returns, tried again while it raises `on`; what the last attempt raises passes through."""
    for pause in pauses(attempts):
        try:
            return call()
        except on:
            time.sleep(pause)
    return call()
