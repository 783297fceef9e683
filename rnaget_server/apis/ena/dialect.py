"""The wire details of the archive: errors as plain text, JSON where the reply is JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

TEXT = "text/plain"


class EnaDialect:
    """ENA's portal and browser."""

    media_types: tuple[str, ...] = (TEXT, "application/json")
    exposed_headers: tuple[str, ...] = ()

    def error_payload(self, status: int, message: str, error: Exception | None = None) -> Any:
        """Return the text of an error."""
        return message

    def body(self, request: Request, media_type: str, payload: Any, title: str) -> str:
        """Return a text as it is, and anything else as JSON."""
        return payload if isinstance(payload, str) else json.dumps(payload, ensure_ascii=False)

    def headers(self, media_type: str) -> Mapping[str, str]:
        """Return the headers of a reply: errors are plain text for any header Accept."""
        return {"Content-Type": f"{TEXT}; charset=utf-8"}
