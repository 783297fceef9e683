"""Requests with a token that only the server it is for sees."""

from __future__ import annotations

from collections.abc import Mapping
from http.client import HTTPResponse
from urllib.parse import urlsplit

from rnaget.blocks import shown_url
from rnaget.connections import Connections
from rnaget.errors import ClientError
from rnaget.transport import http_opener, open_url

_PORTS = {"http": 80, "https": 443}


def origin(url: str) -> tuple[str, str, int | None]:
    """Return scheme, host and port of an address."""
    try:
        parts = urlsplit(url)
        return parts.scheme.lower(), (parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme.lower())
    except ValueError as error:
        raise ClientError(f"{shown_url(url)} is no address of a web server: {error}") from None


class Session:
    """Connections to any servers; the token and headers of the caller go to the server of `address` alone."""

    def __init__(
        self,
        address: str,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 120.0,
    ) -> None:
        self._address, self._origin = shown_url(address).rstrip("/"), origin(address)
        self._own = {str(name): str(value) for name, value in (headers or {}).items()}
        if token:
            token = token.strip()
            if not token.isprintable() or not token.isascii() or " " in token:
                raise ClientError("the token has characters that no token has: was it copied whole?")
            self._own = {name: value for name, value in self._own.items() if name.lower() != "authorization"}
            self._own["Authorization"] = f"Bearer {token}"
        self.timeout = timeout
        self.connections = Connections()
        self._opener = http_opener(self.connections)

    def close(self) -> None:
        """Close the connections."""
        self.connections.close()

    @property
    def secret(self) -> str:
        """The headers of the caller, to tell apart what different callers may see; never to be shown."""
        return repr(sorted(self._own.items()))

    def open(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        place: str | None = None,
        body: bytes | None = None,
        expected: tuple[int, ...] = (200,),
    ) -> HTTPResponse:
        """Return the reply of an address; see `open_url`."""
        if urlsplit(url).username is not None:
            raise ClientError(f"{origin(url)[1]}: an address cannot have a user or a password; give a token")
        sent = {"Accept": "*/*", **(headers or {})}
        if origin(url) == self._origin:
            given = {name.lower() for name in headers or {}}
            sent.update({name: value for name, value in self._own.items() if name.lower() not in given})
        if body is not None:
            sent["Content-Type"] = "application/json"
        return open_url(
            url, sent, self.timeout, place or self._place(url), body=body, expected=expected, opener=self._opener
        )

    def _place(self, url: str) -> str:
        """Return how messages call an address: as the server that the caller named, if it is of that."""
        return self._address if url.startswith(f"{self._address}/") else shown_url(url)
