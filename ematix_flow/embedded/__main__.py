"""`python -m ematix_flow.embedded start|stop FOLDER`: a private Postgres from a shell; start prints its URL."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ematix_flow.embedded import Embedded, EmbeddedError


def main() -> int:
    """Start or stop the server of one data folder."""
    parser = argparse.ArgumentParser(prog="python -m ematix_flow.embedded", description=__doc__)
    parser.add_argument("action", choices=("start", "stop"))
    parser.add_argument("folder", type=Path, help="where the server keeps its data")
    asked = parser.parse_args()
    server = Embedded(home=asked.folder.absolute())
    try:
        if asked.action == "start":
            print(server.ensure())  # noqa: T201  # the URL is what the command is for
        else:
            server.stop()
    except EmbeddedError as error:
        print(error, file=sys.stderr)  # noqa: T201  # a command's own message
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
