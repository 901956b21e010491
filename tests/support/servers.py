"""Postgres servers of our own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ematix_flow.embedded import Embedded


@contextmanager
def serve_postgres(**settings: str) -> Iterator[str]:
    """The DSN of a server that lives as long as the context; that of `$EMATIX_PG_DSN` where it is given."""
    # Not tmp_path: as root the server runs as another user, who may not enter pytest's own folders.
    home = Path(tempfile.mkdtemp(prefix="ematix-tests-"))
    home.chmod(0o755)
    embedded = Embedded(home=home / "pg", settings={"fsync": "off", **settings})
    try:
        yield embedded.ensure()
    finally:
        embedded.stop()
        shutil.rmtree(home)
