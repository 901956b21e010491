"""The table name that a class name means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ematix_flow.introspect import snake_case

NAMES = {
    "Events": "events",
    "CustomerDim": "customer_dim",
    "HTTPServer": "http_server",
    "S3Archive": "s3_archive",
    "OrderHTTPLog": "order_http_log",
    "LogHTTP": "log_http",
    "OrdersV2": "orders_v2",
    "V2Orders": "v2_orders",
    "SHA256Sum": "sha256_sum",
    "MD5": "md5",
    "X": "x",
    "XRay": "x_ray",
    "SKUs": "skus",
    "UserIDs": "user_ids",
    "URLsSeen": "urls_seen",
    "HTTPServers": "http_servers",
    "Order_Line": "order_line",
    "already_snake": "already_snake",
    "CaféOrders": "café_orders",
}


@pytest.mark.parametrize(("class_name", "table_name"), NAMES.items(), ids=NAMES)
def test_a_class_name_in_snake_case(class_name: str, table_name: str) -> None:
    assert snake_case(class_name) == table_name


identifiers = st.from_regex(r"[A-Za-z][A-Za-z0-9_]*", fullmatch=True)


@given(identifiers)
def test_a_name_in_snake_case_stays_as_it_is(name: str) -> None:
    assert snake_case(snake_case(name)) == snake_case(name)


@given(identifiers)
def test_snake_case_only_lowers_letters_and_adds_underscores(name: str) -> None:
    assert snake_case(name).replace("_", "") == name.lower().replace("_", "")


words = st.from_regex(r"[A-Z][a-z]{2,}[0-9]?", fullmatch=True)


@given(st.lists(words, min_size=1))
def test_capitalized_words_are_joined_by_underscores(parts: list[str]) -> None:
    assert snake_case("".join(parts)) == "_".join(parts).lower()
