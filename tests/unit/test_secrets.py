"""References are resolved late, and no form of a secret is shown."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ematix_flow import secrets
from ematix_flow.secrets import UnsetVariableError

# --- references --------------------------------------------------------------------------------------

RESOLVED = {
    "${DSN}": "postgresql://h/d",
    "postgresql://${USER_1}:${PASSWORD}@h/d": "postgresql://etl:a${b}c@h/d",
    "${PASSWORD}${USER_1}": "a${b}cetl",
    "no reference": "no reference",
    "$DSN": "$DSN",
    "${not a name}": "${not a name}",
}
ENVIRON = {"DSN": "postgresql://h/d", "USER_1": "etl", "PASSWORD": "a${b}c"}


@pytest.mark.parametrize(("text", "resolved"), RESOLVED.items(), ids=RESOLVED)
def test_references_are_replaced_once_and_by_text_as_it_is(text: str, resolved: str) -> None:
    assert secrets.resolve(text, ENVIRON, where="connection 'warehouse'") == resolved


def test_a_variable_that_is_not_set_is_named_with_who_asks_for_it() -> None:
    with pytest.raises(UnsetVariableError) as caught:
        secrets.resolve("${DSN}/${OTHER}", {"DSN": "x"}, where="connection 'warehouse'")
    assert str(caught.value) == (
        "connection 'warehouse': the environment variable OTHER is not set; export it before running the job"
    )


def test_the_error_of_an_unset_variable_pickles() -> None:
    error = UnsetVariableError(variable="DSN", where="connection 'warehouse'")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301  # our own bytes


@pytest.mark.parametrize(
    ("text", "answer"),
    [("${DSN}", True), ("${DSN} ", False), ("x${DSN}", False), ("$DSN", False), ("", False)],
)
def test_a_reference_is_one_variable_and_nothing_else(text: str, answer: bool) -> None:
    assert secrets.is_reference(text) is answer


# --- passwords in URLs -------------------------------------------------------------------------------

# url: (the literal password, the url as it is shown)
URLS: dict[str, tuple[str | None, str]] = {
    "postgresql://etl:hunter2@h/d": ("hunter2", "postgresql://etl:***@h/d"),
    "postgres://etl:p%40ss@h:5432/d?x=1": ("p%40ss", "postgres://etl:***@h:5432/d?x=1"),
    "postgresql://etl:p@ss/word@h/d": ("p@ss/word", "postgresql://etl:***@h/d"),
    "postgresql://etl:%zz@h/d": ("%zz", "postgresql://etl:***@h/d"),
    "postgresql://etl:hunter2@[::1]/d": ("hunter2", "postgresql://etl:***@[::1]/d"),
    "postgresql://h/d?user=etl&password=hunter2&x=1": (
        "hunter2",
        "postgresql://h/d?user=etl&password=***&x=1",
    ),
    "host=h password=hunter2 user=etl": ("hunter2", "host=h password=*** user=etl"),
    "host=h PASSWORD = hunter2": ("hunter2", "host=h PASSWORD = ***"),
    "host=h password='hun ter2' user=etl": ("'hun ter2'", "host=h password=*** user=etl"),
    "host=h sslpassword=hunter2": ("hunter2", "host=h sslpassword=***"),
    "postgresql://etl:${PASSWORD}@h/d?sslpassword=hunter2": (
        "hunter2",
        "postgresql://etl:***@h/d?sslpassword=***",
    ),
    "host=h password=${PASSWORD} sslpassword=hunter2": ("hunter2", "host=h password=*** sslpassword=***"),
    "postgresql://etl:${PASSWORD}@h/d": (None, "postgresql://etl:${PASSWORD}@h/d"),
    "postgresql://etl:${FIRST}${SECOND}@h/d": (None, "postgresql://etl:${FIRST}${SECOND}@h/d"),
    "postgresql://etl:${FIRST}-x@h/d": ("${FIRST}-x", "postgresql://etl:***@h/d"),
    "host=h password='${PASSWORD}'": (None, "host=h password='${PASSWORD}'"),
    "host=h password=''": (None, "host=h password=''"),
    "host=h password=${PASSWORD}": (None, "host=h password=${PASSWORD}"),
    "postgresql://etl@h/d": (None, "postgresql://etl@h/d"),
    "postgresql://etl:@h/d": (None, "postgresql://etl:@h/d"),
    "${DSN}": (None, "${DSN}"),
    "s3://bucket/prefix": (None, "s3://bucket/prefix"),
    "/srv/lake": (None, "/srv/lake"),
}


@pytest.mark.parametrize(("url", "expected"), URLS.items(), ids=URLS)
def test_a_literal_password_is_found_in_each_spelling(url: str, expected: tuple[str | None, str]) -> None:
    assert secrets.literal_password(url) == expected[0]


@pytest.mark.parametrize(("url", "expected"), URLS.items(), ids=URLS)
def test_a_masked_url_shows_all_but_the_literal_password(url: str, expected: tuple[str | None, str]) -> None:
    assert secrets.mask(url) == expected[1]


FORMS = {
    "postgresql://etl:p%40ss@h/d": {"p%40ss", "p@ss"},
    "postgresql://etl:%zz@h/d": {"%zz"},
    "postgresql://etl:p@ss/word@h/d": {"p@ss/word", "p"},  # what a parser makes of it could be shown too
    "host=h password='hun ter2'": {"'hun ter2'", "hun ter2"},
    r"host=h password='it\'s'": {r"'it\'s'", r"it\'s", "it's"},
    "host=h password=''": set(),
    "postgresql://etl:'@h/d": {"'"},
    "postgresql://etl@h/d": set(),
}


@pytest.mark.parametrize(("url", "forms"), FORMS.items(), ids=FORMS)
def test_a_password_is_known_in_the_forms_in_which_a_driver_could_show_it(url: str, forms: set[str]) -> None:
    assert secrets.secrets_in(url) == forms


def test_a_host_that_is_no_address_does_not_keep_the_password_from_being_found() -> None:
    assert secrets.secrets_in("postgresql://etl:hunter2@[::1/d") == {"hunter2"}


passwords = st.text(st.characters(codec="utf-8", exclude_categories=["Z", "C"]), min_size=1).filter(
    lambda text: not secrets.is_reference(text)
)


@given(passwords)
def test_no_masked_url_holds_a_long_password(password: str) -> None:
    long = f"{password}-hunter2-{password}"
    assert long not in secrets.mask(f"postgresql://etl:{long}@h/d")
    assert long in secrets.secrets_in(f"postgresql://etl:{long}@h/d")


# --- redaction ---------------------------------------------------------------------------------------


def test_redaction_hides_every_secret_and_the_longest_first() -> None:
    message = 'invalid percent-encoded token: "p%40ss"; tried p@ss and p'
    assert secrets.redact(message, {"p", "p@ss", "p%40ss"}) == (
        'invalid ***ercent-encoded token: "***"; tried *** and ***'
    )


def test_redaction_without_secrets_changes_nothing() -> None:
    assert secrets.redact("connection refused", frozenset()) == "connection refused"


@given(st.text(), st.sets(st.text(min_size=1), max_size=4))
def test_no_secret_is_left_in_a_redacted_text(text: str, hidden: set[str]) -> None:
    left = secrets.redact(text, hidden).split("***")
    assert not [secret for secret in hidden if any(secret in part for part in left) and "*" not in secret]
