"""A class body with `kind` and fields becomes a frozen connection.

pydantic models say which fields each kind takes; what they find wrong is told in this project's own words, and never
with the value that was given, which may be a secret.
"""

from __future__ import annotations

import keyword
import os
import re
import types
import warnings
from collections import defaultdict
from typing import Annotated, Any, Literal, TypeAlias, assert_never

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)

from ematix_flow import secrets
from ematix_flow.introspect import check_name
from ematix_flow.problems import Report, either, suggestion
from ematix_flow.spec import Compaction, Connection, DeltaConnection, Origin, PostgresConnection


class LiteralPasswordWarning(UserWarning):
    """A connection holds a password in plain text instead of a `${VAR}` reference."""


def connection_from_class(cls: type[Any], name: str, *, origin: Origin, report: Report) -> Connection | None:
    """The connection that a class body declares; None after noting in `report` what is wrong with it."""
    usable = isinstance(name, str) and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name)
    if not usable or keyword.iskeyword(name):
        report.add(
            f"{name!r} is not a usable name; use letters, digits and '_', and no Python keyword", field="name"
        )
    written = _written_fields(cls)
    kind = written.pop("kind", None)
    model = _KINDS.get(kind) if isinstance(kind, str) else None
    if model is None:
        report.add(_objection_to_kind(kind), field="kind")
        return None
    try:
        fields = model.model_validate(written)
    except ValidationError as error:
        _report_fields(error, str(kind), model, report)
        return None
    connection = _connection(fields, name, origin)
    if isinstance(connection, PostgresConnection):
        check_name(connection.state_schema, field="state_schema", report=report)
    return connection


def warn_of_literal_secrets(connection: Connection) -> None:
    """Warn, at the line of the declaration, of secrets that stand in it in plain text; none is shown."""
    for field, variable in literal_secrets(connection):
        warnings.warn_explicit(
            f"connection '{connection.name}', {field}: holds a secret in plain text; put it into an environment "
            f"variable and refer to it, as in ${{{variable}}}",
            LiteralPasswordWarning,
            filename=connection.origin.file,
            lineno=connection.origin.line,
        )


# --- the fields of each kind -------------------------------------------------------------------------


