"""Whether the rows of a target without a key come from the query that is to be run. Pure."""

from __future__ import annotations

import hashlib
import json

from ematix_flow.errors import PlanError
from ematix_flow.plan.cursors import ColumnCursor, Cursor
from ematix_flow.query import Select
from ematix_flow.query.lexer import lex
from ematix_flow.spec import Job, JobTarget
from ematix_flow.state import RunRequest, TargetState


def query_fingerprint(target: JobTarget, cursor: Cursor, select: Select | None) -> int | None:
    """What a target without a key is loaded from, as a number of 63 bits; None where a key absorbs rows read again.

    It changes with the query's words and with the declared columns, not with white space and comments.
    """
    if target.mode.keys or select is None or not isinstance(cursor, ColumnCursor):
        return None
    words = [[lexeme.kind.name, lexeme.text] for lexeme in lex(select.text)]
    facts = json.dumps([words, [column.name for column in target.table.columns]])
    return int.from_bytes(hashlib.sha256(facts.encode()).digest()[:8], "big") >> 1


def refuse_changed_query(
    job: Job, request: RunRequest, target: JobTarget, query: int | None, state: TargetState
) -> None:
    """Rows read again look new where another query shapes them, and no key would tell that they are not.

    Raises:
        PlanError: the target holds rows of another query, and the run would neither replace them nor only a slice.
    """
    replaces = request.full_refresh or request.window is not None
    if replaces or state.empty or query is None or state.query in (None, query):
        return
    raise PlanError(
        job=job.name,
        reason=f"table {target.table.full_name}: its rows come from another query than this one, and without a key a "
        "row that is read again could stand there twice; run the job with full_refresh, which replaces all rows, or "
        "declare a key",
    )
