"""The shop set up to be looked at: a seeded PostgreSQL, and every job run once. For `scripts/demo`."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import psycopg

from ematix_flow.embedded import Embedded, UnreachableFolderError
from ematix_flow.secrets import redact, secrets_in
from example_project import seed
from example_project.children import child
from example_project.load import Loaded

LOCATIONS = ("example_project.minimal", "example_project.fanout", "example_project.definitions")

Say: TypeAlias = Callable[[str], None]


class StandError(Exception):
    """The shop cannot be set up; the message says why, and what to do."""


# --- the database ----------------------------------------------------------------------------------------


@contextmanager
def seeded_shop(home: Path, *, rows: int, say: Say) -> Iterator[dict[str, str]]:
    """Give the environment in which the code locations find a seeded PostgreSQL, their lakes, and Dagster's home.

    The server is that of $WAREHOUSE_DSN, else a private one in `home`, which is stopped at the end if it was started
    here. Raises StandError or an EmbeddedError.
    """
    with ExitStack() as stack:
        dsn = os.environ.get("WAREHOUSE_DSN")
        if dsn:
            say("PostgreSQL: the one of $WAREHOUSE_DSN; its schema raw gets the tables that it lacks")
        else:
            dsn = _private_server(home / "pg", stack, say)
        _seed(dsn, rows, say)
        yield {
            "LAKE_URL": str(home / "lake"),
            "ARCHIVE_URL": str(home / "archive"),
            **os.environ,
            "WAREHOUSE_DSN": dsn,
            "DAGSTER_HOME": str(home / "dagster"),
        }


def _private_server(folder: Path, stack: ExitStack, say: Say) -> str:
    say(f"PostgreSQL: a private one in {folder}")
    try:
        return stack.enter_context(Embedded(home=folder, dbname="shop").serve())
    except UnreachableFolderError as error:
        # We are root, whose server runs as another user, and the checkout is in a folder closed to others.
        name = hashlib.sha256(bytes(folder)).hexdigest()[:12]
        elsewhere = Path("/var/lib/ematix-flow") / name
        say(f"PostgreSQL: {error.account} cannot enter {error.folder}, so its data is in {elsewhere}")
        return stack.enter_context(Embedded(home=elsewhere, dbname="shop").serve())


def _seed(dsn: str, rows: int, say: Say) -> None:
    try:
        with psycopg.connect(dsn, connect_timeout=10) as connection:
            for seeded in seed.seed(connection, number=seed.SEED, events=rows, until=datetime.now(UTC)):
                say(f"  {seed.describe(seeded)}")
    except psycopg.Error as error:
        # From None: the driver's message may hold the password, and so would the chained one.
        raise StandError(f"cannot seed the shop: {redact(str(error), secrets_in(dsn))}") from None


# --- the jobs --------------------------------------------------------------------------------------------


_LINE = "{job:<22} {target:<36} {read:>9} {inserted:>9} {seconds:>8}  {path}"


def load(environ: Mapping[str, str], *, say: Say) -> None:
    """Run every job of every code location once, and say a table of what was loaded where.

    Raises StandError with what went wrong, after the others have run.
    """
    say("")
    titles = ("job", "target", "read", "inserted", "seconds", "path")
    say(_LINE.format(**{title: title for title in titles}))
    failed = []
    for location in LOCATIONS:
        for loaded in _load_location(location, environ):
            say(_line(loaded))
            if loaded.error is not None:
                failed.append(f"job '{loaded.job}': {loaded.error}")
    say("")
    if failed:
        raise StandError("not everything was loaded:\n" + "\n".join(failed))


def _load_location(location: str, environ: Mapping[str, str]) -> Iterator[Loaded]:
    with child("example_project.load", location, environ=environ, stdout=subprocess.PIPE) as process:
        for line in process.stdout or ():
            yield Loaded(**json.loads(line))
        if process.wait() != 0:
            raise StandError(f"{location} cannot be loaded; Python's own message stands above")


def _line(loaded: Loaded) -> str:
    return _LINE.format(
        job=loaded.job,
        target=loaded.target or "",
        read=f"{loaded.read:,}",
        inserted=f"{loaded.inserted:,}",
        seconds=f"{loaded.seconds:.2f}",
        path=loaded.path if loaded.error is None else "FAILED",
    )
