"""What a connection class declares."""
# ruff: noqa: N801, RUF012, S105 - a connection is called like its class, its fields are as users write them, and
# what looks like a secret is a reference to one or made up

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from ematix_flow import (
    DeltaConnection,
    LiteralPasswordWarning,
    PostgresConnection,
    Project,
    UnknownNameError,
    connection_of,
)


def test_a_postgres_connection_is_named_after_its_class_and_keeps_its_reference() -> None:
    @Project().connection
    class warehouse:
        kind = "postgres"
        url = "${WAREHOUSE_DSN}"

    assert connection_of(warehouse) == PostgresConnection(name="warehouse", url="${WAREHOUSE_DSN}")


def test_a_postgres_connection_with_every_field() -> None:
    @Project().connection(name="dwh")
    class Warehouse:
        kind = "postgres"
        url = "host=db.example user=etl"
        state_schema = "state"
        show_values = False

    assert connection_of(Warehouse) == PostgresConnection(
        name="dwh", url="host=db.example user=etl", state_schema="state", show_values=False
    )


def test_a_delta_connection_takes_any_url_and_options() -> None:
    @Project().connection
    class lake:
        kind = "delta"
        url = "abfss://lake@account.dfs.core.windows.net"
        storage_options = {"AZURE_STORAGE_ACCOUNT_KEY": "${LAKE_KEY}"}

    assert connection_of(lake) == DeltaConnection(
        name="lake",
        url="abfss://lake@account.dfs.core.windows.net",
        storage_options=(("AZURE_STORAGE_ACCOUNT_KEY", "${LAKE_KEY}"),),
    )


@pytest.mark.parametrize("folder", ["/srv/lake", "lake", "~/lake", "${LAKE}"])
def test_a_local_folder_stays_as_it_is_written(folder: str) -> None:
    @Project().connection
    class lake:
        kind = "delta_local"
        path = folder

    assert connection_of(lake) == DeltaConnection(name="lake", url=folder)


def test_a_local_folder_may_be_a_path() -> None:
    @Project().connection
    class lake:
        kind = "delta_local"
        path = Path("data") / "lake"

    assert connection_of(lake) == DeltaConnection(name="lake", url="data/lake")


def test_a_bucket_with_every_field_becomes_a_url_and_the_stores_own_options() -> None:
    @Project().connection
    class lake:
        kind = "delta_s3"
        bucket = "archive"
        prefix = "/shop/"
        endpoint = "http://127.0.0.1:9000"
        region = "eu-central-1"
        access_key = "${KEY}"
        secret_key = "${SECRET}"
        session_token = "${TOKEN}"
        storage_options = {"timeout": "30s"}

    assert connection_of(lake) == DeltaConnection(
        name="lake",
        url="s3://archive/shop",
        storage_options=(
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:9000"),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ACCESS_KEY_ID", "${KEY}"),
            ("AWS_SECRET_ACCESS_KEY", "${SECRET}"),
            ("AWS_SESSION_TOKEN", "${TOKEN}"),
            ("timeout", "30s"),
        ),
    )


def test_a_bucket_alone_leaves_the_rest_to_the_stores_own_environment() -> None:
    @Project().connection
    class lake:
        kind = "delta_s3"
        bucket = "archive"

    assert connection_of(lake) == DeltaConnection(name="lake", url="s3://archive")


def test_the_longer_names_of_the_keys_are_read_too() -> None:
    @Project().connection
    class lake:
        kind = "delta_s3"
        bucket = "archive"
        access_key_id = "${KEY}"
        secret_access_key = "${SECRET}"

    assert connection_of(lake) == DeltaConnection(
        name="lake",
        url="s3://archive",
        storage_options=(("AWS_ACCESS_KEY_ID", "${KEY}"), ("AWS_SECRET_ACCESS_KEY", "${SECRET}")),
    )


ENDPOINTS = {
    "http://127.0.0.1:9000": {"AWS_ENDPOINT_URL": "http://127.0.0.1:9000", "AWS_ALLOW_HTTP": "true"},
    "https://s3.example": {"AWS_ENDPOINT_URL": "https://s3.example"},
    "${S3_ENDPOINT}": {"AWS_ENDPOINT_URL": "${S3_ENDPOINT}", "AWS_ALLOW_HTTP": "true"},
}


@pytest.mark.parametrize(("written", "options"), ENDPOINTS.items(), ids=ENDPOINTS)
def test_plain_http_is_allowed_unless_the_endpoint_is_known_to_be_https(
    written: str, options: dict[str, str]
) -> None:
    @Project().connection
    class lake:
        kind = "delta_s3"
        bucket = "archive"
        endpoint = written

    connection = connection_of(lake)
    assert isinstance(connection, DeltaConnection)
    assert dict(connection.storage_options) == options


def test_fields_are_inherited_and_methods_are_no_fields() -> None:
    class Base:
        kind = "postgres"
        _note = "private"

        def describe(self) -> str:
            return self.kind

    @Project().connection
    class warehouse(Base):
        url = "${WAREHOUSE_DSN}"

    assert connection_of(warehouse) == PostgresConnection(name="warehouse", url="${WAREHOUSE_DSN}")


def test_the_decorator_returns_the_class_itself() -> None:
    class warehouse:
        kind = "postgres"
        url = "${WAREHOUSE_DSN}"

    assert Project().connection(warehouse) is warehouse


def test_a_class_that_is_not_decorated_is_no_connection() -> None:
    class warehouse:
        kind = "postgres"

    with pytest.raises(
        UnknownNameError, match=r"warehouse': is no connection; decorate it with @ematix\.conn"
    ):
        connection_of(warehouse)


# --- secrets -----------------------------------------------------------------------------------------


def test_a_literal_password_in_a_url_is_warned_of_where_it_stands_and_not_shown() -> None:
    class warehouse:
        kind = "postgres"
        url = "postgresql://etl:hunter2@db.example/shop"

    project = Project()
    with pytest.warns(LiteralPasswordWarning) as caught:
        project.connection(warehouse)
    (warning,) = caught
    assert str(warning.message) == (
        "connection 'warehouse', url: holds a secret in plain text; put it into an environment variable and refer to "
        "it, as in ${WAREHOUSE_URL}"
    )
    assert warning.filename == __file__


def test_a_literal_secret_among_the_options_is_warned_of_and_not_shown() -> None:
    class lake:
        kind = "delta_s3"
        bucket = "archive"
        access_key = "AKIA1"
        secret_key = "hunter2"

    with pytest.warns(LiteralPasswordWarning) as caught:
        Project().connection(lake)
    (warning,) = caught
    assert str(warning.message) == (
        "connection 'lake', storage_options.AWS_SECRET_ACCESS_KEY: holds a secret in plain text; put it into an "
        "environment variable and refer to it, as in ${AWS_SECRET_ACCESS_KEY}"
    )


@pytest.mark.parametrize(
    "dsn", ["${DSN}", "postgresql://etl:${PASSWORD}@db.example/shop", "postgresql://etl@db.example/shop"]
)
def test_a_url_without_a_literal_password_is_not_warned_of(dsn: str) -> None:
    class warehouse:
        kind = "postgres"
        url = dsn

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Project().connection(warehouse)


def test_the_repr_of_a_connection_does_not_show_its_url_or_options() -> None:
    connection = DeltaConnection(
        name="lake", url="s3://me:hunter2@archive", storage_options=(("KEY", "hunter2"),)
    )
    assert "hunter2" not in repr(connection)
    assert connection.reference == "s3://me:***@archive"
