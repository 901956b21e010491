"""Addresses and errors: what is told of a server, and that it never tells a secret."""

from __future__ import annotations

import psycopg
import pytest

from ematix_flow.backends.postgres.session import (
    Address,
    cause,
    reason,
    server_of,
    settings_statement,
    unavailable,
)
from ematix_flow.secrets import UnsetVariableError
from ematix_flow.spec import PostgresConnection

PLAIN = "p@ss/w%rd"
ENCODED = "p%40ss%2Fw%25rd"


def address(url: str = "postgresql://ada:${PASSWORD}@db:6432/shop", *, show_values: bool = True) -> Address:
    connection = PostgresConnection(name="warehouse", url=url, show_values=show_values)
    return Address.resolve(connection, "load", {"PASSWORD": ENCODED})


# --- addresses ----------------------------------------------------------------------------------------


def test_references_are_resolved_when_a_session_is_about_to_open() -> None:
    assert address().url == f"postgresql://ada:{ENCODED}@db:6432/shop"


def test_an_unset_variable_is_named_with_its_connection() -> None:
    connection = PostgresConnection(name="warehouse", url="${WAREHOUSE_DSN}")
    with pytest.raises(UnsetVariableError) as raised:
        Address.resolve(connection, "load", {})
    assert str(raised.value) == (
        "connection 'warehouse': the environment variable WAREHOUSE_DSN is not set; export it before running the job"
    )


def test_an_address_does_not_show_its_url() -> None:
    assert ENCODED not in repr(address())


@pytest.mark.parametrize("form", [PLAIN, ENCODED])
def test_a_password_is_hidden_in_either_form(form: str) -> None:
    assert address().redact(f'password "{form}" is wrong') == 'password "***" is wrong'


def test_the_environments_own_password_is_hidden_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "from-the-environment")
    assert address("postgresql://ada@db/shop").redact("from-the-environment!") == "***!"


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("postgresql://ada@db:6432/shop", ("db", "6432", "shop")),
        ("host=db port=6432 dbname=shop user=ada", ("db", "6432", "shop")),
        ("postgresql://ada@db", ("db", "5432", "ada")),
        ("", ("localhost", "5432", "")),
        ("postgresql://ada:bad%zz@db/shop", ("postgresql://ada:bad%zz@db/shop",)),
    ],
)
def test_a_server_is_known_by_host_port_and_database(url: str, server: tuple[str, ...]) -> None:
    assert server_of(url) == server


def test_one_statement_settles_the_text_forms() -> None:
    text = settings_statement().as_string(None)
    assert text.startswith("select set_config('TimeZone', 'UTC', false), ")
    assert "set_config('extra_float_digits', '1', false)" in text


# --- errors -------------------------------------------------------------------------------------------


def test_a_server_that_cannot_be_reached_is_told_with_the_reference() -> None:
    told = unavailable(address(), psycopg.OperationalError(f"no password {PLAIN}\n"))
    assert str(told) == (
        "job 'load', connection 'warehouse': cannot open a session: no password ***; check that the server of "
        "postgresql://ada:${PASSWORD}@db:6432/shop runs and that the credentials are right"
    )


def test_an_error_without_a_servers_word_is_told_as_it_is() -> None:
    assert reason(address(), psycopg.OperationalError("the connection is lost")) == "the connection is lost"


def test_the_reason_of_a_guard_is_told_in_its_own_words() -> None:
    error = psycopg.DataError(
        "invalid input syntax for type integer: \"ematix-flow: column 'v': too long\x1fabc\""
    )
    assert reason(address(), error) == "column 'v': too long: abc"


def test_an_error_is_chained_as_it_is() -> None:
    error = psycopg.OperationalError("the connection is lost")
    assert cause(address(), error) is error


def test_an_error_that_holds_the_password_is_chained_as_a_copy_without_it() -> None:
    error = psycopg.OperationalError(f"invalid percent-encoded token: {ENCODED!r}")
    chained = cause(address(), error)
    assert chained is not error
    assert str(chained) == "invalid percent-encoded token: '***'"


def test_no_error_is_chained_where_values_must_not_show() -> None:
    assert cause(address(show_values=False), psycopg.DataError("Key (email)=(ada@example.org)")) is None
