"""The command line against a real Postgres and a real Delta table."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from deltalake import DeltaTable

from ematix_flow import Project, table_of
from ematix_flow.backends import live_table
from ematix_flow.cli import main
from ematix_flow.spec import PostgresConnection, Table

SHOP = """
from typing import Annotated

import pyarrow as pa

from ematix_flow import Project, pk
from ematix_flow.types import BigInt, Text, TimestampTZ

shop = Project()


@shop.connection
class warehouse:
    kind = "postgres"
    url = "${CLI_DSN}"


@shop.connection
class lake:
    kind = "delta_local"
    path = "${CLI_LAKE}"


@shop.table(schema="analytics")
class Events:
    event_id: Annotated[BigInt, pk()]
    name: Text | None
    received_at: TimestampTZ


@shop.table(schema="analytics")
class Log:
    event_id: BigInt


@shop.job(name="ingest", targets=[Events], target_connection="warehouse", incremental="received_at")
def ingest():
    return "select event_id, name, received_at from raw.events"


@shop.job(name="export", target=Events, target_connection="lake", incremental="received_at", depends_on="ingest")
def export():
    return "select event_id, name, received_at from analytics.events"


@shop.job(
    name="log",
    target=Log,
    target_connection="lake",
    source_connection="lake",
    mode="truncate",
    depends_on="export",
)
def log():
    yield pa.record_batch({"event_id": pa.array([1], pa.int64())})
"""

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def module(db: psycopg.Connection, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file of three jobs, the second after the first, the third after both; two rows to load."""
    db.execute("create schema raw")
    db.execute(
        "create table raw.events (event_id bigint primary key, name text, received_at timestamptz not null)"
    )
    db.execute("insert into raw.events values (1, 'a', '2026-01-01 00:00Z'), (2, null, '2026-01-02 00:00Z')")
    monkeypatch.setenv("CLI_DSN", dsn)
    monkeypatch.setenv("CLI_LAKE", str(tmp_path / "lake"))
    file = tmp_path / "shop.py"
    file.write_text(SHOP)
    return str(file)


