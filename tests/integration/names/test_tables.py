"""A table of any name, in a schema of that name, with a key of that name, is loaded twice, and read."""

from __future__ import annotations

from typing import Annotated, Any

import boto3
import pyarrow as pa
import pytest
from integration.names.words import MODES, NAMES
from psycopg import sql
from support.s3 import Bucket

from ematix_flow import Target, pk, run_job
from ematix_flow.types import BigInt, Text, TimestampTZ

AFTER = {
    "append": [(1, "a"), (2, "b"), (3, "c")],
    "merge": [(1, "a"), (2, "B"), (3, "c")],
    "scd2": [(1, "a"), (2, "B"), (2, "b"), (3, "c")],
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", NAMES)
def test_a_table_is_loaded_twice_under_any_name(house: Any, name: str, mode: str) -> None:
    value, at = f"{name[:10]}~", f"{name[:10]}@"
    table, key, value_, at_ = sql.Identifier("raw", name), *map(sql.Identifier, (name, value, at))
    query = sql.SQL("select {}, {}, {} from {}").format(key, value_, at_, table).as_string()
    table_class = house.declare(
        name, name, {name: Annotated[BigInt, pk()], value: Text | None, at: TimestampTZ}
    )
    job = house.project.job(
        name="load",
        targets=[Target(table_class, connection=connection) for connection in ("other", "lake")],
        mode=mode,
        source_connection="origin",
        incremental=at,
    )(lambda: query)
    house.origin.execute("create schema raw")
    house.origin.execute(
        sql.SQL("create table {} ({} bigint primary key, {} text, {} timestamptz)").format(
            table, key, value_, at_
        )
    )
    house.origin.execute(
        sql.SQL("insert into {} values (1, 'a', '2024-01-01Z'), (2, 'b', '2024-01-02Z')").format(table)
    )
    assert [target.counts.inserted for target in run_job(job, project=house.project).targets] == [2, 2]
    change = sql.SQL("update {} set {} = 'B', {} = '2024-01-04Z' where {} = 2").format(
        table, value_, at_, key
    )
    house.origin.execute(change)
    house.origin.execute(sql.SQL("insert into {} values (3, 'c', '2024-01-03Z')").format(table))
    again = run_job(job, project=house.project).targets
    assert [target.counts.read for target in again] == [2, 2]  # from the watermark on: a tie, and what is new
    for connection in ("other", "lake"):
        assert house.values(connection, name, name, name, value) == AFTER[mode]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", NAMES)
def test_inside_one_server_too(house: Any, name: str, mode: str) -> None:
    table_class = house.declare(name, name, {name: Annotated[BigInt, pk()], "v": Text | None})
    words = {"mode": mode, "source_table": f"raw.{name}", "source_connection": "origin"}
    job = house.project.job(name="load", target=table_class, target_connection="origin", **words)(
        lambda: None
    )
    table = sql.Identifier("raw", name)
    house.origin.execute("create schema raw")
    house.origin.execute(
        sql.SQL("create table {} ({} bigint primary key, v text)").format(table, sql.Identifier(name))
    )
    house.origin.execute(sql.SQL("insert into {} values (1, 'a'), (2, 'b')").format(table))
    run_job(job, project=house.project)
    house.origin.execute(sql.SQL("update {} set v = 'B' where {} = 2").format(table, sql.Identifier(name)))
    house.origin.execute(sql.SQL("insert into {} values (3, 'c')").format(table))
    run_job(job, project=house.project)
    assert house.values("origin", name, name, name, "v") == AFTER[mode]


@pytest.mark.parametrize("name", NAMES)
def test_a_lake_is_read_under_any_name(house: Any, name: str) -> None:
    schema = name.replace(".", "")
    house.read_lake(schema, name)
    assert house.rows("other", schema, name) == [{name: 1, "v": "a"}, {name: 2, "v": None}]


@pytest.mark.parametrize("name", ["a b", "größe 表 😀", "100% of #1?", "a+b"])
def test_a_table_in_a_bucket_lies_under_its_own_name(
    house: Any, s3_bucket: Bucket, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("SECRET", s3_bucket.options["AWS_SECRET_ACCESS_KEY"])
    options = {**s3_bucket.options, "AWS_SECRET_ACCESS_KEY": "${SECRET}"}
    bucket = {"kind": "delta", "url": f"s3://{s3_bucket.name}/x", "storage_options": options}
    house.project.connection(type("bucket", (), bucket))
    table_class = house.declare(name, name, {"id": Annotated[BigInt, pk()]})
    ids = iter([1, 2])
    job = house.project.job(
        name="load", target=table_class, source_connection="origin", target_connection="bucket"
    )(lambda: pa.record_batch({"id": [next(ids)]}))
    for _ in range(2):
        assert run_job(job, project=house.project).targets[0].counts.inserted == 1
    client = boto3.client(
        "s3",
        endpoint_url=s3_bucket.options["AWS_ENDPOINT_URL"],
        aws_access_key_id="reader",
        aws_secret_access_key=s3_bucket.options["AWS_SECRET_ACCESS_KEY"],
        region_name="us-east-1",
    )
    keys = [found["Key"] for found in client.list_objects_v2(Bucket=s3_bucket.name)["Contents"]]
    assert len(keys) == 4
    assert all(key.startswith(f"x/{name}/{name}/") for key in keys)
