"""Keeping every version of a row: what observations change in the history of their keys. Pure.

The observations and the held versions of their keys form a timeline: ends of versions, starts of versions, and
observations, in this order at one instant. An observation that equals the start before it says nothing; one at the
instant of a held start takes its place; any other starts a version. Each start holds until the next entry.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from ematix_flow.backends.delta.change import Change, with_columns
from ematix_flow.backends.delta.compare import any_distinct, distinct
from ematix_flow.backends.delta.keys import new_rows, row_numbers
from ematix_flow.history import IS_CURRENT, VALID_FROM, VALID_TO
from ematix_flow.plan import AddVersions

_INSTANT = pa.timestamp("us", "UTC")
_END, _START, _OBSERVATION = 0, 1, 2  # the ranks of entries at one instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyed:
    """Rows, and beside each the number of its key (int64)."""

    rows: pa.Table
    keys: pa.Array


def observed(action: AddVersions, given: Keyed, held: Keyed, clock: datetime) -> Change:
    """What observations change. `held` are all versions of their keys, as whole rows."""
    timeline = _timeline(action, given, held, _times(action, given, held, clock))
    ended = _ended(timeline, held.rows)
    started = timeline.filter(pc.equal(timeline["rank"], _OBSERVATION))
    replaced = started["replaces"].drop_null()
    changed = held.rows.take(pa.chunked_array([*ended["row"].chunks, *replaced.chunks], pa.int64()))
    versions = _versions(started, given.rows, held.rows)
    replacing = versions.filter(started["replaces"].is_valid())
    return Change(
        rows=pa.concat_tables([_ending(held.rows.take(ended["row"]), ended["until"]), versions]),
        removed=changed.select([*action.keys, VALID_FROM]),
        inserted=versions.num_rows - len(replaced),
        updated=len(replaced),
        closed=_number_current(changed) - _number_current(replacing),
    )


def closed(action: AddVersions, block: pa.Table, read: Sequence[pa.Table], clock: datetime) -> Change:
    """Current versions whose key was not read, which end now; the block has whole rows."""
    gone = new_rows(block.filter(block.column(IS_CURRENT)), read, action.keys)
    ends = _latest(pa.repeat(pa.scalar(clock, _INSTANT), gone.num_rows), _just_after(gone[VALID_FROM]))
    return Change(
        rows=_ending(gone, ends),
        removed=gone.select([*action.keys, VALID_FROM]),
        closed=gone.num_rows,
    )


# --- the timeline ------------------------------------------------------------------------------------


def _timeline(action: AddVersions, given: Keyed, held: Keyed, times: pa.ChunkedArray) -> pa.Table:
    """What stays of the timeline, each entry with the instant `until` which it holds.

    `row` numbers the held rows and, after them, those given; `replaces` is the row in whose place an entry stands.
    """
    until = held.rows.column(VALID_TO)
    is_over = until.is_valid()
    rows = row_numbers(held.rows.num_rows + given.rows.num_rows)
    is_held = rows.slice(0, held.rows.num_rows)
    entries = pa.concat_tables(
        [
            _entries(_END, held.keys.filter(is_over), until.filter(is_over), is_held.filter(is_over)),
            _entries(_START, held.keys, held.rows.column(VALID_FROM), is_held),
            _entries(_OBSERVATION, given.keys, times, rows.slice(held.rows.num_rows)),
        ]
    )
    by_time = entries.sort_by([(name, "ascending") for name in ("key", "at", "rank")])
    values = pa.concat_tables([each.rows.select(action.compare) for each in (held, given)])
    return _with_until(_telling(by_time, values.combine_chunks(), action.compare))


def _entries(rank: int, keys: pa.Array, times: pa.ChunkedArray, rows: pa.Array) -> pa.Table:
    return pa.table(
        [keys, times, pa.repeat(pa.scalar(rank, pa.int8()), len(keys)), rows], ["key", "at", "rank", "row"]
    )


def _telling(entries: pa.Table, values: pa.Table, compare: Sequence[str]) -> pa.Table:
    """The entries without observations that say nothing and starts whose place is taken."""
    before = _beside(entries, -1)
    is_observation = pc.equal(entries["rank"], _OBSERVATION)
    after_start = pc.and_(pc.equal(before["key"], entries["key"]), pc.greater_equal(before["rank"], _START))
    after_start = pc.fill_null(pc.and_(is_observation, after_start), False)
    says_something = any_distinct(values.take(entries["row"]), values.take(before["row"]), compare)
    at_start = pc.and_(pc.equal(before["rank"], _START), pc.equal(before["at"], entries["at"]))
    replaces = pc.and_(pc.and_(after_start, says_something), at_start)
    entries = entries.append_column(
        "replaces", pc.if_else(replaces, before["row"], pa.scalar(None, pa.int64()))
    )
    is_replaced = pc.and_(
        pc.equal(entries["rank"], _START),
        pc.is_in(entries["row"], value_set=entries["replaces"].drop_null()),
    )
    says_nothing = pc.and_(after_start, pc.invert(says_something))
    return entries.filter(pc.invert(pc.or_(says_nothing, is_replaced)))


def _with_until(entries: pa.Table) -> pa.Table:
    after = _beside(entries, 1)
    is_followed = pc.equal(after["key"], entries["key"])
    return entries.append_column("until", pc.if_else(is_followed, after["at"], pa.scalar(None, _INSTANT)))


def _beside(entries: pa.Table, steps: int) -> pa.Table:
    """For each entry the one so many steps on, null beyond either end."""
    numbers = pc.add(row_numbers(entries.num_rows), steps)
    is_there = pc.is_in(numbers, value_set=row_numbers(entries.num_rows))
    return entries.take(pc.if_else(is_there, numbers, pa.scalar(None, pa.int64())))


# --- what it changes ---------------------------------------------------------------------------------


def _ended(timeline: pa.Table, held: pa.Table) -> pa.Table:
    """The held starts after which something new begins."""
    starts = timeline.filter(pc.equal(timeline["rank"], _START))
    return starts.filter(distinct(starts["until"], held.column(VALID_TO).take(starts["row"])))


def _versions(started: pa.Table, given: pa.Table, held: pa.Table) -> pa.Table:
    """The observations as versions; of a held row whose place they take remain the columns that nobody declared."""
    rows = held.take(started["replaces"])
    values = given.take(pc.subtract(started["row"], held.num_rows))
    rows = with_columns(rows, {name: values.column(name) for name in values.column_names})
    until = started["until"]
    return with_columns(rows, {VALID_FROM: started["at"], VALID_TO: until, IS_CURRENT: until.is_null()})


def _ending(versions: pa.Table, until: pa.ChunkedArray) -> pa.Table:
    return with_columns(versions, {VALID_TO: until, IS_CURRENT: until.is_null()})


def _number_current(versions: pa.Table) -> int:
    number: int = pc.sum(versions.column(IS_CURRENT), min_count=0).as_py()
    return number


# --- instants ----------------------------------------------------------------------------------------


def _times(action: AddVersions, given: Keyed, held: Keyed, clock: datetime) -> pa.ChunkedArray:
    """Since when each observation holds; by the clock, then after all that is known of its key."""
    if action.valid_from is not None:
        return given.rows.column(action.valid_from)
    known = pa.table(
        [held.keys, _just_after(held.rows[VALID_FROM]), held.rows[VALID_TO]], ["key", "start", "end"]
    )
    latest = known.group_by("key").aggregate([("start", "max"), ("end", "max")])
    place = pc.index_in(given.keys, value_set=latest["key"])
    now = pa.repeat(pa.scalar(clock, _INSTANT), given.rows.num_rows)
    return _latest(now, latest["start_max"].take(place), latest["end_max"].take(place))


def _latest(*instants: pa.Array | pa.ChunkedArray) -> pa.ChunkedArray:
    """The latest of each row, NULL left out; Arrow compares no instants that have a zone."""
    return pc.max_element_wise(*(each.cast(pa.int64()) for each in instants)).cast(_INSTANT)


def _just_after(instants: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.add(instants, pa.scalar(1, pa.duration("us")))
