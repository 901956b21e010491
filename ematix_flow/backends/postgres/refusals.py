"""What a load is refused for once its rows are staged, and before any of them is loaded."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

from ematix_flow.backends.postgres import checks
from ematix_flow.backends.postgres.stage import checked_key
from ematix_flow.errors import DuplicateKeyError, EmptySourceError, LoadError, NullKeyError
from ematix_flow.plan import AddVersions, MergeRows, ReplaceSlice, TargetPlan
from ematix_flow.spec import Deletes


def refuse_staged(session: psycopg.Connection, plan: TargetPlan, read: int) -> None:
    """Look at the `read` staged rows.

    Raises:
        NullKeyError: a key column holds NULL.
        DuplicateKeyError: different rows share a key.
        EmptySourceError: there are no rows, and what was not read would be deleted.
        LoadError: a key of the slice stands outside of it.
    """
    keys = checked_key(plan)
    if keys:
        _refuse_null_keys(session, plan, keys)
        _refuse_conflicting_keys(session, plan, keys)
    match plan.action:
        case ReplaceSlice(keys=(_, *_)) as action:
            _refuse_keys_elsewhere(session, plan, action)
        case _:
            refuse_empty(plan, read)


def refuse_empty(plan: TargetPlan, read: int) -> None:
    """Refuse to take everything for gone.

    Raises:
        EmptySourceError: there are no rows, and what was not read would be deleted.
    """
    match plan.action:
        case (
            MergeRows(deletes=Deletes(), allow_empty_source=False)
            | AddVersions(deletes=Deletes(), allow_empty_source=False)
        ) if read == 0:
            raise EmptySourceError(
                job=plan.job,
                table=plan.table.full_name,
                reason="the source is empty, so every row would count as gone; if that is meant, say "
                "allow_empty_source=True",
            )


def _refuse_null_keys(session: psycopg.Connection, plan: TargetPlan, keys: tuple[str, ...]) -> None:
    nulls, samples = _row(session, checks.null_keys(keys))
    if nulls:
        raise NullKeyError(
            job=plan.job,
            table=plan.table.full_name,
            columns=keys,
            count=nulls,
            samples=_shown(plan, samples),
            reason="filter them out, or choose another key",
        )


def _refuse_conflicting_keys(session: psycopg.Connection, plan: TargetPlan, keys: tuple[str, ...]) -> None:
    (repeated,) = _row(session, checks.repeated_keys(keys))
    if not repeated:
        return
    conflicting, samples = _row(session, checks.conflicting_keys(keys))
    if conflicting:
        raise DuplicateKeyError(
            job=plan.job,
            table=plan.table.full_name,
            columns=keys,
            count=conflicting,
            samples=_shown(plan, samples),
            reason="make the query return one row a key, or add the column that tells them apart to the key",
        )


def _refuse_keys_elsewhere(session: psycopg.Connection, plan: TargetPlan, action: ReplaceSlice) -> None:
    """A slice is replaced as it stands; a row that has moved into it would stand in two slices."""
    count, samples = _row(session, checks.keys_elsewhere(plan.stored, action))
    if count:
        raise LoadError(
            job=plan.job,
            table=plan.table.full_name,
            reason=f"the table holds {count} keys ({', '.join(action.keys)}) of this slice outside of it, and would "
            f"hold them twice: {'; '.join(_shown(plan, samples))}; run the job without a window, or with one that "
            "covers both places",
        )


def _row(session: psycopg.Connection, query: sql.Composed) -> Any:
    return session.execute(query).fetchone()


def _shown(plan: TargetPlan, samples: list[str]) -> tuple[str, ...]:
    return tuple(samples) if plan.read.show_values else ("(values hidden)",)
