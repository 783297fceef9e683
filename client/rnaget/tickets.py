"""Tickets: where a file is, and what proves that it arrived as it was meant."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Self
from urllib.parse import urljoin, urlsplit

from rnaget.errors import ClientError


class Ticket(NamedTuple):
    """The address of a file, the headers to send with the request, and what is known of the file."""

    url: str
    headers: Mapping[str, str]
    file_type: str | None = None
    md5: str | None = None
    size: int | None = None

    @classmethod
    def parse(cls, payload: Any, place: str) -> Self:
        """Return the ticket in the JSON reply of `place`.

        Raises
        ------
        ClientError
            If it is none, or leads elsewhere than to a web server.
        """
        url = payload.get("url") if isinstance(payload, dict) else None
        if not isinstance(url, str) or not url.strip():
            raise ClientError(f"{place} is no ticket: it has no url")
        url = linked(place, url)
        headers, size = payload.get("headers") or {}, payload.get("size")
        if not isinstance(headers, dict):
            raise ClientError(f"{place} is no ticket: its headers are no object")
        return cls(
            url,
            {str(name): str(value) for name, value in headers.items()},
            _text(payload.get("fileType")),
            _text(payload.get("md5") or payload.get("MD5")),
            size if isinstance(size, int) and not isinstance(size, bool) else None,
        )

    def verified(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Yield `pieces`; raise ClientError at their end if they are not the file that the ticket means."""
        digest, received = hashlib.md5(usedforsecurity=False), 0
        for piece in pieces:
            received += len(piece)
            digest.update(piece)
            yield piece
        if self.size is not None and received != self.size:
            raise ClientError(f"the file has {received:,} bytes, but {self.size:,} by its ticket: try again")
        if self.md5 is not None and digest.hexdigest() != self.md5.lower():
            raise ClientError(f"the file has the md5 {digest.hexdigest()}, but {self.md5} by its ticket: try again")


def linked(place: str, url: str) -> str:
    """Return the address that a ticket of `place` leads to; raise ClientError if it is none of the web."""
    try:
        found = urljoin(place, url.strip())
        if urlsplit(found).scheme in ("http", "https"):
            return found
    except ValueError:  # of an address that cannot be one
        pass
    raise ClientError(f"the ticket leads to {url.partition('?')[0]}, which is no address of a web server")


def _text(value: Any) -> str | None:
    return value.strip() or None if isinstance(value, str) else None