def _plain_path(value: object) -> object:
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _checked_text(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty; give it a value, or a reference such as ${NAME}")
    if "${" in secrets.resolve(text, defaultdict(str), where=""):
        raise ValueError("holds a '${' that starts no reference; write ${NAME}, of letters, digits and '_'")
    if re.fullmatch(r"\$\w+", text):
        raise ValueError("is no reference; write it with braces, as in ${NAME}")
    return text


def _checked_dsn(text: str) -> str:
    if "${" not in text and not re.match(r"postgres(ql)?://|\s*\w+\s*=", text):
        raise ValueError(
            "is no PostgreSQL URL; write 'postgresql://user@host:5432/database', or a reference such as "
            "${WAREHOUSE_DSN}"
        )
    return text


_Text: TypeAlias = Annotated[str, BeforeValidator(_plain_path), AfterValidator(_checked_text)]


class _Fields(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    show_values: bool = True


class _Postgres(_Fields):
    url: Annotated[_Text, AfterValidator(_checked_dsn)]
    state_schema: str = "ematix_flow"


class _Lake(_Fields):
    compaction: Literal["auto", "off"] = "auto"


class _Delta(_Lake):
    url: _Text
    storage_options: dict[str, _Text] = {}


class _DeltaLocal(_Lake):
    path: _Text


class _DeltaS3(_Lake):
    bucket: _Text
    prefix: str = ""
    endpoint: _Text | None = None
    region: _Text | None = None
    access_key: _Text | None = Field(None, validation_alias=AliasChoices("access_key", "access_key_id"))
    secret_key: _Text | None = Field(None, validation_alias=AliasChoices("secret_key", "secret_access_key"))
    session_token: _Text | None = None
    storage_options: dict[str, _Text] = {}


_AnyFields: TypeAlias = _Postgres | _Delta | _DeltaLocal | _DeltaS3
_KINDS: dict[str, type[_AnyFields]] = {
    "postgres": _Postgres,
    "delta": _Delta,
    "delta_local": _DeltaLocal,
    "delta_s3": _DeltaS3,
}


def _connection(fields: _AnyFields, name: str, origin: Origin) -> Connection:
    match fields:
        case _Postgres():
            return PostgresConnection(
                name=name,
                url=fields.url,
                state_schema=fields.state_schema,
                show_values=fields.show_values,
                origin=origin,
            )
        case _Delta():
            url, options = fields.url, fields.storage_options
        case _DeltaLocal():
            url, options = fields.path, {}
        case _DeltaS3():
            url = f"s3://{fields.bucket}/{fields.prefix.strip('/')}".rstrip("/")
            options = _s3_options(fields)
        case _:
            assert_never(fields)
    return DeltaConnection(
        name=name,
        url=url,
        storage_options=tuple(options.items()),
        compaction=Compaction(fields.compaction),
        show_values=fields.show_values,
        origin=origin,
    )


def _s3_options(fields: _DeltaS3) -> dict[str, str]:
    """The object store's own names for the fields (crate `object_store`, `AmazonS3ConfigKey`)."""
    # The store refuses plain http unless told otherwise, and an endpoint that is a reference may turn out to be that.
    plain_http = fields.endpoint is not None and not fields.endpoint.startswith("https:")
    options = {
        "AWS_ENDPOINT_URL": fields.endpoint,
        "AWS_ALLOW_HTTP": "true" if plain_http else None,
        "AWS_REGION": fields.region,
        "AWS_ACCESS_KEY_ID": fields.access_key,
        "AWS_SECRET_ACCESS_KEY": fields.secret_key,
        "AWS_SESSION_TOKEN": fields.session_token,
    }
    return {key: value for key, value in options.items() if value is not None} | fields.storage_options


# --- reading the class, and telling what is wrong with it --------------------------------------------


def _written_fields(cls: type[Any]) -> dict[str, Any]:
    """The public attributes of the class and its bases that are no methods."""
    methods = (types.FunctionType, classmethod, staticmethod, property)
    return {
        name: value
        for base in reversed(cls.__mro__)
        for name, value in vars(base).items()
        if not name.startswith("_") and not isinstance(value, methods)
    }


def _objection_to_kind(kind: object) -> str:
    if kind is None:
        return f"is missing; write kind = {either(sorted(_KINDS))}"
    return f"there is no kind {kind!r}; {suggestion(str(kind), _KINDS)}"


def _report_fields(error: ValidationError, kind: str, model: type[_AnyFields], report: Report) -> None:
    for detail in error.errors(include_url=False, include_input=False):
        field = ".".join(str(part) for part in detail["loc"] if part != "[key]")
        match detail["type"]:
            case "missing":
                text = f"is missing; a connection of kind '{kind}' needs it"
            case "extra_forbidden":
                text = f"is no field of kind '{kind}'; {suggestion(field, ['kind', *model.model_fields])}"
            case "value_error":
                text = str(detail["ctx"]["error"])
            case "string_type":
                text = "is no text; write it in quotes"
            case "dict_type":
                text = "is no dict; write it as in {'AWS_REGION': 'eu-central-1'}"
            case "bool_type":
                text = "is neither True nor False; write one of them"
            case _:
                text = detail["msg"].replace("Input should", "should")
        report.add(text, field=field)


_SECRET_OPTION = re.compile(r"SECRET|TOKEN|PASSWORD|SIGNATURE|(ACCOUNT|ACCESS|SAS)_KEY$", re.IGNORECASE)


def literal_secrets(connection: Connection) -> list[tuple[str, str]]:
    """(field, a name for the variable to use instead) of each secret in plain text."""
    found = []
    prefix = connection.name.upper()
    if secrets.literal_password(connection.url):
        found.append(("url", f"{prefix}_URL"))
    if isinstance(connection, DeltaConnection):
        found += [
            (f"storage_options.{key}", key)
            for key, value in connection.storage_options
            if _SECRET_OPTION.search(key) and not secrets.is_reference(value)
        ]
    return found
