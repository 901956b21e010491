"""Watermarks beside the rows: read by cursor, raised or started anew, every name and value a literal."""

from __future__ import annotations

from typing import Any

import pytest

from ematix_flow.backends.postgres.watermarks import (
    create_watermarks,
    raise_watermark,
    read_query,
    read_watermark,
    restart_watermark,
)
from ematix_flow.state import Watermark
from ematix_flow.types import DataType, Decimal, Scalar, Varchar


def test_the_table_is_created_unless_it_is_there(events: Any) -> None:
    assert events.text(create_watermarks('Odd "state"')).startswith(
        'create table if not exists "Odd ""state"""."watermarks" (job text, '
    )


def test_a_watermark_is_read_for_one_job_one_target_and_one_cursor(events: Any) -> None:
    query = read_watermark("ematix_flow", "it's a job", events.table, "column received_at TimestampTZ")
    assert events.text(query) == (
        "select value from \"ematix_flow\".\"watermarks\" where job = 'it''s a job' and target_schema = 'analytics' "
        "and target_table = 'events' and cursor = 'column received_at TimestampTZ'"
    )


@pytest.mark.parametrize(
    ("type_", "named"),
    [
        (Scalar.TIMESTAMPTZ, "timestamp with time zone"),
        (Scalar.BIGINT, "bigint"),
        (Scalar.TEXT, "text"),
        (Varchar(9), "character varying(9)"),
        (Decimal(12, 2), "numeric(12, 2)"),
        (Scalar.UUID, "uuid"),
    ],
    ids=str,
)
def test_a_watermark_of_the_same_cursor_moves_forwards_in_its_own_type(
    events: Any, type_: DataType, named: str
) -> None:
    watermark = Watermark(cursor="column c", value="it's 5", type=type_)
    statement = events.text(raise_watermark("ematix_flow", "load", events.table, watermark, None))
    assert statement.startswith(
        'insert into "ematix_flow"."watermarks" as held (job, target_schema, target_table, cursor, value, query) '
        "values ('load', 'analytics', 'events', 'column c', 'it''s 5', NULL) on conflict"
    )
    assert statement.endswith(
        f"value = case when held.cursor = excluded.cursor and held.value::{named} > excluded.value::{named} "
        "then held.value else excluded.value end, query = excluded.query, loaded_at = excluded.loaded_at returning value"
    )


def test_a_watermark_that_starts_anew_takes_the_place_of_any_other(events: Any) -> None:
    watermark = Watermark(cursor="column c", value="5", type=Scalar.BIGINT)
    statement = events.text(restart_watermark("ematix_flow", "load", events.table, watermark, 7))
    assert "values ('load', 'analytics', 'events', 'column c', '5', 7)" in statement
    assert "set cursor = excluded.cursor, value = excluded.value, query = excluded.query" in statement


def test_a_fingerprint_is_read_whatever_the_watermark_counts(events: Any) -> None:
    assert events.text(read_query("ematix_flow", "load", events.table)) == (
        "select query from \"ematix_flow\".\"watermarks\" where job = 'load' and target_schema = 'analytics' "
        "and target_table = 'events' and query is not null"
    )
