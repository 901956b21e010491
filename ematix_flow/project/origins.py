"""Where a declaration stands, and whether a second one of its name is the same one, read again."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from types import FrameType
from typing import Generic, TypeAlias, TypeVar

from ematix_flow.errors import DuplicateNameError
from ematix_flow.introspect import Scope
from ematix_flow.problems import Report
from ematix_flow.spec import Connection, Job, Origin, Table, Workflow

_PACKAGE = __name__.partition(".")[0]
_Declaration = TypeVar("_Declaration", Connection, Table, Job, Workflow)
_FileStamp: TypeAlias = tuple[int, int]  # time of last change in nanoseconds, size in bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The line of a user's file that runs a declaration."""

    file: str
    line: int
    scope: Scope

    def origin(self, qualname: str) -> Origin:
        """The origin of what is declared here under `qualname`."""
        return Origin(file=self.file, line=self.line, qualname=qualname)


def calling_place() -> Place:
    """The innermost line that is not this package's own; of a decorator, the line that starts with its `@`."""
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE:
        frame = frame.f_back
    if frame is None:
        raise RuntimeError(f"{_PACKAGE} was called by nobody")
    file = frame.f_code.co_filename
    return Place(
        file=os.path.realpath(file) if os.path.exists(file) else file,  # "<stdin>" and cells have no path
        line=frame.f_lineno,
        scope=Scope(globals=frame.f_globals, locals=dict(frame.f_locals)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry(Generic[_Declaration]):
    declaration: _Declaration
    stamp: _FileStamp | None  # of its file when it was declared; None for a cell or an interactive line


class Registry(Generic[_Declaration]):
    """The declarations of one kind by name, in the order in which each name first came."""

    def __init__(self, noun: str) -> None:
        self._noun = noun
        self._entries: dict[str, _Entry[_Declaration]] = {}

    def check_free(self, name: str, origin: Origin, report: Report) -> None:
        """Report that `name` is taken, unless by an earlier reading of the same declaration.

        That is so when file and qualified name agree, and the line does too or the file has changed since: then
        a module was reloaded, or one file was run under two names. In cells and interactive lines the qualified
        name alone decides, since running one again is how it is corrected.
        """
        entry = self._entries.get(name)
        if entry is None or _is_same(origin, entry.declaration.origin, entry.stamp):
            return
        first = entry.declaration.origin
        report.add(
            f"a {self._noun} of this name is already declared at {first.file}:{first.line}; rename one of them",
            family=DuplicateNameError,
        )

    def put(self, name: str, declaration: _Declaration) -> None:
        """Keep a declaration, in place of an earlier reading of it."""
        self._entries[name] = _Entry(declaration=declaration, stamp=_file_stamp(declaration.origin.file))

    def by_name(self) -> dict[str, _Declaration]:
        """What is declared so far."""
        return {name: entry.declaration for name, entry in self._entries.items()}


def _is_same(new: Origin, old: Origin, old_stamp: _FileStamp | None) -> bool:
    if new.qualname != old.qualname:
        return False
    stamp = _file_stamp(new.file)
    if stamp is None or old_stamp is None:
        return stamp is old_stamp
    return new.file == old.file and (new.line == old.line or stamp != old_stamp)


def _file_stamp(file: str) -> _FileStamp | None:
    try:
        state = os.stat(file)
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size
