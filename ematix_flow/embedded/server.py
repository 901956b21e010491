"""Looking for, starting and stopping the server of one data root.

"Running" means that we can connect *and* the server says that the data directory is ours: a pid file
proves nothing, its process may be a zombie or, after a reboot, somebody else's.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from ematix_flow.embedded import cluster
from ematix_flow.embedded.binaries import find_binaries, first_closed, run, server_account
from ematix_flow.embedded.cluster import Folder, PidFile
from ematix_flow.embedded.errors import (
    DataFolderError,
    MissingExtraError,
    ServerFailedError,
    UnreachableFolderError,
    VersionMismatchError,
)
from ematix_flow.retries import retried

try:
    import filelock
    import psutil  # type: ignore[import-untyped]  # ships no type information
except ModuleNotFoundError as error:
    raise MissingExtraError(package=error.name or str(error)) from error

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ematix_flow.embedded import Embedded
    from ematix_flow.embedded.binaries import Binaries

_UNFINISHED = "unfinished-data-"
_LOCK_SECONDS = 120
_STOP_SECONDS = 60
_CONNECT_SECONDS = 5
_LAUNCH_ATTEMPTS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running server whose data directory is ours."""

    port: int
    password: str

    def dsn(self, dbname: str) -> str:
        """Build the libpq URL of one of its databases."""
        return cluster.dsn(port=self.port, password=self.password, dbname=dbname)


@dataclass(frozen=True, slots=True, kw_only=True)
class Down:
    """No server of ours answers, and why we think so."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ensured:
    """The DSN of a running server, and whether this call started it."""

    dsn: str
    started: bool


def ensure(embedded: Embedded) -> Ensured:
    """Find or start the server, and create its database if missing; one caller at a time."""
    folder = _folder(embedded.home)
    with _locked(folder):
        found = _look(folder)
        server = found if isinstance(found, Server) else _start(folder, embedded.settings)
        _create_database(server, embedded.dbname)
    return Ensured(dsn=server.dsn(embedded.dbname), started=isinstance(found, Down))


def running_dsn(embedded: Embedded) -> str | None:
    """Give the DSN if the server runs; its database may not exist yet."""
    found = _look(_folder(embedded.home))
    return found.dsn(embedded.dbname) if isinstance(found, Server) else None


def stop(home: Path) -> None:
    """Stop the server in fast mode and wait until its process is gone; does nothing if none runs."""
    folder = _folder(home)
    if not folder.data.exists():
        return
    with _locked(folder):
        postmaster = _postmaster(folder)
        if postmaster is None:
            return
        with suppress(psutil.NoSuchProcess):  # it went by itself just now
            postmaster.send_signal(signal.SIGINT)
        deadline = time.monotonic() + _STOP_SECONDS
        while not _is_gone(postmaster):
            if time.monotonic() > deadline:
                raise _failed(folder, f"process {postmaster.pid} did not stop within {_STOP_SECONDS} seconds")
            time.sleep(0.02)


def _folder(home: Path) -> Folder:
    return Folder(home=home.resolve())


@contextmanager
def _locked(folder: Folder) -> Iterator[None]:
    lock = filelock.FileLock(folder.lock, timeout=_LOCK_SECONDS)
    try:
        folder.home.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except filelock.Timeout as error:
        reason = f"another process has held {folder.lock} for {_LOCK_SECONDS} seconds"
        raise DataFolderError(home=folder.home, reason=reason) from error
    except OSError as error:
        reason = f"cannot create and lock {folder.lock} ({error.strerror}); use a folder that belongs to you"
        raise DataFolderError(home=folder.home, reason=reason) from error
    try:
        yield
    finally:
        lock.release()


# --- looking ----------------------------------------------------------------------------------------------


def _look(folder: Folder) -> Server | Down:
    pid_file, password = _pid_file(folder), _read(folder, folder.password)
    if pid_file is None or password is None:
        return Down(why="there is no pid file or no password file")
    server = Server(port=pid_file.port, password=password)
    try:
        # require_auth: after a crash somebody else may listen on that port and ask for the clear password.
        with psycopg.connect(
            server.dsn("postgres"), connect_timeout=_CONNECT_SECONDS, require_auth="scram-sha-256"
        ) as connection:
            shown = connection.execute("show data_directory").fetchone()
    except psycopg.OperationalError as error:
        return Down(why=str(error).strip())
    if shown is None or Path(shown[0]).resolve() != folder.data:
        return Down(why=f"another server answers on port {server.port}")
    return server


def _pid_file(folder: Folder) -> PidFile | None:
    text = _read(folder, folder.pid_file)
    return None if text is None else cluster.parse_pid_file(text)


def _read(folder: Folder, path: Path) -> str | None:
    try:
        return path.read_text(errors="replace")
    except FileNotFoundError:
        return None
    except PermissionError as error:
        reason = f"{path} cannot be read; use a folder that belongs to you"
        raise DataFolderError(home=folder.home, reason=reason) from error


def _postmaster(folder: Folder) -> psutil.Process | None:
    """Find the live server process that the pid file names, answering or not."""
    pid_file = _pid_file(folder)
    if pid_file is None:
        return None
    try:
        process = psutil.Process(pid_file.pid)
    except psutil.NoSuchProcess:
        return None
    return process if _is_postmaster(process, folder) else None


def _is_postmaster(process: psutil.Process, folder: Folder) -> bool:
    # The command line, not the working directory: root in a container may not see another user's.
    try:
        return str(folder.data) in process.cmdline()
    except (psutil.NoSuchProcess, psutil.AccessDenied):  # gone, a zombie, or another user's
        return False


def _is_gone(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


# --- starting ---------------------------------------------------------------------------------------------


def _start(folder: Folder, settings: Mapping[str, str]) -> Server:
    account = server_account(folder)
    closed = None if account is None else first_closed(folder.home, account, folder)
    if closed is not None:
        reason = (
            "open it (chmod o+x), choose a folder elsewhere, or set $EMATIX_PG_DSN to a server of your own"
        )
        raise UnreachableFolderError(home=folder.home, folder=closed, account=str(account), reason=reason)
    for leftover in folder.home.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(
            leftover, ignore_errors=True
        )  # the initdb of a killed process may still be at work in it
    binaries = find_binaries(folder, account)
    if not folder.data.exists():
        _initialise(folder, binaries, settings)
    _check_data(folder, binaries)
    # A port may be taken between our choice and the server's start, and after a killed postmaster its children need a
    # moment to let go of the shared memory.
    return retried(
        lambda: _launch(folder, binaries, settings), on=ServerFailedError, attempts=_LAUNCH_ATTEMPTS
    )


def _initialise(folder: Folder, binaries: Binaries, settings: Mapping[str, str]) -> None:
    """Make the data directory elsewhere and move it to its place, so that a killed initdb leaves none half-made."""
    for leftover in folder.home.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(
            leftover, ignore_errors=True
        )  # the orphan of a killed process may still be at work in it
    unfinished = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=folder.home))
    folder.password.unlink(missing_ok=True)
    with open(os.open(folder.password, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(32))
    if binaries.account is not None:
        for path in (unfinished, folder.password):
            os.chown(path, binaries.account.uid, binaries.account.gid)
    command = cluster.initdb_command(
        programs=binaries.programs, data=unfinished, password=folder.password, settings=settings
    )
    code = _run_logged(command, folder, binaries)
    if code != 0:
        raise _failed(folder, f"initdb failed with exit code {code}")
    unfinished.rename(folder.data)


def _check_data(folder: Folder, binaries: Binaries) -> None:
    major = cluster.parse_major(_read(folder, folder.data / "PG_VERSION") or "")
    if major is None:
        reason = f"{folder.data} is not a PostgreSQL data directory; move it away"
        raise DataFolderError(home=folder.home, reason=reason)
    if major != binaries.major:
        reason = f"set $EMATIX_PG_BIN to the bin folder of a PostgreSQL {major}, or move {folder.data} away"
        raise VersionMismatchError(
            home=folder.home, data_major=major, server_major=binaries.major, reason=reason
        )
    if not folder.password.exists():
        reason = f"{folder.password} is missing; restore it, or move {folder.data} away"
        raise DataFolderError(home=folder.home, reason=reason)


def _launch(folder: Folder, binaries: Binaries, settings: Mapping[str, str]) -> Server:
    left_over = folder.pid_file.exists()  # asked first: one that appears later is not stale
    if _postmaster(folder) is None:
        if left_over:
            # PostgreSQL would take any process of that number for a server, a zombie too, and refuse to start.
            folder.pid_file.unlink(missing_ok=True)
        command = cluster.start_command(
            programs=binaries.programs, data=folder.data, port=_free_port(), settings=settings
        )
        _run_logged(command, folder, binaries)
    found = _look(folder)
    if isinstance(found, Down):
        raise _failed(folder, f"the server does not answer: {found.why}")
    return found


def _free_port() -> int:
    with socket.create_server((cluster.HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def _run_logged(command: tuple[str, ...], folder: Folder, binaries: Binaries) -> int:
    folder.log.touch(mode=0o600)
    with folder.log.open("ab") as log:
        return run(command, binaries.account, folder, output=log).returncode


def _failed(folder: Folder, reason: str) -> ServerFailedError:
    lines = (_read(folder, folder.log) or "").splitlines()
    return ServerFailedError(home=folder.home, reason=reason, log="\n".join(lines[-20:]))


def _create_database(server: Server, dbname: str) -> None:
    with psycopg.connect(server.dsn("postgres"), autocommit=True) as connection:
        known = connection.execute("select 1 from pg_database where datname = %s", (dbname,)).fetchone()
        if known is None:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(dbname)))
