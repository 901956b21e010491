"""A slice read again, compared with the target's own slice as multisets. Pure."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from ematix_flow.backends.delta.select import in_slice
from ematix_flow.backends.delta.text import as_text
from ematix_flow.backends.delta.watermarks import lower_bound
from ematix_flow.plan import ColumnRange, Slice
from ematix_flow.spec import Table
from ematix_flow.types import Scalar

_NUMBERS = (Scalar.SMALLINT, Scalar.INTEGER, Scalar.BIGINT)


def slice_predicate(window: ColumnRange, held: Table) -> str | None:
    """The condition for the rows of the target's own slice; None when all of them are in it.

    Rows that are equal in every column agree in the window's column too, so a slice that is a little too wide (a
    look-back of hours on a date) compares no row wrongly.

    Raises:
        ValueError: the window's lower bound lies outside the years 1 to 9999.
    """
    column = held.column(window.column)
    if column is None or column.type != window.type or window.lower is None:
        return None
    lower = lower_bound(window.lower, window.lookback, window.type)
    value = sql.Literal(int(lower) if window.type in _NUMBERS else lower)
    return sql.SQL("{} >= {}").format(sql.Identifier(column.name), value).as_string()


def slice_condition(window: Slice) -> str:
    """The condition for the rows of a slice that is replaced.

    Raises:
        ValueError: a column of this type bounds no slice, since Delta does not order its values as PostgreSQL does.
    """
    if window.type not in (*_NUMBERS, Scalar.DATE, Scalar.TIMESTAMP, Scalar.TIMESTAMPTZ):
        raise ValueError(
            f"a slice of a Delta table is bounded by a number, a date or a time, and {window.column} is {window.type}"
        )
    return in_slice(window, sql.Identifier(window.column)).as_string()


def missing_rows(given: pa.Table, held: pa.Table) -> pa.Table:
    """The rows that stand in `given` more often than in `held`, as many times more. One schema; order is free."""
    both = pa.concat_tables([held, given])
    # The columns are numbered, so that no user's name clashes with ours.
    names = [str(number) for number in range(both.num_columns)]
    is_given = pa.array([0] * held.num_rows + [1] * given.num_rows, pa.int64())
    row = pa.array(range(both.num_rows), pa.int64())
    columns = [_groupable(column) for column in both.columns]
    numbered = pa.table([*columns, is_given, row], names=[*names, "given", "row"])
    # The held rows stand first, so the last row of a group that lacks rows is a given one.
    groups = numbered.group_by(names).aggregate([("given", "sum"), ("given", "count"), ("row", "max")])
    surplus = pc.subtract(pc.multiply(groups.column("given_sum"), 2), groups.column("given_count"))
    lacking = groups.append_column("surplus", surplus).filter(pc.greater(surplus, 0))
    pairs = zip(lacking.column("row_max").to_pylist(), lacking.column("surplus").to_pylist(), strict=True)
    return both.take(pa.array([number for number, times in pairs for _ in range(times)], pa.int64()))


def _groupable(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Arrow groups by no list; the text of one groups alike."""
    if not pa.types.is_list(column.type):
        return column
    texts = [None if value is None else repr(value) for value in as_text(column).to_pylist()]
    return pa.chunked_array([texts], pa.string())
