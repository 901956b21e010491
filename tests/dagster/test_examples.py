"""The design's two examples as code locations, in processes of their own where no variable is set."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from support.examples import FOLDER

LOAD = """
import runpy, sys, dagster as dg
definitions = runpy.run_path(sys.argv[1])["defs"]
dg.Definitions.validate_loadable(definitions)
for spec in sorted(definitions.resolve_all_asset_specs(), key=lambda spec: spec.key):
    print(spec.key.to_user_string(), [dep.asset_key.to_user_string() for dep in spec.deps])
"""


@pytest.mark.parametrize(
    ("example", "assets"),
    [
        ("minimal", ["warehouse/analytics/events ['warehouse/raw/events']", "warehouse/raw/events []"]),
        (
            "fanout",
            [
                "s3_archive/analytics/events_archive ['warehouse/raw/events']",
                "warehouse/analytics/events ['warehouse/raw/events']",
                "warehouse/raw/events []",
            ],
        ),
    ],
)
def test_an_example_loads_without_its_variables(example: str, assets: list[str]) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.endswith(("_DSN", "_URL"))}
    command = [sys.executable, "-W", "error::UserWarning", "-c", LOAD, str(FOLDER / f"{example}.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()) == (0, assets), done.stderr
