"""The error tree: every error pickles with its facts, says where and what to do, and tells no more."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

import ematix_flow
from ematix_flow import errors, secrets, streams
from ematix_flow.errors import EmatixError, Problem
from ematix_flow.results import JobResult, LoadCounts, TargetResult

PROBLEM = Problem(
    file="jobs.py", line=7, declaration="job 'load'", field="schedule", text="'x' is no cron string"
)
LATER = Problem(
    file="jobs.py", line=9, declaration="table 'shop.orders'", field=None, text="it has no columns"
)
RESULT = JobResult(
    job="load",
    targets=(
        TargetResult(
            connection="lake",
            table="shop.orders",
            plan=None,
            counts=LoadCounts(read=3),
            watermark=None,
            seconds=0.5,
            error=errors.LoadError(job="load", table="shop.orders", reason="no space left"),
        ),
    ),
)
# A value for every field of every error, by name.
FACTS: dict[str, Any] = {
    "problems": (PROBLEM, LATER),
    "job": "load",
    "reason": "it went wrong; mend it",
    "column": "price",
    "type": "Interval",
    "backend": "Delta",
    "source_type": "double precision",
    "declared_type": "bigint",
    "table": "shop.orders",
    "drifts": ("column price is text, declared bigint",),
    "sql": ("alter table shop.orders drop column price",),
    "connection": "warehouse",
    "result": RESULT,
    "columns": ("region", "order_id"),
    "count": 2,
    "samples": ("(eu,)", "(,7)"),
    "variable": "WAREHOUSE_DSN",
    "where": "connection 'warehouse'",
    "at": datetime(2026, 1, 1, tzinfo=UTC),
}


def descendants(family: type[EmatixError]) -> Iterator[type[EmatixError]]:
    for child in family.__subclasses__():
        yield child
        yield from descendants(child)


def made(kind: type[EmatixError]) -> EmatixError:
    wanted = [name for name in inspect.signature(kind).parameters if name in FACTS]
    return kind(**{name: FACTS[name] for name in wanted})


def facts(error: EmatixError) -> dict[str, Any]:
    return {name: getattr(error, name) for name in inspect.signature(type(error)).parameters}


MODULES = {module.__name__ for module in (errors, secrets, streams)}
KINDS = sorted(
    (kind for kind in descendants(EmatixError) if kind.__module__ in MODULES), key=lambda kind: kind.__name__
)


def test_every_error_of_the_engine_is_among_those_tested() -> None:
    assert {kind.__name__ for kind in KINDS} >= {
        name for name in ematix_flow.__all__ if name.endswith("Error") and name != "EmatixError"
    }


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_error_pickles_with_its_facts(kind: type[EmatixError]) -> None:
    error = made(kind)
    back = pickle.loads(pickle.dumps(error))  # noqa: S301  # our own bytes
    assert type(back) is kind
    assert str(back) == str(error)
    assert back.message == error.message
    assert facts(back) | {"result": None} == facts(error) | {"result": None}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_the_result_inside_a_run_error_comes_along(protocol: int) -> None:
    error = errors.RunError(job="load", reason="1 of 1 targets failed", result=RESULT)
    back = pickle.loads(pickle.dumps(error, protocol))  # noqa: S301  # our own bytes
    assert back.result.job == "load"
    assert back.result.targets[0].counts == LoadCounts(read=3)
    assert str(back.result.failed[0].error) == "job 'load', table shop.orders: no space left"


class UnpicklableError(Exception):
    """As a driver's error is, which holds its connection."""

    def __reduce__(self) -> Any:
        raise TypeError("cannot pickle a connection")


def test_a_cause_that_does_not_pickle_is_left_behind() -> None:
    error = errors.LoadError(job="load", table="shop.orders", reason="the server went away")
    error.__cause__ = UnpicklableError("postgresql://user:secret@host")
    back = pickle.loads(pickle.dumps(error))  # noqa: S301  # our own bytes
    assert str(back) == "job 'load', table shop.orders: the server went away"
    assert back.__cause__ is None


def test_an_error_can_be_copied() -> None:
    error = made(errors.NullKeyError)
    assert facts(copy.copy(error)) == facts(error)


def test_an_error_is_itself_and_nothing_else() -> None:
    one, other = made(errors.PlanError), made(errors.PlanError)
    assert one != other
    assert len({one, other}) == 2


