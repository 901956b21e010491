"""`${VAR}` references: resolved when a connection opens, redacted wherever text leaves us."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from ematix_flow.errors import EmatixError

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_ONLY_REFERENCES = re.compile(rf"'(?:{_REFERENCE.pattern})*'|(?:{_REFERENCE.pattern})+")
# `user:password@` of a URL. The password may itself hold a badly encoded `@` or `/`, so it runs to the last `@`
# before the host; without that a part of it would be shown.
_USERINFO = re.compile(r"(?P<before>\b[a-z][a-z0-9+.-]*://[^:@/\s]*):(?P<password>[^\s]+)@")
# libpq's other spelling, `host=… password=…`, with an optionally quoted value; `sslpassword` opens the client's key.
_KEYWORD = re.compile(
    r"\b(?P<before>(?:ssl)?password\s*=\s*)(?P<password>'(?:[^'\\]|\\.)*'|[^\s'&]+)", re.IGNORECASE
)
HIDDEN = "***"


@dataclass(eq=False, kw_only=True)
class UnsetVariableError(EmatixError):
    """A connection refers to an environment variable that is not set."""

    variable: str
    where: str

    @property
    def message(self) -> str:
        """The variable, and who asks for it."""
        return f"{self.where}: the environment variable {self.variable} is not set; export it before running the job"


def resolve(text: str, environ: Mapping[str, str], *, where: str) -> str:
    """`text` with every `${VAR}` replaced from `environ`.

    Raises:
        UnsetVariableError: a variable is not set; `where` (such as "connection 'warehouse'") is in the message.
    """

    def value(match: re.Match[str]) -> str:
        try:
            return environ[match[1]]
        except KeyError:
            raise UnsetVariableError(variable=match[1], where=where) from None

    return _REFERENCE.sub(value, text)


def resolve_known(text: str, environ: Mapping[str, str]) -> str:
    """As `resolve`, leaving a reference to an unset variable as it stands: for comparing, not for opening."""
    return _REFERENCE.sub(lambda match: environ.get(match[1], match[0]), text)


def is_reference(text: str) -> bool:
    """Whether `text` is nothing but one `${VAR}`."""
    return _REFERENCE.fullmatch(text) is not None


def literal_password(url: str) -> str | None:
    """The password that stands in `url` in plain text, or None when there is none or it consists of `${VAR}`s."""
    for pattern in (_USERINFO, _KEYWORD):
        for match in pattern.finditer(url):
            if not _ONLY_REFERENCES.fullmatch(match["password"]):
                return match["password"]
    return None


def mask(url: str) -> str:
    """`url` fit to be shown: a literal password is hidden, `${VAR}` references stay readable."""
    if literal_password(url) is None:
        return url
    url = _USERINFO.sub(rf"\g<before>:{HIDDEN}@", url)
    return _KEYWORD.sub(rf"\g<before>{HIDDEN}", url)


def secrets_in(url: str) -> frozenset[str]:
    """The forms in which the password of a resolved `url` could turn up in a driver's message."""
    password = literal_password(url)
    if password is None:
        return frozenset()
    unquoted = password.strip("'")
    found = {password, unquote(password), unquoted, re.sub(r"\\(.)", r"\1", unquoted)}
    try:
        found.add(urlsplit(url).password or password)
    except ValueError:  # a bracketed host that is no address: the regular expression's finding stands
        return frozenset(found - {""})
    return frozenset(found - {""})


def redact(text: str, secrets: Iterable[str]) -> str:
    """`text` with every secret hidden, the longest first so that none survives as part of another."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text
