"""The gunicorn worker: uvicorn's, with room for URLs that name ten thousand ids."""

from __future__ import annotations

from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn_worker import UvicornWorker

_LONGEST_URL = 4 << 20
_LONGEST_HEADERS = 64 << 10


class LongUrlProtocol(HttpToolsProtocol):
    """HTTP/1.1 whose query strings may be longer than 64 KiB.

    httptools splits a URL by 16-bit offsets and calls a longer one invalid, so that it gets the path alone.
    """

    def on_url(self, url: bytes) -> None:
        """Gather the URL; too long a one ends the connection with 400."""
        if len(self.url) + len(url) > _LONGEST_URL:
            raise ValueError("the URL is too long")
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Gather a header; too long ones end the connection with 400."""
        super().on_header(name, value)
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > _LONGEST_HEADERS:
            raise ValueError("the headers are too long")

    def on_message_begin(self) -> None:
        """Start to count anew."""
        super().on_message_begin()
        self._header_bytes = 0

    def on_headers_complete(self) -> None:
        """Start the request; its task runs only after this, and finds the query string in place."""
        self.url, _, query = self.url.partition(b"?")
        super().on_headers_complete()
        self.scope["query_string"] = query.partition(b"#")[0]


class Worker(UvicornWorker):  # type: ignore[misc]
    """What ``gunicorn.conf.py`` names."""

    CONFIG_KWARGS: ClassVar[dict[str, Any]] = {"loop": "auto", "http": LongUrlProtocol}