def test_an_error_keeps_its_cause_while_it_travels_up() -> None:
    cause = KeyError("price")
    error = made(errors.LoadError)
    error.__cause__ = cause
    with pytest.raises(errors.LoadError) as raised:
        raise error
    assert raised.value.__cause__ is cause


@pytest.mark.parametrize(
    ("kind", "family"),
    [
        (errors.DuplicateNameError, errors.DeclarationError),
        (errors.UnknownNameError, errors.DeclarationError),
        (errors.DependencyCycleError, errors.DeclarationError),
        (errors.UnsupportedTypeError, errors.PlanError),
        (errors.UnsafeCastError, errors.PlanError),
        (errors.SchemaDriftError, errors.PlanError),
        (errors.BackendUnavailableError, errors.RunError),
        (errors.LoadError, errors.RunError),
        (errors.NullKeyError, errors.LoadError),
        (errors.DuplicateKeyError, errors.LoadError),
        (errors.WatermarkError, errors.LoadError),
    ],
    ids=lambda kind: kind.__name__,
)
def test_the_family_names_the_stage(kind: type[EmatixError], family: type[EmatixError]) -> None:
    assert issubclass(kind, family)


# --- messages ----------------------------------------------------------------------------------------


def test_one_problem_is_told_in_one_line() -> None:
    error = errors.DeclarationError(problems=(PROBLEM,))
    assert str(error) == "jobs.py:7: job 'load', schedule: 'x' is no cron string"


def test_several_problems_are_counted_and_listed() -> None:
    error = errors.DeclarationError(problems=(PROBLEM, LATER))
    assert str(error) == (
        "2 problems in the declarations:\n"
        "  jobs.py:7: job 'load', schedule: 'x' is no cron string\n"
        "  jobs.py:9: table 'shop.orders': it has no columns"
    )


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (errors.PlanError, "job 'load': it went wrong; mend it"),
        (errors.RunError, "job 'load': it went wrong; mend it"),
        (errors.SourceQueryError, "job 'load': it went wrong; mend it"),
        (errors.LoadError, "job 'load', table shop.orders: it went wrong; mend it"),
        (errors.WatermarkError, "job 'load', table shop.orders: it went wrong; mend it"),
        (errors.BackendUnavailableError, "job 'load', connection 'warehouse': it went wrong; mend it"),
        (
            errors.UnsupportedTypeError,
            "job 'load': column 'price': Delta cannot store Interval; it went wrong; mend it",
        ),
        (
            errors.UnsafeCastError,
            (
                "job 'load': column 'price': the source gives double precision, the table declares bigint; it went "
                "wrong; mend it"
            ),
        ),
        (
            errors.SchemaDriftError,
            (
                "job 'load': table shop.orders differs from its declaration; it went wrong; mend it\n"
                "  - column price is text, declared bigint\n"
                "  what would mend it, for you to review and run:\n"
                "    alter table shop.orders drop column price;"
            ),
        ),
        (
            errors.NullKeyError,
            (
                "job 'load', table shop.orders: 2 rows have NULL in the key (region, order_id): (eu,); (,7); it went "
                "wrong; mend it"
            ),
        ),
        (
            errors.DuplicateKeyError,
            (
                "job 'load', table shop.orders: 2 keys (region, order_id) stand in several different rows: (eu,); (,7); "
                "it went wrong; mend it"
            ),
        ),
        (
            secrets.UnsetVariableError,
            (
                "connection 'warehouse': the environment variable WAREHOUSE_DSN is not set; export it before running "
                "the job"
            ),
        ),
    ],
    ids=lambda value: value.__name__ if inspect.isclass(value) else "",
)
def test_a_message_says_where_what_and_what_to_do(kind: type[EmatixError], message: str) -> None:
    assert str(made(kind)) == message


def test_a_query_that_belongs_to_no_job_is_told_without_one() -> None:
    assert str(errors.SourceQueryError(reason="it is empty")) == "it is empty"


def test_a_connection_used_outside_a_job_is_told_without_one() -> None:
    error = errors.BackendUnavailableError(connection="warehouse", reason="it is down")
    assert str(error) == "connection 'warehouse': it is down"


def test_drift_without_statements_promises_none() -> None:
    error = errors.SchemaDriftError(
        job="j", table="s.t", drifts=("a is b",), sql=(), reason="make them agree"
    )
    assert str(error) == "job 'j': table s.t differs from its declaration; make them agree\n  - a is b"
