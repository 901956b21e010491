"""Faults that the scenarios must find: each is one small change to the code that loads rows.

A fault is put into a copy of the code, and the scenarios of `test_scenarios.py` then run on that.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_PG, _DELTA = "ematix_flow/backends/postgres", "ematix_flow/backends/delta"


@dataclass(frozen=True)
class Fault:
    """What is wrong, in which file, and how: a text that stands there once, and what stands there instead."""

    what: str
    file: str
    text: str
    instead: str
    place: str = "staged"  # the backend whose scenarios find it

    def __str__(self) -> str:
        file = Path(self.file)
        return f"{file.parent.name} {file.stem}: {self.what}"


FAULTS = [
    # --- Postgres: rows of a key ---------------------------------------------------------------------
    Fault("NULL equals nothing", f"{_PG}/stage.py", "{} is distinct from {}", "{} <> {}"),
    Fault(
        "rows that repeat another one are kept",
        f"{_PG}/stage.py",
        '"select distinct on ({}) {} from {}"',
        '"select {1} from {2}"',
    ),
    Fault(
        "a key is compared by its first column",
        f"{_PG}/stage.py",
        "for key in keys\n",
        "for key in keys[:1]\n",
    ),
    Fault("NULL is let into a key", f"{_PG}/refusals.py", "if nulls:", "if nulls and not keys:"),
    Fault(
        "different rows of a key are let in",
        f"{_PG}/refusals.py",
        "if conflicting:",
        "if conflicting and not keys:",
    ),
    Fault("an empty source deletes everything", f"{_PG}/refusals.py", "if read == 0:", "if read == -1:"),
    # --- Postgres: append, truncate, merge ------------------------------------------------------------
    Fault(
        "a key that is looked up is not found",
        f"{_PG}/append.py",
        "as s where not exists (select",
        "as s where true or not exists (select",
        "unindexed",
    ),
    Fault(
        "what is replaced is not emptied",
        f"{_PG}/append.py",
        'sql.SQL("delete from {}{}")',
        'sql.SQL("delete from {}{} where false")',
        "direct",
    ),
    Fault(
        "every row that is met counts as updated",
        f"{_PG}/merge.py",
        "    stale = differs(columns, held, given)\n",
        '    stale = sql.Composed([sql.SQL("true")])\n',
        "direct",
    ),
    Fault(
        "all columns are set, whatever update says",
        f"{_PG}/merge.py",
        "if column.name in action.update)",
        "if column.name not in action.keys)",
    ),
    Fault(
        "a row that was read is deleted too",
        f"{_PG}/merge.py",
        '"not exists (select from {} as s where {})"',
        '"not exists (select from {} as s where false and {})"',
    ),
    Fault(
        "a mark of a deletion is made anew each time",
        f"{_PG}/merge.py",
        'where {} is null and {}"',
        'where ({} is null or true) and {}"',
    ),
    Fault(
        "a row that is found again keeps its mark",
        f"{_PG}/merge.py",
        "if action.deletes is Deletes.SOFT:  # it was found again",
        "if action.deletes is Deletes.HARD:",
    ),
    Fault(
        "what was written since is passed over",
        f"{_PG}/select.py",
        "where age(xmin) <= age({}::xid)",
        "where age(xmin) > age({}::xid)",
        "tracked",
    ),
    # --- Postgres: scd2 -------------------------------------------------------------------------------
    Fault(
        "a version is not closed by the next one",
        f"{_PG}/versions.py",
        '        LoadStatement(_end(plan, action, sql.SQL("v.ematix_held_until is null")), Count.CLOSED),\n',
        "",
        "unindexed",
    ),
    Fault(
        "a late version does not end the one before it",
        f"{_PG}/versions.py",
        '        LoadStatement(_end(plan, action, sql.SQL("v.ematix_held_until is not null")), Count.NOTHING),\n',
        "",
    ),
    Fault(
        "a closed version stays current",
        f"{_PG}/versions.py",
        "{is_current} = false from {timeline}",
        "{is_current} = true from {timeline}",
        "unindexed",
    ),
    Fault(
        "every new version is current",
        f"{_PG}/versions.py",
        "ematix_until, ematix_until is null from",
        "ematix_until, true from",
        "unindexed",
    ),
    Fault(
        "a version ends a microsecond early",
        f"{_PG}/versions.py",
        "{valid_to} = v.ematix_until",
        "{valid_to} = v.ematix_until - interval '1 microsecond'",
    ),
    Fault(
        "a row that comes back as it was makes no version",
        f"{_PG}/observations.py",
        "left join {table} as t on {same} and t.{is_current} ",
        "left join {table} as t on {same} ",
    ),
    Fault(
        "the same instant with other values corrects nothing",
        f"{_PG}/versions.py",
        "v.ematix_rank = 1 and v.ematix_corrected and",
        "v.ematix_rank = 1 and not v.ematix_corrected and",
    ),
    Fault(
        "what is compared is not restricted",
        f"{_PG}/stage.py",
        "if column.name in action.compare)",
        "if column.name not in action.keys)",
    ),
    Fault(
        "what was closed is closed again",
        f"{_PG}/versions.py",
        "where t.{is_current} and not exists",
        "where not exists",
    ),
    Fault(
        "a clock that is behind moves history back",
        f"{_PG}/observations.py",
        "\"greatest({clock}, t.{valid_from} + interval '1 microsecond') as ematix_at \"",
        '"{clock} as ematix_at "',
    ),
    Fault(
        "a key that comes back begins before it ended",
        f"{_PG}/observations.py",
        "\"(select greatest(max(t.{valid_from}) + interval '1 microsecond', max(t.{valid_to})) from {table} as t \"",
        '"(select max(null::timestamptz) from {table} as t "',
    ),
    Fault(
        "an observation that says nothing new is a version",
        f"{_PG}/observations.py",
        '"where t.{valid_from} is null or ({differs})"',
        '"where t.{valid_from} is null or ({differs}) or true"',
    ),
    # --- Postgres: records of COPY --------------------------------------------------------------------
    Fault(
        "the last block is lost",
        f"{_PG}/copyout.py",
        "        if data:\n",
        "        if len(data) >= _BLOCK:\n",
        "streamed",
    ),
    Fault(
        "a first load does not look again where its keys repeat",
        f"{_PG}/sink.py",
        "except (errors.UniqueViolation, errors.NotNullViolation) as error:",
        "except errors.DeadlockDetected as error:",
        "streamed",
    ),
    Fault(
        "NULL becomes an empty value",
        f"{_PG}/wire/fields.py",
        "        return None if self.nulls is None else bitmap(~self.nulls)",
        "        return None",
        "lake",
    ),
    Fault(
        "a digit behind the point is lost",
        f"{_PG}/wire/numbers.py",
        "value = _one_number(fields, header, fraction_words) // 10 ** (-type_.scale % _PLACES)",
        "value = _one_number(fields, header, fraction_words) // 10_000 * 10**type_.scale",
        "lake",
    ),
    # --- Postgres: counts -----------------------------------------------------------------------------
    Fault(
        "what does not differ counts as updated",
        f"{_PG}/statements.py",
        "updated=conflicting - filtered if changes",
        "updated=conflicting if changes",
        "direct",
    ),
    Fault(
        "closings count as updates",
        f"{_PG}/statements.py",
        "replace(counts, closed=counts.closed + rows)",
        "replace(counts, updated=counts.updated + rows)",
    ),
    # --- Delta ----------------------------------------------------------------------------------------
    Fault(
        "NULL equals everything",
        f"{_DELTA}/compare.py",
        "pc.fill_null(differ, pc.xor(one.is_null(), other.is_null()))",
        "pc.fill_null(differ, False)",
        "lake",
    ),
    Fault(
        "NULL is let into a key",
        f"{_DELTA}/checks.py",
        "    if null_count:\n",
        "    if null_count < 0:\n",
        "lake",
    ),
    Fault(
        "rows that repeat another one are kept",
        f"{_DELTA}/checks.py",
        "for number in group[1:]]",
        "for number in group[2:]]",
        "lake",
    ),
    Fault(
        "what is replaced is looked for in too narrow a range",
        f"{_DELTA}/keys.py",
        'format(name, limits["min"], limits["max"])',
        'format(name, limits["min"] + 1, limits["max"])',
        "portions",
    ),
    Fault(
        "a row that is found again keeps its mark",
        f"{_DELTA}/merge.py",
        "        stale = pc.or_(stale, old.column(DELETED_AT).is_valid())\n",
        "        stale = pc.or_(stale, stale)\n",
        "lake",
    ),
    Fault(
        "every row that is met counts as updated",
        f"{_DELTA}/merge.py",
        "    stale = any_distinct(old, new, action.update)\n",
        "    stale = pa.array([True] * old.num_rows, pa.bool_())\n",
        "lake",
    ),
    Fault(
        "a row that was read is deleted too",
        f"{_DELTA}/merge.py",
        "gone = new_rows(block, read, action.keys)",
        "gone = block",
        "lake",
    ),
    Fault(
        "a row that was read is marked as deleted too",
        f"{_DELTA}/merge.py",
        "gone = new_rows(unmarked, read, action.keys)",
        "gone = unmarked",
        "lake",
    ),
    Fault(
        "only the first portion is looked up",
        f"{_DELTA}/merge.py",
        "found = pa.concat_arrays([found, theirs])",
        "found = theirs",
        "portions",
    ),
    Fault(
        "what was read in another portion counts as gone",
        f"{_DELTA}/changes.py",
        "read.append(chunk.select(self.action.keys))",
        "read = [chunk.select(self.action.keys)]",
        "portions",
    ),
    Fault(
        "a version is not closed by the next one",
        f"{_DELTA}/versions.py",
        'rows=pa.concat_tables([_ending(held.rows.take(ended["row"]), ended["until"]), versions]),',
        'rows=pa.concat_tables([held.rows.take(ended["row"]), versions]),',
        "lake",
    ),
    Fault(
        "at one instant a version ends after the next began",
        f"{_DELTA}/versions.py",
        "_END, _START, _OBSERVATION = 0, 1, 2",
        "_END, _START, _OBSERVATION = 2, 0, 1",
        "lake",
    ),
    Fault(
        "a row that comes back as it was makes no version",
        f"{_DELTA}/versions.py",
        'pc.greater_equal(before["rank"], _START)',
        'pc.greater_equal(before["rank"], _END)',
        "lake",
    ),
    Fault(
        "every new version is current",
        f"{_DELTA}/versions.py",
        "VALID_TO: until, IS_CURRENT: until.is_null()})\n\n\ndef _ending",
        "VALID_TO: until, IS_CURRENT: pc.invert(pc.equal(0, 1))})\n\n\ndef _ending",
        "lake",
    ),
    Fault(
        "a correction makes a version more",
        f"{_DELTA}/versions.py",
        "inserted=versions.num_rows - len(replaced),",
        "inserted=versions.num_rows,",
        "lake",
    ),
    Fault(
        "what was corrected counts as closed",
        f"{_DELTA}/versions.py",
        "closed=_number_current(changed) - _number_current(replacing),",
        "closed=_number_current(changed),",
        "lake",
    ),
    Fault(
        "a clock that is behind moves history back",
        f"{_DELTA}/versions.py",
        'return _latest(now, latest["start_max"].take(place), latest["end_max"].take(place))',
        "return now",
        "lake",
    ),
]


def put(fault: Fault | None, home: Path) -> None:
    """Make a copy of the code and the contract in `home`, with the fault in it."""
    for part in ("ematix_flow", "tests/contract", "tests/support", "tests/conftest.py", "pyproject.toml"):
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy2
        (home / part).parent.mkdir(parents=True, exist_ok=True)
        copy(ROOT / part, home / part)
    if fault is not None:
        file = home / fault.file
        file.write_text(file.read_text(encoding="utf-8").replace(fault.text, fault.instead), encoding="utf-8")


def run_scenarios(home: Path, place: str, environ: Mapping[str, str]) -> tuple[int, str]:
    """pytest's exit code and what it says of the scenarios of one backend, up to the first that fails."""
    words = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-q",
        "--tb=line",
        "-p",
        "no:randomly",
        "-p",
        "no:cacheprovider",
    ]
    path = os.pathsep.join([str(home), str(home / "tests")])
    done = subprocess.run(
        [*words, "tests/contract/test_scenarios.py", "-k", place],
        cwd=home,
        env={**environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr
