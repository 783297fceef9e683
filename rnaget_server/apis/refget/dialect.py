"""The wire details of refget: media types of both versions, and the form of errors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

_TYPE = "application/vnd.ga4gh.refget.v{}+json"


class RefgetDialect:
    """refget 2.0.0, which takes the names of earlier versions too."""

    media_types = (_TYPE.format("2.0.0"), "application/json", _TYPE.format("1.0.1"), _TYPE.format("1.0.0"))
    exposed_headers = ()

    def error_payload(self, status: int, message: str) -> Any:
        """Return the JSON of an error."""
        return {"message": message}

    def body(self, request: Request, media_type: str, payload: Any, title: str) -> str:
        """Return a payload as JSON."""
        return json.dumps(payload)

    def headers(self, media_type: str) -> Mapping[str, str]:
        """Return the headers of a reply in one of the media types."""
        return {"Content-Type": media_type if media_type == "application/json" else f"{media_type}; charset=us-ascii"}
