"""The command line: plan and run jobs, show and reset watermarks, print the declaration of a table that exists.

Results go to stdout, errors and warnings to stderr. Exit codes: 0 for success, 1 for any error, 2 where `plan` found
a table that differs from its declaration.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

from ematix_flow.cli.declare import declare
from ematix_flow.cli.output import CANCELLED, FAILED, complain
from ematix_flow.cli.plan import plan_jobs, show_json, show_text
from ematix_flow.cli.run import run_jobs
from ematix_flow.cli.selection import load_project, select_jobs
from ematix_flow.cli.watermarks import reset_watermarks, show_watermarks
from ematix_flow.errors import EmatixError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code; `argv` are the words behind the program's name."""
    parser = _parser()
    asked = parser.parse_args(argv)
    if asked.command == "watermarks" and asked.reset and not asked.jobs:
        parser.error("watermarks --reset needs the names of the jobs to reset")
    with _brief_warnings():
        try:
            return _run(asked)
        except EmatixError as error:
            complain(str(error))
            return FAILED
        except KeyboardInterrupt:
            complain("cancelled; what was committed before stays")
            return CANCELLED


def _run(asked: argparse.Namespace) -> int:
    project = load_project(asked.module)
    match asked.command:
        case "declare":
            return declare(project, asked.connection, asked.table, os.environ)
        case "watermarks":
            command = reset_watermarks if asked.reset else show_watermarks
            return command(select_jobs(project, asked.jobs), os.environ)
    jobs = select_jobs(project, asked.jobs, asked.target)
    match asked.command:
        case "plan":
            show = show_json if asked.json else show_text
            return show(plan_jobs(jobs, full_refresh=asked.full_refresh))
        case "run":
            return run_jobs(jobs, full_refresh=asked.full_refresh)
        case command:
            raise AssertionError(f"the parser let the command {command} through")


# --- the words ---------------------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    """Says of a wrong word what argparse says, with the exit code of an error: 2 means drift here."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(FAILED, f"{self.prog}: error: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m ematix_flow", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")

    plan = commands.add_parser("plan", help="show what a run would do, and change nothing; exits 2 on drift")
    _add_jobs(plan)
    _add_run_options(plan)
    plan.add_argument("--json", action="store_true", help="print the plans as JSON")

    run = commands.add_parser("run", help="run jobs, each after those that it waits for")
    _add_jobs(run)
    _add_run_options(run)

    watermarks = commands.add_parser("watermarks", help="show how far the last committed runs got")
    _add_jobs(watermarks)
    watermarks.add_argument(
        "--reset",
        action="store_true",
        help="forget the watermarks of the named jobs: each reads in full next time",
    )

    declare = commands.add_parser("declare", help="print the table class for a table that exists")
    _add_module(declare)
    declare.add_argument("connection", metavar="CONNECTION", help="the name of a declared connection")
    declare.add_argument("table", metavar="SCHEMA.TABLE")
    return parser


def _add_module(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "module",
        metavar="MODULE",
        help="where the declarations are: a dotted name, or the path of a .py file",
    )


def _add_jobs(parser: argparse.ArgumentParser) -> None:
    _add_module(parser)
    parser.add_argument("jobs", metavar="JOB", nargs="*", help="names of jobs; all by default")


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--target",
        metavar="LABEL",
        action="append",
        default=[],
        help="take only this target (connection:schema.table); may be given several times",
    )
    parser.add_argument("--full-refresh", action="store_true", help="as if no watermark were stored")


@contextmanager
def _brief_warnings() -> Iterator[None]:
    """Show of a warning its message, without the line of code."""

    def show(message: Warning | str, *_: object, **__: object) -> None:
        complain(f"warning: {message}")

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield
