"""Judging cron expressions and time zones."""

from __future__ import annotations

import difflib
import re
import zoneinfo
from datetime import datetime

from cronsim import CronSim, CronSimError

from ematix_flow.problems import Report, suggestion

# What Dagster reads besides five fields.
ALIASES = ("@annually", "@daily", "@hourly", "@midnight", "@monthly", "@weekly", "@yearly")
_ANY_DAY = datetime(2000, 1, 1)  # whether an expression ever comes does not hang on when one starts to look
_FORM = "write minute, hour, day, month and weekday, as in '*/5 * * * *'"


def check_schedule(schedule: str | None, report: Report) -> None:
    """Report a cron expression that cronsim or Dagster refuses, or that never comes."""
    if schedule is not None and (reason := _objection(schedule)) is not None:
        report.add(reason, field="schedule")


def _objection(schedule: str) -> str | None:
    if not isinstance(schedule, str):
        return f"{schedule!r} is no cron expression; {_FORM}"
    if schedule.startswith("@"):
        known = schedule in ALIASES
        return None if known else f"'{schedule}' is no cron alias; {suggestion(schedule, ALIASES)}"
    fields = schedule.upper().split()
    if len(fields) != 5:
        return f"'{schedule}' does not have five fields; {_FORM}"
    # cronsim reads these two, Dagster does not.
    if "LW" in fields[2] or re.search(r"\dL", fields[4]):
        return f"'{schedule}' counts from the end of a month in a way that Dagster does not read; use 'L' as day for the last one"
    try:
        cron = CronSim(schedule, _ANY_DAY)
        never = cron.months == {2} and cron.days <= {30, 31}
        next(cron)
    except CronSimError as error:
        return f"'{schedule}' is no cron expression, or names a day that never comes ({error}); {_FORM}"
    except StopIteration:
        never = True
    return f"'{schedule}' names a day that never comes; correct its day or month" if never else None


def check_timezone(timezone: str, report: Report) -> None:
    """Report a name that the time zone database does not have."""
    if timezone == "UTC":  # what most declare; no need to open the database
        return
    try:
        zoneinfo.ZoneInfo(timezone)
    except (KeyError, ValueError, TypeError, OSError):
        report.add(
            f"there is no time zone {timezone!r}; {_zone_suggestion(timezone)}",
            field="timezone",
        )


def _zone_suggestion(timezone: object) -> str:
    close = difflib.get_close_matches(str(timezone), zoneinfo.available_timezones(), n=1)
    return f"did you mean '{close[0]}'?" if close else "write a name such as 'Europe/Berlin' or 'UTC'"
