"""The wire details of a standard: its media types, and the form of its errors."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from starlette.requests import Request

from rnaget_server.http.accept import preferred
from rnaget_server.http.request import ROOT_KEY, house_of, list_header, visitor_of
from rnaget_server.web import PAGE_HEADERS, error_page, json_page

HTML = "text/html"
"""The media type of pages."""


def wants_page(request: Request, media_types: Sequence[str]) -> bool:
    """Return whether a browser asks, which would rather have a page than one of the media types of a standard."""
    offers = (*media_types, HTML)
    return request.method in ("GET", "HEAD") and preferred(list_header(request, "accept"), offers) == HTML


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


class BrowsedDialect(JsonDialect):
    """Plain JSON, shown as a page to a browser.

    Parameters
    ----------
    public_url
        The address that clients see, if it is not the one they ask; for the commands on pages.
    """

    media_types: tuple[str, ...] = ("application/json", HTML)

    def __init__(self, public_url: str = "") -> None:
        address = urlsplit(public_url)
        self._address = f"{address.scheme}://{address.netloc}" if public_url else ""

    def body(self, request: Request, media_type: str, payload: Any, title: str) -> str:
        """Return a payload as JSON, or as a page."""
        if media_type != HTML:
            return super().body(request, media_type, payload, title)
        url = request.url
        path = f"{url.path}?{url.query}" if url.query else url.path
        root = request.scope.get(ROOT_KEY, "")
        address = self._address or f"{url.scheme}://{url.netloc}"
        house, visitor = house_of(request), visitor_of(request.scope)
        return json_page(payload, title, path, address=address, root=root, house=house, visitor=visitor)

    def headers(self, media_type: str) -> Mapping[str, str]:
        """Return the headers of a reply in one of the media types, without Vary."""
        if media_type == HTML:
            return {**PAGE_HEADERS, "Content-Type": f"{HTML}; charset=utf-8"}
        return super().headers(media_type)


@dataclass(frozen=True)
class _Error:
    status: int
    message: str


class PagesDialect(BrowsedDialect):
    """The speech of the pages: errors are pages of their own, or JSON for a client that does not ask for HTML."""

    def error_payload(self, status: int, message: str, error: Exception | None = None) -> Any:
        """Return what a page says of an error; the JSON has the message of it."""
        return _Error(status, message)

    def body(self, request: Request, media_type: str, payload: Any, title: str) -> str:
        """Return a payload as JSON, or as a page, which an error has of its own."""
        if not isinstance(payload, _Error):
            return super().body(request, media_type, payload, title)
        if media_type != HTML:
            return super().body(request, media_type, {"message": payload.message}, title)
        root = request.scope.get(ROOT_KEY, "")
        house, visitor = house_of(request), visitor_of(request.scope)
        return error_page(payload.status, payload.message, root=root, house=house, visitor=visitor)
