"""What every command says, where, and with which exit code."""

from __future__ import annotations

import sys

SUCCEEDED, FAILED, DRIFTED = 0, 1, 2
CANCELLED = 130  # 128 and SIGINT's number, as a shell reports it


def tell(text: str) -> None:
    """Print a result. It is there at once, also where the reader is another program."""
    print(text, flush=True)  # noqa: T201  # the command's output


def complain(text: str) -> None:
    """Print an error, a warning or a remark beside the results."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201  # the command's messages
