"""Which Python runs the scripts. This file also has to be understood by the Pythons that it turns down.

So, unlike everywhere else here, there is no `from __future__ import annotations` (3.7), and nothing newer than 3.6.
"""

import os
import shutil
import subprocess
import sys

OLDEST = (3, 11)


def require() -> None:
    """Return if this Python is new enough; else start the script again with one that is, or end with a message."""
    if sys.version_info >= OLDEST:
        return
    for minor in range(20, OLDEST[1] - 1, -1):
        found = shutil.which("python3.{}".format(minor))  # noqa: UP032 -- kept plain for old Pythons
        if found and _runs(found):
            os.execv(found, [found] + sys.argv)  # noqa: S606, RUF005 -- a Python of this machine; old syntax
    sys.exit(
        "{} needs Python {}.{} or newer, and this is {}.{} ({}); no newer python3.* is on the PATH. "
        "Install one, and start this script again.".format(
            os.path.basename(sys.argv[0]), OLDEST[0], OLDEST[1], *sys.version_info[:2], sys.executable
        )
    )


def _runs(python: str) -> bool:
    # A version manager leaves programs on the PATH that start nothing.
    return subprocess.call([python, "-c", ""], stderr=subprocess.DEVNULL) == 0  # noqa: S603 -- found on the PATH
