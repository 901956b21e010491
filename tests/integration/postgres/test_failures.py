"""What goes wrong late, or in a thread: it reaches the caller, says where, and shows no more than it may."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import pyarrow as pa
import pytest

from ematix_flow import Project, pk
from ematix_flow.errors import LoadError, RunError, SchemaDriftError
from ematix_flow.run import run_job
from ematix_flow.types import BigInt, Text

Body = Callable[[], Any]


def fan_out(databases: Any, project: Project, body: Body) -> Callable[[], Any]:
    """A job into `analytics.one` of the origin and `analytics.two` of the other database."""
    databases.connect(project)
    tables = [
        project.table(schema="analytics", name=name)(
            type(name, (), {"__annotations__": {"n": Annotated[BigInt, pk()]}})
        )
        for name in ("one", "two")
    ]
    decorate = project.job(
        name="load",
        targets=tables,
        target_connection={"one": "origin", "two": "other"},
        source_connection="origin",
    )
    job = decorate(body)
    return lambda: run_job(job, project=project)


def one_batch() -> Iterator[pa.RecordBatch]:
    yield pa.record_batch({"n": [1, 2]})


@pytest.mark.timeout(30)
@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()], ids=repr)
def test_a_body_that_exits_after_its_first_batch_fails_every_target(
    databases: Any, project: Project, error: BaseException
) -> None:
    def exiting() -> Iterator[pa.RecordBatch]:
        yield from one_batch()
        raise error

    with pytest.raises(RunError, match=f"2 of 2 targets failed: .*{type(error).__name__}"):
        fan_out(databases, project, exiting)()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ematix")]
    assert databases.origin.execute("select to_regclass('analytics.one')").fetchone() == (None,)


def test_a_constraint_that_speaks_at_commit_fails_its_target_without_showing_the_detail(
    databases: Any, project: Project
) -> None:
    other = databases.other
    other.execute("create schema analytics")
    other.execute("create table analytics.two (n bigint primary key)")
    other.execute(
        "create function analytics.refuse() returns trigger language plpgsql as "
        "$$ begin raise exception 'refused late' using detail = 'the secret is 42'; end $$"
    )
    other.execute(
        "create constraint trigger late after insert on analytics.two deferrable initially deferred "
        "for each row execute function analytics.refuse()"
    )
    with pytest.raises(RunError) as raised:
        fan_out(databases, project, one_batch)()
    (failed,) = raised.value.result.failed
    assert str(failed.error) == "job 'load', table analytics.two: refused late"
    assert databases.origin.execute("select count(*) from analytics.one").fetchone() == (2,)
    assert other.execute("select count(*) from analytics.two").fetchone() == (0,)


def test_a_target_that_cannot_be_looked_at_fails_alone(databases: Any, project: Project) -> None:
    other = databases.other
    other.execute("create schema analytics")
    other.execute("create view analytics.two as select 1::bigint as n where 1 / 0 = 1")
    with pytest.raises(RunError) as raised:
        fan_out(databases, project, one_batch)()
    (failed,) = raised.value.result.failed
    assert isinstance(failed.error, LoadError)
    assert str(failed.error) == "job 'load', table analytics.two: division by zero"
    assert databases.origin.execute("select count(*) from analytics.one").fetchone() == (2,)


def test_a_server_that_goes_away_in_the_middle_fails_its_target_only(
    databases: Any, project: Project
) -> None:
    def interrupted() -> Iterator[pa.RecordBatch]:
        yield from one_batch()
        databases.origin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where application_name = 'ematix-flow' and datname = %s",
            [databases.other.info.dbname],
        )
        yield pa.record_batch({"n": [3]})

    with pytest.raises(RunError) as raised:
        fan_out(databases, project, interrupted)()
    assert [target.table for target in raised.value.result.failed] == ["analytics.two"]
    assert databases.origin.execute("select count(*) from analytics.one").fetchone() == (3,)


def test_targets_of_one_database_whose_windows_differ_each_get_their_own_columns(
    databases: Any, project: Project
) -> None:
    databases.connect(project)
    databases.origin.execute("create table raw.t (n bigint primary key, v text)")
    databases.origin.execute("insert into raw.t values (1, 'a')")

    @project.table(schema="analytics")
    class Wide:
        n: Annotated[BigInt, pk()]
        v: Text | None

    @project.table(schema="analytics")
    class Narrow:
        n: Annotated[BigInt, pk()]

    @project.job(name="load", targets=[Wide, Narrow], target_connection="origin", source_connection="origin")
    def load() -> str:
        return "select n, v from raw.t"

    run_job(load, project=project, targets=["origin:analytics.wide"])
    databases.origin.execute("insert into raw.t values (2, 'b')")
    run_job(load, project=project)
    assert databases.origin.execute("select * from analytics.wide order by n").fetchall() == [
        (1, "a"),
        (2, "b"),
    ]
    assert databases.origin.execute("select * from analytics.narrow order by n").fetchall() == [(1,), (2,)]


def test_drift_of_one_target_leaves_the_other_loaded(databases: Any, project: Project) -> None:
    databases.other.execute("create schema analytics")
    databases.other.execute("create table analytics.two (n text primary key)")
    with pytest.raises(RunError) as raised:
        fan_out(databases, project, one_batch)()
    (failed,) = raised.value.result.failed
    assert isinstance(failed.error, SchemaDriftError)
    assert databases.origin.execute("select count(*) from analytics.one").fetchone() == (2,)
