"""The wire details of RNAget: media types, the form of errors, and headers of its own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

from starlette.requests import Request

from rnaget_server.http.request import ROOT_KEY, house_of, visitor_of
from rnaget_server.model.slice import ResolvedSlice
from rnaget_server.web import PAGE_HEADERS, json_page

_NEWEST = "application/vnd.ga4gh.rnaget.v1.2.0+json"
HTML = "text/html"
"""The media type of pages."""
_MAX_HEADER_BYTES = 4000
_MISSING, _OMITTED, _UNGROUPED = "RNAget-Missing", "RNAget-Omitted", "RNAget-Ungrouped"
_COLLECTION, _MIXED = "RNAget-Collection", "RNAget-Mixed-Collections"


class RnagetDialect:
    """RNAget 1.2.0, "Requests" and "Errors"; JSON is ASCII.

    Parameters
    ----------
    public_url
        The address that clients see, if it is not the one they ask; for the commands on pages.
    """

    media_types = (
        _NEWEST,
        "application/json",
        "application/vnd.ga4gh.rnaget.v1.1.0+json",
        "application/vnd.ga4gh.rnaget.v1.0.0+json",
        HTML,
    )
    exposed_headers = (_MISSING, _OMITTED, _UNGROUPED, _COLLECTION, _MIXED)

    def __init__(self, public_url: str = "") -> None:
        address = urlsplit(public_url)
        self._address = f"{address.scheme}://{address.netloc}" if public_url else ""

    def error_payload(self, status: int, message: str, error: Exception | None = None) -> Any:
        """Return the JSON of an error."""
        return {"message": message}

    def body(self, request: Request, media_type: str, payload: Any, title: str) -> str:
        """Return a payload as JSON, or as a page."""
        if media_type != HTML:
            return json.dumps(payload)
        url = request.url
        path = f"{url.path}?{url.query}" if url.query else url.path
        root = request.scope.get(ROOT_KEY, "")
        address = self._address or f"{url.scheme}://{url.netloc}"
        house, visitor = house_of(request), visitor_of(request.scope)
        return json_page(payload, title, path, address=address, root=root, house=house, visitor=visitor)

    def headers(self, media_type: str) -> Mapping[str, str]:
        """Return the headers of a reply in one of the media types."""
        if media_type == HTML:
            return {**PAGE_HEADERS, "Content-Type": f"{HTML}; charset=utf-8"}
        return {"Content-Type": f"{media_type}; charset=us-ascii" if media_type == _NEWEST else media_type}


def id_headers(missing: Iterable[str], omitted: Iterable[str], ungrouped: int = 0) -> dict[str, str]:
    """Return the headers that name ids not found and records left out, and count the samples without a group."""
    values = {_MISSING: tuple(missing), _OMITTED: tuple(omitted), _UNGROUPED: (str(ungrouped),) if ungrouped else ()}
    return {name: listed(ids) for name, ids in values.items() if ids}


def slice_headers(resolved: ResolvedSlice) -> dict[str, str]:
    """Return the headers of `id_headers` for a slice, and those that name the sequence collections of its genomes."""
    headers = {}
    if resolved.missing or resolved.omitted or resolved.ungrouped:
        headers = id_headers(resolved.missing, resolved.omitted, resolved.ungrouped)
    if not resolved.references:
        return headers
    if resolved.collection is not None:
        headers[_COLLECTION] = resolved.collection
    labels = list(map(str, resolved.references))
    if len(set(labels)) > 1:
        pairs = zip(resolved.sources, labels, strict=True)
        headers[_MIXED] = listed([f"{source.id}={label}" for source, label in pairs])
    return headers


def listed(values: Sequence[str]) -> str:
    """Return ids fit for a header: percent-encoded where needed, joined by commas, with a count when cut."""
    encoded: list[str] = []
    size = 0
    for number, value in enumerate(values):
        text = quote(value, safe=" !#$&'()*+-./:;<=>?@[]^_`{|}~")
        size += len(text) + 1
        if size > _MAX_HEADER_BYTES:
            return ",".join([*encoded, f"... and {len(values) - number} more"])
        encoded.append(text)
    return ",".join(encoded)
