"""The wire details of refget: media types of both versions."""

from __future__ import annotations

from collections.abc import Mapping

from rnaget_server.http.dialect import JsonDialect

_TYPE = "application/vnd.ga4gh.refget.v{}+json"


class RefgetDialect(JsonDialect):
    """refget 2.0.0, which takes the names of earlier versions too."""

    media_types = (_TYPE.format("2.0.0"), "application/json", _TYPE.format("1.0.1"), _TYPE.format("1.0.0"))

    def headers(self, media_type: str) -> Mapping[str, str]:
        """Return the headers of a reply in one of the media types."""
        return {"Content-Type": media_type if media_type == "application/json" else f"{media_type}; charset=us-ascii"}
