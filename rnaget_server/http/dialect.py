"""The wire details of a standard: its media types, and the form of its errors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

from starlette.requests import Request


class Dialect(Protocol):
    """The speech of one standard; each has one, in the folder of its handlers."""

    @property
    def media_types(self) -> tuple[str, ...]:
        """The media types of JSON replies, the one of errors first; those of pages too, if it has them."""

    @property
    def exposed_headers(self) -> tuple[str, ...]:
        """Headers of its own, which scripts of other sites may read."""

    def error_payload(self, status: int, message: str, error: Exception | None = None) -> Any:
        """Return the JSON of an error."""

    def body(self, request: Request, media_type: str, payload: Any, title: str) -> str:
        """Return a payload in one of the media types."""

    def headers(self, media_type: str) -> Mapping[str, str]:
        """Return the headers of a reply in one of the media types, without Vary."""


class JsonDialect:
    """Plain JSON, whose errors have a message."""

    media_types: tuple[str, ...] = ("application/json",)
    exposed_headers: tuple[str, ...] = ()

    def error_payload(self, status: int, message: str, error: Exception | None = None) -> Any:
        """Return the JSON of an error."""
        return {"message": message}

    def body(self, request: Request, media_type: str, payload: Any, title: str) -> str:
        """Return a payload as JSON."""
        return json.dumps(payload)

    def headers(self, media_type: str) -> Mapping[str, str]:
        """Return the headers of a reply in one of the media types, without Vary."""
        return {"Content-Type": media_type}
