"""Readers that poll a target while runs are struck; whatever they see must be what some whole run left."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import psycopg
from integration.crash.scene import Scene, State, read_delta, read_postgres, state


class Watch:
    """What the readers of one target saw; `seen` holds each state once."""

    def __init__(self) -> None:
        self.seen: set[State] = set()
        self.readings = 0
        self.unstable = 0  # transactions that saw two states
        self.errors: list[BaseException] = []
        self.stop = threading.Event()

    def note(self, *states: State) -> None:
        self.readings += 1
        self.seen.update(states)
        self.unstable += len(set(states)) > 1


@contextmanager
def watching(scene: Scene) -> Iterator[dict[str, Watch]]:
    """Poll every target of a scene, a database also in REPEATABLE READ."""
    watches = {target: Watch() for target in scene.targets}
    polls: list[tuple[Watch, Callable[[Scene, str, Watch], None], str]] = []
    for target, watch in watches.items():
        if target == "lake":
            polls.append((watch, _poll_delta, target))
        else:
            polls += [(watch, _poll_committed, target), (watch, _poll_repeatable, target)]
    with ExitStack() as stack:
        for watch, poll, target in polls:
            thread = threading.Thread(target=_noting_errors, args=(poll, scene, target, watch))
            thread.start()
            stack.callback(thread.join)
            stack.callback(watch.stop.set)
        yield watches


def _noting_errors(
    poll: Callable[[Scene, str, Watch], None], scene: Scene, target: str, watch: Watch
) -> None:
    try:
        poll(scene, target, watch)
    except BaseException as error:  # noqa: BLE001  # a thread's error is raised by whoever judges the watch
        watch.errors.append(error)


def _poll_committed(scene: Scene, target: str, watch: Watch) -> None:
    with psycopg.connect(getattr(scene, target), autocommit=True) as session:
        while not watch.stop.wait(0.02):
            rows = read_postgres(session)
            if rows is not None:
                watch.note(state(rows))


def _poll_repeatable(scene: Scene, target: str, watch: Watch) -> None:
    """Two readings in one snapshot, which lives on while a load commits."""
    with psycopg.connect(getattr(scene, target), autocommit=True) as session:
        session.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        while not watch.stop.wait(0.01):
            with session.transaction():
                first = read_postgres(session)
                watch.stop.wait(0.1)
                second = read_postgres(session)
            if first is not None and second is not None:
                watch.note(state(first), state(second))


def _poll_delta(scene: Scene, target: str, watch: Watch) -> None:
    while not watch.stop.wait(0.03):
        rows = read_delta(scene.lake)
        if rows is not None:
            watch.note(state(rows))
