"""Whatever becomes of a run, the next one leaves what the same runs would have left had none failed.

`EMATIX_CRASH_KILLS=216 scripts/test -m slow tests/integration/crash -s` is all of it, and shows where the blows fell; without
the variable a share of it runs. `EMATIX_CRASH_SEED` repeats the moments of an earlier run.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from integration.crash.readers import Watch, watching
from integration.crash.scene import MODES, PATHS, Scene, state
from integration.crash.strikes import Blow, Fell, Moment, histogram, loading_moments, moments, strike

from ematix_flow import run_job
from ematix_flow.testing import Row

pytestmark = [
    pytest.mark.filterwarnings("ignore::ematix_flow.LiteralPasswordWarning"),
    pytest.mark.timeout(1800),
]

KILLS = int(os.environ.get("EMATIX_CRASH_KILLS", "24"))
TERMINATIONS = KILLS // 3
SEED = int(os.environ.get("EMATIX_CRASH_SEED", random.SystemRandom().randrange(10**6)))
# Runs wait most of their time, so several go on at once.
AT_ONCE = 4

# Along diagonals, so that the first few already have every path and every mode.
CELLS = [
    (MODES[(row + shift) % len(MODES)], path) for shift in range(len(MODES)) for row, path in enumerate(PATHS)
]
ON_POSTGRES = [(mode, path) for mode, path in CELLS if path != "delta"]
LOGS = [("log", "staged"), ("log", "stream"), ("log", "delta")]
NewScene = Callable[[tuple[str, str]], Scene]


@pytest.fixture
def new_scene(new_database: Callable[[], str], tmp_path: Path) -> NewScene:
    """Makes a scene with databases and a lake of its own, its source empty."""
    one_at_a_time = threading.Lock()

    def make(cell: tuple[str, str]) -> Scene:
        mode, path = cell
        with one_at_a_time:
            origin, other = new_database(), new_database()
        lake = tmp_path / f"{mode}-{path}"
        scene = Scene(mode=mode, path=path, origin=origin, other=other, lake=str(lake))
        scene.create_source()
        return scene

    return make


@dataclass(frozen=True, slots=True)
class Drama:
    """What came of striking one scene again and again."""

    fell: list[Fell]
    healed: int  # runs that were struck, and came to their end by trying again
    readings: int
    orphans: int  # files in the lake that no version names


def test_after_a_kill_the_next_run_leaves_what_whole_runs_would(new_scene: NewScene) -> None:
    dramas = perform(new_scene, CELLS, KILLS, Blow.KILL)
    fell = [each for drama in dramas for each in drama.fell]
    tell(dramas, Blow.KILL)
    assert len(fell) == KILLS
    assert fell.count(Fell.BETWEEN) >= 0.6 * KILLS
    assert fell.count(Fell.NEAR) >= KILLS // 20


def test_after_the_server_ended_a_loading_session_the_next_run_leaves_what_whole_runs_would(
    new_scene: NewScene,
) -> None:
    dramas = perform(new_scene, ON_POSTGRES, TERMINATIONS, Blow.TERMINATE)
    tell(dramas, Blow.TERMINATE)
    hit = [each for drama in dramas for each in drama.fell if each is not Fell.MISSED]
    assert len(hit) >= 0.75 * TERMINATIONS


@pytest.mark.parametrize("cell", LOGS, ids=lambda cell: cell[1])
def test_a_keyless_append_without_a_window_is_added_whole_or_not_at_all(
    new_scene: NewScene, cell: tuple[str, str]
) -> None:
    scene = new_scene(cell)
    source = scene.change_source(0)
    (target,) = scene.targets
    for moment in moments(max(2, KILLS // 36), dice()):
        before = scene.read(target) or []
        _, phases = strike(scene, moment, Blow.KILL)
        after = settled(scene, target) or []
        assert len(after) - len(before) in (0, len(source))
        if "committed" in [phase.name for phase in phases]:
            assert len(after) > len(before)
        recover(scene)
        assert state(scene.read(target) or []) == state([*after, *source])


@pytest.mark.parametrize("path", ["direct", "staged", "fan-out"])
def test_the_long_statement_of_a_killed_process_does_not_hold_up_the_next_run(
    new_scene: NewScene, path: str
) -> None:
    scene = new_scene(("merge", path))
    before = scene.change_source(0)
    recover(scene)
    scene.slow_the_target()
    source = scene.change_source(1)
    strike(scene, Moment("rows", 1, 0.3), Blow.KILL, seconds=120)
    recover(scene)
    for target in scene.targets:
        assert state(scene.read(target) or []) == state(scene.expected(before, source))


def dice() -> random.Random:
    """Falls as it did in an earlier run with this seed."""
    return random.Random(SEED)  # noqa: S311  # moments are no secret


# --- the campaign ------------------------------------------------------------------------------------


def perform(new_scene: NewScene, cells: list[tuple[str, str]], number: int, blow: Blow) -> list[Drama]:
    """Deal out so many blows among the cells, or two to each of the first few."""
    chosen = cells[: max(1, number // 2)]
    struck_at = moments if blow is Blow.KILL else loading_moments
    dealt: list[list[Moment]] = [[] for _ in chosen]
    for each, moment in enumerate(struck_at(number, dice())):
        dealt[each % len(chosen)].append(moment)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = [
            pool.submit(play, new_scene, cell, struck, blow)
            for cell, struck in zip(chosen, dealt, strict=True)
        ]
        return [each.result() for each in running]


def play(new_scene: NewScene, cell: tuple[str, str], struck: list[Moment], blow: Blow) -> Drama:
    """Strike one run after another; after each, one more run makes good what was lost."""
    scene = new_scene(cell)
    fell: list[Fell] = []
    healed = 0
    held: list[Row] = []
    whole = set()
    # A first load is struck too where there are several; a direct one only later, when its target can be slow.
    first_is_struck = len(struck) > 2 and scene.path != "direct"
    with watching(scene) as watches:
        for round_, moment in enumerate(struck if first_is_struck else [None, *struck]):
            held = scene.expected(held, scene.change_source(round_))
            whole.add(state(held))
            if moment is not None:
                where, phases = strike(scene, moment, blow)
                fell.append(where)
                names = [phase.name for phase in phases]
                healed += "retrying" in names and "loaded" in names
            recover(scene)
            for target in scene.targets:
                assert state(scene.read(target) or []) == state(held), f"{scene.label}, {target}: {moment}"
            if round_ == 0:
                scene.slow_the_target()
    for target, watch in watches.items():
        judge(scene, target, watch, whole)
    leave_nothing_behind(scene)
    return Drama(fell, healed, sum(watch.readings for watch in watches.values()), orphans(scene))


def recover(scene: Scene) -> None:
    """One more run. It waits for nothing but a commit, or a statement, that had begun before the kill."""
    project, job = scene.declare(0)
    started = time.monotonic()
    run_job(job, project=project)
    assert time.monotonic() - started < 10, f"{scene.label}: something held up the next run"


def judge(scene: Scene, target: str, watch: Watch, whole: set[object]) -> None:
    where = f"{scene.label}, {target}"
    assert watch.errors == [], where
    assert watch.readings > 0, where
    assert watch.unstable == 0, f"{where}: a snapshot showed two states"
    assert watch.seen <= whole, f"{where}: a reader saw what no whole run left"


def leave_nothing_behind(scene: Scene) -> None:
    """No session, and so no lock, outlives what it was for; no table of ours is there but those that should be."""
    for url in (scene.origin, scene.other):
        with psycopg.connect(url, autocommit=True) as session, patiently():
            busy = "select count(*) from pg_stat_activity where application_name = 'ematix-flow' and datname = current_database()"
            while session.execute(busy).fetchone() != (0,):
                time.sleep(0.05)
            locks = "select count(*) from pg_locks l join pg_database d on d.oid = l.database where datname = current_database() and locktype = 'advisory'"
            assert session.execute(locks).fetchone() == (0,)
            tables = session.execute(
                "select relnamespace::regnamespace::text || '.' || relname from pg_class "
                "where relkind = 'r' and oid >= 16384 and relnamespace <> 'pg_catalog'::regnamespace"
            ).fetchall()
            assert {name for (name,) in tables} <= {
                "raw.orders",
                "analytics.orders",
                "ematix_flow.watermarks",
            }


@contextmanager
def patiently() -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < 10, "a session of a killed process lives on"


def settled(scene: Scene, target: str) -> list[Row] | None:
    """What a target holds when a commit that a killed process had asked for is over, too."""
    if target != "lake":
        url = scene.origin if target == "origin" else scene.other
        locks = "select count(*) from pg_locks l join pg_database d on d.oid = l.database where datname = current_database() and locktype = 'advisory'"
        with psycopg.connect(url, autocommit=True) as session:
            while session.execute(locks).fetchone() != (0,):
                time.sleep(0.02)
    return scene.read(target)


def orphans(scene: Scene) -> int:
    """How many files a lake holds that no version names: a later vacuum takes them, and nobody reads them."""
    table = Path(scene.lake, "analytics", "orders")
    log = "".join(path.read_text() for path in table.glob("_delta_log/*.json"))
    return sum(path.name not in log for path in table.glob("*.parquet"))


def tell(dramas: list[Drama], blow: Blow) -> None:
    fell = [each for drama in dramas for each in drama.fell]
    print(f"\n{histogram(f'{blow.value} (seed {SEED})', fell)}")  # noqa: T201  # what a person looks for
    print(  # noqa: T201
        f"  {sum(drama.healed for drama in dramas)} struck runs came to their end by trying again; "
        f"{sum(drama.readings for drama in dramas)} readings meanwhile; "
        f"{sum(drama.orphans for drama in dramas)} files that no version names"
    )
