"""The settings by which operators watch a running server."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

STDERR = "stderr"
"""The place of the audit log that is no file."""

_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})")
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
_HIGHEST_PORT = (1 << 16) - 1
_SHORTEST_KEY = 16
# Their values are secrets, or what everybody sends.
_NO_ID_HEADERS = frozenset(("authorization", "cookie", "host", "proxy-authorization"))


def split_address(address: str) -> tuple[str, int]:
    """Return host and port of an address such as ``127.0.0.1:9090`` or ``[::1]:9090``.

    Raises
    ------
    ValueError
        If it is no such address.
    """
    found = _ADDRESS.fullmatch(address)
    if found is None or not 0 < int(found[2]) <= _HIGHEST_PORT:
        raise ValueError("it must be a host and a port, such as 127.0.0.1:9090 or [::1]:9090, or empty for none")
    return found[1].strip("[]"), int(found[2])


class OperatingSettings(BaseSettings):
    """The log, the metrics, the traces and the audit log of a server."""

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least grave messages that are logged."
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="Form of the lines of the log: text for people, json for programs."
    )
    log_requests: bool = Field(
        False,
        description="Whether the log has a line for each request: method, path, status, bytes, time.",
    )
    request_id_header: str = Field(
        "",
        description="Header in which a proxy gives each request an id, such as X-Request-Id; only where all requests "
        "come through it. Empty: each id is made here.",
    )
    metrics_address: str = Field(
        "",
        description="Address, such as 127.0.0.1:9090, where Prometheus finds /metrics; no other one has it. Empty: "
        "none.",
    )
    traces: bool = Field(
        False, description="Whether traces of requests are sent by OpenTelemetry, to where the variables OTEL_… say."
    )
    audit_log: str = Field(
        "", description="File, or stderr, that says who has read which data that not everybody may see. Empty: none."
    )
    audit_key: SecretStr = Field(
        SecretStr(""),
        description="Secret by which the audit log has hashes in place of names. Empty: it has the names.",
    )

    @field_validator("request_id_header")
    @classmethod
    def _header(cls, value: str) -> str:
        if value and (not _HEADER.fullmatch(value) or value.lower() in _NO_ID_HEADERS):
            raise ValueError("it must be the name of a header for ids, such as X-Request-Id, or empty")
        return value

    @field_validator("metrics_address")
    @classmethod
    def _listens(cls, value: str) -> str:
        if value:
            split_address(value)
            if find_spec("prometheus_client") is None:
                raise ValueError("it needs a package: pip install 'rnaget-server[metrics]'")
        return value

    @field_validator("traces")
    @classmethod
    def _installed(cls, value: bool) -> bool:
        if value and not _has_opentelemetry():
            raise ValueError("it needs packages: pip install 'rnaget-server[otel]'")
        return value

    @field_validator("audit_log")
    @classmethod
    def _place(cls, value: str) -> str:
        return str(Path(value).absolute()) if value and value != STDERR else value

    @field_validator("audit_key")
    @classmethod
    def _key(cls, value: SecretStr) -> SecretStr:
        if 0 < len(value.get_secret_value()) < _SHORTEST_KEY:
            raise ValueError(f"a key needs at least {_SHORTEST_KEY} characters, such as `openssl rand -hex 32` makes")
        return value


def _has_opentelemetry() -> bool:
    try:
        return all(map(find_spec, ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")))
    except ModuleNotFoundError:
        return False
