"""The wire details of genomes: plain JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request


class GenomesDialect:
    """Genomes and genes."""

    media_types = ("application/json",)
    exposed_headers = ()

    def error_payload(self, status: int, message: str) -> Any:
        """Return the JSON of an error."""
        return {"message": message}

    def body(self, request: Request, media_type: str, payload: Any, title: str) -> str:
        """Return a payload as JSON."""
        return json.dumps(payload)

    def headers(self, media_type: str) -> Mapping[str, str]:
        """Return the headers of a reply."""
        return {"Content-Type": media_type}
