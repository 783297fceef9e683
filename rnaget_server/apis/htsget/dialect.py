"""The wire details of htsget: media types, and errors with a name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from rnaget_server.errors import (
    Forbidden,
    InvalidQuery,
    InvalidRange,
    ResultTooLarge,
    UnknownId,
    UnsupportedFormat,
)
from rnaget_server.http.dialect import JsonDialect

_TYPE = "application/vnd.ga4gh.htsget.v{}+json"
_FIRST_DRAFT = _TYPE.format("0.2rc")
_NAMES: dict[type[Exception], str] = {
    UnsupportedFormat: "UnsupportedFormat",
    InvalidRange: "InvalidRange",
    InvalidQuery: "InvalidInput",
    UnknownId: "NotFound",
    Forbidden: "PermissionDenied",
    ResultTooLarge: "PayloadTooLarge",
}
_OTHERS = {
    401: "InvalidAuthentication",
    404: "NotFound",
    405: "MethodNotAllowed",
    406: "NotAcceptable",
    410: "Gone",
    412: "PreconditionFailed",
    415: "UnsupportedMediaType",
    416: "RangeNotSatisfiable",
    503: "ServiceUnavailable",
}


class HtsgetDialect(JsonDialect):
    """htsget 1.3.0, which takes the names of earlier versions too."""

    media_types = (
        *(_TYPE.format(version) for version in ("1.3.0", "1.2.0", "1.1.1", "1.1.0", "1.0.0")),
        "application/json",
        _FIRST_DRAFT,
    )

    def error_payload(self, status: int, message: str, error: Exception | None = None) -> Any:
        """Return the JSON of an error, which has a name."""
        name = next((name for kind, name in _NAMES.items() if isinstance(error, kind)), None)
        return {"htsget": {"error": name or _OTHERS.get(status, "InternalError"), "message": message}}

    def body(self, request: Request, media_type: str, payload: Any, title: str) -> str:
        """Return a payload as JSON; in the first draft, tickets and errors had nothing around them."""
        return json.dumps(payload["htsget"] if media_type == _FIRST_DRAFT and len(payload) == 1 else payload)

    def headers(self, media_type: str) -> Mapping[str, str]:
        """Return the headers of a reply in one of the media types."""
        return {"Content-Type": f"{media_type}; charset=utf-8", "Cache-Control": "no-store"}