@pytest.fixture
def command(module: str, capsys: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """Runs a command on the module in this process: exit code, stdout and stderr."""

    def run(verb: str, *words: str) -> tuple[int, str, str]:
        code = main([verb, module, *words])
        told = capsys.readouterr()
        return code, told.out, told.err

    path = list(sys.path)
    yield run
    sys.path[:] = path


def drift(db: psycopg.Connection) -> None:
    """Make the target with another type than the declared one."""
    db.execute("create schema analytics")
    columns = "event_id text primary key, name text, received_at timestamptz not null"
    db.execute(f"create table analytics.events ({columns})")


def lines(text: str) -> list[str]:
    return text.splitlines()


# --- as a program of its own -------------------------------------------------------------------------


def start(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "ematix_flow", *words],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(program: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = program.communicate(timeout=120)
    return program.returncode, out, err


def test_the_program_plans_runs_and_shows_watermarks(module: str) -> None:
    code, out, err = finish(start("plan", module, "ingest"))
    assert (code, err) == (0, "")
    assert "  target warehouse:analytics.events\n" in out
    code, out, err = finish(start("run", module, "ingest"))
    assert (code, err) == (0, "")
    assert out.startswith("ingest warehouse:analytics.events: 2 read, 2 inserted, 0 updated, ")
    code, out, err = finish(start("watermarks", module, "ingest"))
    assert (code, err) == (0, "")
    assert out.startswith("ingest warehouse:analytics.events: 2026-01-02 00:00:00+00 (column received_at ")


def test_the_program_exits_with_2_on_drift(module: str, db: psycopg.Connection) -> None:
    drift(db)
    code, out, err = finish(start("plan", module, "ingest"))
    assert (code, out) == (2, "")
    assert err.startswith("job 'ingest': table analytics.events differs from its declaration; ")


def test_an_interrupted_program_says_so_and_exits_as_a_shell_expects(module: str) -> None:
    asleep = "    import sys, time\n    print('asleep', file=sys.stderr, flush=True)\n    time.sleep(100)\n"
    text = Path(module).read_text()
    Path(module).write_text(text.replace("    yield pa", f"{asleep}    yield pa"))
    here = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    program = start("run", module, "log")
    signal.signal(signal.SIGINT, here)
    assert program.stderr is not None
    assert program.stderr.readline() == "asleep\n"
    program.send_signal(signal.SIGINT)
    assert finish(program) == (130, "", "cancelled; what was committed before stays\n")


# --- plan --------------------------------------------------------------------------------------------


def test_plan_tells_steps_window_path_and_sql_and_changes_nothing(
    command: Command, db: psycopg.Connection
) -> None:
    code, out, err = command("plan", "ingest")
    assert (code, err) == (0, "")
    told = [line.split()[0] for line in lines(out)[:7]]
    assert told == ["job", "target", "load", "window", "path", "watermark", "step"]
    assert "    step      create table analytics.events" in out
    assert 'create table "analytics"."events"' in out
    assert db.execute("select to_regnamespace('analytics')").fetchone() == (None,)


def test_plan_as_json_is_one_document(command: Command) -> None:
    code, out, err = command("plan", "ingest", "log", "--json")
    document = json.loads(out)
    assert (code, err) == (0, "")
    assert [plan["job"] for plan in document["plans"]] == ["ingest", "log"]
    assert document["plans"][0]["targets"][0]["read"]["window"]["kind"] == "ColumnRange"
    assert document["errors"] == []


def test_plan_exits_with_2_on_drift_and_still_plans_the_rest(
    command: Command, db: psycopg.Connection
) -> None:
    drift(db)
    code, out, err = command("plan")
    assert code == 2
    assert "column event_id is Text, declared BigInt" in err
    assert "alter table" in err
    assert "job log\n" in out


def test_drift_is_told_in_json_too(command: Command, db: psycopg.Connection) -> None:
    drift(db)
    code, out, _ = command("plan", "ingest", "--json")
    (error,) = json.loads(out)["errors"]
    assert code == 2
    assert error["job"] == "ingest"
    assert error["kind"] == "SchemaDriftError"
    assert error["table"] == "analytics.events"
    assert error["drifts"] == ["column event_id is Text, declared BigInt"]


def test_plan_exits_with_1_on_any_other_error_and_shows_no_password(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLI_DSN", "postgresql://u:hunter2@127.0.0.1:1/nowhere")
    code, out, err = command("plan", "ingest", "log")
    assert code == 1
    assert "job log\n" in out
    assert "job 'ingest', connection 'warehouse': cannot open a session" in err
    assert "hunter2" not in out + err


# --- run ---------------------------------------------------------------------------------------------


def test_run_loads_every_job_in_the_order_of_the_dependencies(command: Command, tmp_path: Path) -> None:
    code, out, err = command("run")
    assert (code, err) == (0, "")
    told = [line.split(",")[0] for line in lines(out)]
    assert told == [
        "ingest warehouse:analytics.events: 2 read",
        "export lake:analytics.events: 2 read",
        "log lake:analytics.log: 1 read",
    ]
    assert DeltaTable(str(tmp_path / "lake/analytics/events")).count() == 2


READING_EACH_OTHER = """
from ematix_flow import Project
from ematix_flow.types import BigInt

shop = Project()

@shop.connection
class warehouse:
    kind = "postgres"
    url = "${CLI_DSN}"

@shop.table(schema="analytics")
class Third:
    n: BigInt

@shop.table(schema="analytics")
class Second:
    n: BigInt

@shop.table(schema="analytics")
class First:
    n: BigInt

@shop.job(name="third", target=Third, mode="truncate", sources="analytics.second")
def third(conn):
    return conn.read("select n from analytics.second").read_all()

@shop.job(name="second", target=Second, mode="truncate")
def second(conn):
    return "with one as (select n from analytics.first) select n + 1 as n from one"

@shop.job(name="first", target=First, mode="truncate")
def first():
    return "select 1::bigint as n from %s"
"""


@pytest.fixture
def reading(module: str, tmp_path: Path) -> Callable[[str], str]:
    """A file of jobs that are declared in the wrong order, and know each other by the tables that they read only."""

    def written(source: str) -> str:
        file = tmp_path / "reading.py"
        file.write_text(READING_EACH_OTHER % source)
        return str(file)

    return written


def test_run_loads_a_job_after_those_that_load_what_it_reads(
    reading: Callable[[str], str], db: psycopg.Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", reading("raw.events limit 1")]) == 0
    told = capsys.readouterr()
    assert [line.split()[0] for line in lines(told.out)] == ["first", "second", "third"]
    assert told.err == ""
    assert db.execute("select n from analytics.third").fetchall() == [(2,)]


def test_run_skips_what_reads_the_table_of_a_failed_job(
    reading: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", reading("raw.nothing")]) == 1
    assert lines(capsys.readouterr().out) == [
        "first: failed",
        "second: skipped, because first failed",
        "third: skipped, because first failed",
    ]


def test_run_refuses_jobs_that_read_what_each_other_load(
    reading: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", reading("analytics.third")]) == 1
    assert (
        "jobs read what each other load, in a ring: third → second → first → third" in capsys.readouterr().err
    )


def test_one_job_alone_runs_though_its_body_needs_a_database_to_tell_what_it_reads(
    reading: Callable[[str], str], db: psycopg.Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    file = reading("raw.events limit 1")
    for job in ("first", "second", "third"):
        assert main(["run", file, job]) == 0
    assert capsys.readouterr().err == ""


def test_run_skips_what_waits_for_a_failed_job(command: Command, db: psycopg.Connection) -> None:
    db.execute("drop table raw.events")
    code, out, err = command("run")
    assert code == 1
    assert lines(out) == [
        "ingest: failed",
        "export: skipped, because ingest failed",
        "log: skipped, because ingest failed",
    ]
    assert 'relation "raw.events" does not exist' in err


def test_a_skipped_job_is_known_by_the_job_that_failed_though_one_between_was_not_named(
    command: Command, db: psycopg.Connection
) -> None:
    db.execute("drop table raw.events")
    code, out, _ = command("run", "ingest", "log")
    assert code == 1
    assert lines(out) == ["ingest: failed", "log: skipped, because ingest failed"]


def test_a_target_that_fails_is_told_and_its_error_goes_to_stderr(
    command: Command, db: psycopg.Connection
) -> None:
    drift(db)
    code, out, err = command("run", "ingest")
    assert (code, out) == (1, "ingest warehouse:analytics.events: failed\n")
    assert "column event_id is Text, declared BigInt" in err


# --- watermarks --------------------------------------------------------------------------------------


def test_watermarks_tell_what_is_stored_per_target(command: Command) -> None:
    command("run")
    code, out, err = command("watermarks")
    assert (code, err) == (0, "")
    ingest, export, log = lines(out)
    kept = "2026-01-02 00:00:00+00 (column received_at TimestampTZ), stored 2"
    assert ingest.startswith(f"ingest warehouse:analytics.events: {kept}")
    assert export.startswith(f"export lake:analytics.events: {kept}")
    assert log == "log lake:analytics.log: no watermark"


def test_watermarks_of_jobs_that_never_ran_are_none(command: Command) -> None:
    assert command("watermarks", "ingest") == (0, "ingest warehouse:analytics.events: no watermark\n", "")


@pytest.mark.parametrize(
    ("job", "label"), [("ingest", "warehouse:analytics.events"), ("export", "lake:analytics.events")]
)
def test_after_a_reset_a_run_reads_everything_once(command: Command, job: str, label: str) -> None:
    command("run", "ingest", "export")
    assert command("watermarks", job, "--reset") == (
        0,
        f"{job} {label}: reset; the next run reads everything\n",
        "",
    )
    assert command("watermarks", job) == (0, f"{job} {label}: no watermark\n", "")
    _, planned, _ = command("plan", job)
    assert "because no watermark is used" in planned
    code, out, _ = command("run", job)
    assert code == 0
    assert out.startswith(f"{job} {label}: 2 read, 0 inserted, 0 updated, 2 unchanged")
    _, shown, _ = command("watermarks", job)
    assert shown.startswith(f"{job} {label}: 2026-01-02 00:00:00+00 (")


def test_a_reset_of_one_job_leaves_the_other(command: Command) -> None:
    command("run", "ingest", "export")
    command("watermarks", "export", "--reset")
    _, shown, _ = command("watermarks", "ingest")
    assert shown.startswith("ingest warehouse:analytics.events: 2026-01-02 00:00:00+00 (")


@pytest.mark.parametrize(
    ("job", "label"), [("ingest", "warehouse:analytics.events"), ("export", "lake:analytics.events")]
)
def test_a_reset_of_a_job_that_never_ran_changes_nothing(
    command: Command, job: str, label: str, tmp_path: Path
) -> None:
    assert command("watermarks", job, "--reset") == (0, f"{job} {label}: no watermark\n", "")
    assert not (tmp_path / "lake").exists()


@pytest.mark.parametrize("job", ["ingest", "export"])
def test_a_reset_reaches_what_is_stored_under_the_previous_name(
    command: Command, module: str, job: str
) -> None:
    command("run", "ingest", "export")
    old = Path(module).read_text()
    alone = re.sub(r', depends_on="\w+"|    depends_on="\w+",\n', "", old)
    Path(module).write_text(alone.replace(f'name="{job}"', f'name="renamed", previous_name="{job}"'))
    _, out, _ = command("watermarks", "renamed", "--reset")
    assert out.endswith(": reset; the next run reads everything\n")
    Path(module).write_text(old)
    _, shown, _ = command("watermarks", job)
    assert shown.endswith(": no watermark\n")


def test_a_reset_leaves_the_rows_of_a_lake_as_they_are(command: Command, tmp_path: Path) -> None:
    command("run", "ingest", "export")
    before = DeltaTable(str(tmp_path / "lake/analytics/events"))
    command("watermarks", "export", "--reset")
    after = DeltaTable(str(tmp_path / "lake/analytics/events"))
    assert after.version() == before.version() + 1
    assert after.file_uris() == before.file_uris()
    assert after.schema() == before.schema()


# --- declare -----------------------------------------------------------------------------------------

EVERY_TYPE = """
create schema sales;
create table sales.orders (
    order_id bigint generated always as identity primary key, code varchar(8) not null, small smallint, n integer,
    r real, d double precision, b boolean not null default false, t text, price numeric(12, 2), any_number numeric,
    day date, moment time, local_time timestamp, instant timestamptz, span interval, doc json, docb jsonb, uid uuid,
    bytes bytea, words text[], amounts numeric(12, 2)[], "order by" text, constraint by_code unique (code));
comment on table sales.orders is 'One row an order; "quoted"';
comment on column sales.orders.code is 'as printed';
"""


def declared(text: str) -> Table:
    """The table that printed text declares."""
    project = Project()
    scope: dict[str, Any] = {"project": project, "__name__": "declared"}
    exec(text.replace("@ematix.table", "@project.table"), scope)  # noqa: S102  # our own text
    (table,) = project.tables.values()
    cls = next(value for value in scope.values() if getattr(value, "__module__", None) == "declared")
    assert table_of(cls) == table
    return table


def without_what_the_server_fills(table: Table) -> Table:
    columns = (replace(column, has_default=False, computed=None) for column in table.columns)
    return replace(table, columns=tuple(columns))


def test_what_declare_prints_declares_the_live_table(command: Command, db: psycopg.Connection) -> None:
    db.execute(EVERY_TYPE)  # type: ignore[arg-type]  # the test's own text
    live = live_table(PostgresConnection(name="w", url="${CLI_DSN}"), "sales", "orders", environ=os.environ)
    code, out, err = command("declare", "warehouse", "sales.orders")
    assert (code, err) == (0, "")
    assert live is not None
    assert declared(out) == without_what_the_server_fills(live)
    remark = "# order_id is generated always as identity: a job that loads this very table leaves it out"
    assert remark in out


def test_a_column_of_a_type_we_lack_becomes_a_comment(command: Command, db: psycopg.Connection) -> None:
    db.execute("create table places (id bigint primary key, spot point not null)")
    code, out, _ = command("declare", "warehouse", "public.places")
    assert code == 0
    assert "    # spot point NOT NULL is not declared: point is no type to declare" in out
    assert [column.name for column in declared(out).columns] == ["id"]


def test_declare_prints_a_table_of_a_lake(command: Command) -> None:
    command("run", "ingest", "export")
    code, out, err = command("declare", "lake", "analytics.events")
    assert (code, err) == (0, "")
    assert out == (
        "from ematix_flow import ematix\n"
        "from ematix_flow.types import BigInt, Text, TimestampTZ\n"
        "\n"
        "\n"
        '@ematix.table(schema="analytics")\n'
        "class Events:\n"
        "    event_id: BigInt\n"
        "    name: Text | None\n"
        "    received_at: TimestampTZ\n"
    )


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (
            ["nowhere", "a.b"],
            "connection 'nowhere': there is no such connection; choose 'lake' or 'warehouse'",
        ),
        (["warehouse", "orders"], "table 'orders': give its schema too, as in SCHEMA.TABLE"),
        (
            ["warehouse", "sales.Orders"],
            "table 'sales.Orders': connection 'warehouse' has no such table; check",
        ),
        (
            ["lake", "sales.orders"],
            "table 'sales.orders': connection 'lake' has no such table; check its name",
        ),
    ],
)
def test_declare_tells_which_word_names_nothing(command: Command, words: list[str], text: str) -> None:
    code, out, err = command("declare", *words)
    assert (code, out) == (1, "")
    assert err.startswith(text)
