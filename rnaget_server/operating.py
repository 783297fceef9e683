"""The settings by which operators watch a running server."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
# Their values are secrets, or what everybody sends.
_NO_ID_HEADERS = frozenset(("authorization", "cookie", "host", "proxy-authorization"))


class OperatingSettings(BaseSettings):
    """The log of a server."""

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least grave messages that are logged."
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="Form of the lines of the log: text for people, json for programs."
    )
    log_requests: bool = Field(
        False,
        description="Whether the log has a line for each request: method, path without query, status, bytes, time.",
    )
    request_id_header: str = Field(
        "",
        description="Header in which a proxy gives each request an id, such as X-Request-Id; only where all requests "
        "come through it. Empty: each id is made here.",
    )

    @field_validator("request_id_header")
    @classmethod
    def _header(cls, value: str) -> str:
        if value and (not _HEADER.fullmatch(value) or value.lower() in _NO_ID_HEADERS):
            raise ValueError("it must be the name of a header for ids, such as X-Request-Id, or empty")
        return value
