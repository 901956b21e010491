"""Where tables lie, and what is said of a store without telling its secrets."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from deltalake.exceptions import DeltaError

from ematix_flow.backends.delta.store import Store
from ematix_flow.errors import PlanError
from ematix_flow.secrets import UnsetVariableError
from ematix_flow.spec import DeltaConnection, Table

ORDERS = Table(schema="shop", name="orders", columns=())
OPTIONS = (
    ("AWS_ACCESS_KEY_ID", "reader"),
    ("AWS_SECRET_ACCESS_KEY", "${LAKE_SECRET}"),
    ("AWS_REGION", "eu-north-1"),
)


def store(url: str, options: tuple[tuple[str, str], ...] = (), show_values: bool = True) -> Store:
    connection = DeltaConnection(name="lake", url=url, storage_options=options, show_values=show_values)
    return Store.resolve(connection, "load_orders", {"LAKE_SECRET": "s3/cr et", "BUCKET": "private"})


@pytest.mark.parametrize(
    ("url", "uri"),
    [
        ("/data/lake", "file:///data/lake/shop/orders"),
        ("/data/100% of #1", "file:///data/100%25%20of%20%231/shop/orders"),
        ("file:///data/lake/", "file:///data/lake/shop/orders"),
        ("s3://${BUCKET}/data/", "s3://private/data/shop/orders"),
        ("s3://bucket", "s3://bucket/shop/orders"),
    ],
)
def test_a_table_lies_below_its_schema(url: str, uri: str) -> None:
    assert store(url).uri(ORDERS) == uri


@pytest.mark.parametrize("name", ["a b", "a?b", "#1", "100%", "größe", 'say "hi"', "%zz"])
@pytest.mark.parametrize("url", ["/data/lake", "s3://bucket/data", "s3://bucket/with%20blank"])
def test_a_name_comes_back_out_of_the_url_as_it_went_in(url: str, name: str) -> None:
    uri = store(url).uri(Table(schema=name, name=name, columns=()))
    assert [unquote(part) for part in urlsplit(uri).path.split("/")[-2:]] == [name, name]
    assert urlsplit(uri).query == urlsplit(uri).fragment == ""


@pytest.mark.parametrize(
    ("url", "name", "found"),
    [
        ("/data", "[a]", "[ or ]"),
        ("/data/[x]", "a", "[ or ]"),
        ("s3://bucket", "a^b|c", "^ or |"),
        ("/data", "a%4Fb", "%4F"),
        ("/with%20blank", "a", "%20"),
        ("s3://bucket", "%41", "%41"),
    ],
)
def test_a_place_where_delta_rs_cannot_work_is_refused(url: str, name: str, found: str) -> None:
    with pytest.raises(PlanError) as caught:
        store(url).uri(Table(schema="shop", name=name, columns=()))
    assert f"works in no folder whose name holds {found}; choose another name" in str(caught.value)


def test_a_relative_path_starts_at_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert store("lake").uri(ORDERS) == (tmp_path / "lake/shop/orders").as_uri()


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert store("~/lake").uri(ORDERS) == (tmp_path / "lake/shop/orders").as_uri()


def test_the_shown_place_keeps_references() -> None:
    assert store("s3://${BUCKET}/data/").shown(ORDERS) == "s3://${BUCKET}/data/shop/orders"


def test_an_unset_variable_names_the_connection() -> None:
    with pytest.raises(UnsetVariableError, match=r"connection 'lake'.*MISSING"):
        store("s3://bucket", (("AWS_REGION", "${MISSING}"),))


def test_no_secret_is_in_the_repr() -> None:
    shown = repr(store("s3://${BUCKET}", OPTIONS))
    assert "s3/cr et" not in shown
    assert "reader" not in shown
    assert "private" not in shown


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("bad key s3/cr et in eu-north-1", "bad key *** in eu-north-1"),
        ("GET /?sig=s3%2Fcr%20et", "GET /?sig=***"),
        ("user reader is unknown", "user *** is unknown"),
    ],
)
def test_secrets_are_hidden_raw_and_encoded(text: str, told: str) -> None:
    opened = store("s3://bucket", OPTIONS)
    assert opened.reason(DeltaError(text)) == told
    assert str(opened.cause(DeltaError(text))) == told


def test_an_empty_option_hides_nothing() -> None:
    assert store("s3://bucket", (("AWS_SESSION_TOKEN", ""),)).redact("a b") == "a b"


def test_a_harmless_error_is_chained_as_it_is() -> None:
    error = OSError("disk full")
    assert store("/lake").cause(error) is error


def test_nothing_is_chained_where_values_must_not_show() -> None:
    assert store("/lake", show_values=False).cause(DeltaError("x")) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Kernel error\n  \x1b[31m↳\x1b[0m HTTP error\n", "Kernel error HTTP error"),
        (
            "1 rows failed validation check.\nPreview of invalid data:\n| secret row |",
            "1 rows failed validation check.",
        ),
        ("Json error: unexpected 'g'\n   0: <unknown>\n   1: <unknown>", "Json error: unexpected 'g'"),
        ("404 <Error><Code>NoSuchBucket</Code><RequestId>x</RequestId></Error>", "404 NoSuchBucket"),
    ],
)
def test_a_reason_is_one_line_without_decoration_or_rows(text: str, told: str) -> None:
    assert store("/lake").reason(DeltaError(text)) == told


def test_a_value_is_not_shown_where_values_must_not_show() -> None:
    error = DeltaError("Cannot cast string 'Ann Smith' to value of Date32 type")
    hidden = store("/lake", show_values=False).reason(error)
    assert hidden == "Cannot cast string '***' to value of Date32 type"
