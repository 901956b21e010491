"""A plan as JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from ematix_flow.casts import Cast
from ematix_flow.migration import CreateTable
from ematix_flow.plan import (
    AddNewKeys,
    ArrowStream,
    ColumnRange,
    Form,
    JobPlan,
    Proven,
    ReadColumn,
    ReadPlan,
    TargetPlan,
)
from ematix_flow.plan.json import plan_as_json
from ematix_flow.spec import Append, Column, Origin, Table
from ematix_flow.state import Watermark
from ematix_flow.types import Decimal, Scalar

TABLE = Table(
    schema="sales",
    name="orders",
    columns=(Column(name="amount", type=Decimal(12, 2), nullable=False),),
    origin=Origin(file="/somewhere/jobs.py", line=3, qualname="Orders"),
)
PLAN = JobPlan(
    job="load_orders",
    targets=(
        TargetPlan(
            job="load_orders",
            connection="warehouse",
            table=TABLE,
            stored=TABLE,
            mode=Append(keys=("amount",)),
            action=AddNewKeys(keys=("amount",), uniqueness=Proven(why="a test says so")),
            steps=(CreateTable(table=TABLE),),
            path=ArrowStream(why="rows travel"),
            read=ReadPlan(
                job="load_orders",
                query="select 1",
                columns=(
                    ReadColumn(
                        name="amount", source=Scalar.BIGINT, declared=Decimal(12, 2), cast=Cast.CHECKED
                    ),
                ),
                window=ColumnRange(
                    column="amount", type=Decimal(12, 2), lower=None, lookback=timedelta(hours=1), bound="2"
                ),
                form=Form.ARROW,
            ),
            watermark=Watermark(cursor="column amount", value="2", type=Decimal(12, 2)),
            clock=datetime(2026, 1, 2, tzinfo=UTC),
            sql=("insert …",),
        ),
    ),
)


def test_a_plan_is_json_of_its_fields_with_the_kind_of_each_alternative() -> None:
    (target,) = json.loads(json.dumps(plan_as_json(PLAN)))["targets"]
    assert target["mode"] == {"kind": "Append", "keys": ["amount"]}
    assert target["action"]["kind"] == "AddNewKeys"
    assert target["action"]["uniqueness"] == {"kind": "Proven", "why": "a test says so"}
    assert target["read"]["window"] == {
        "kind": "ColumnRange",
        "column": "amount",
        "type": "Numeric[12, 2]",
        "lower": None,
        "lookback": 3600.0,
        "bound": "2",
    }
    assert target["read"]["form"] == "arrow"
    assert target["clock"] == "2026-01-02T00:00:00+00:00"
    assert target["watermark"]["value"] == "2"
    assert target["sql"] == ["insert …"]


def test_where_a_table_is_declared_is_left_out() -> None:
    assert "jobs.py" not in json.dumps(plan_as_json(PLAN))
