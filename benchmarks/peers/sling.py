"""Sling's command, whose program lies in its wheel."""

from __future__ import annotations

import os
import subprocess
import tempfile

from sling_linux_amd64 import SLING_BIN

from benchmarks.task import RAW, Done, Task, Work


def to_postgres(task: Task) -> Work:
    """`sling run --mode full-refresh` with the primary key that the target is to have."""
    home = tempfile.mkdtemp(prefix="sling-")
    connections = {"SOURCE": f"{task.source}?sslmode=disable", "TARGET": f"{task.target}?sslmode=disable"}
    environment = os.environ | connections | {"SLING_HOME_DIR": home, "DO_NOT_TRACK": "true"}
    keys = ", ".join(task.keys)
    keyed = ["--primary-key", keys, "--tgt-options", f"{{table_keys: {{primary: [{keys}]}}}}"] if keys else []
    stream = ["--src-conn", "SOURCE", "--src-stream", f"{RAW}.{task.source_table}"]
    into = ["--tgt-conn", "TARGET", "--tgt-object", task.table, "--mode", "full-refresh", *keyed]

    def work() -> Done:
        subprocess.run([SLING_BIN, "run", *stream, *into], env=environment, check=True)  # noqa: S603  # of its wheel
        return Done(rows=int(task.options["rows"]))

    return work
