"""Headers that many replies have, checked and written once for all of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from uvicorn.protocols.http.httptools_impl import HEADER_RE, HEADER_VALUE_RE

Pair = tuple[bytes, bytes]


class WrittenHeaders(tuple[Pair, ...]):
    """Headers of a reply, and the lines that a connection sends for them as they are.

    It cannot be changed: a layer that adds a header makes a list, which is checked and written like any other.

    Attributes
    ----------
    lines
        The lines of all headers, each with its end.
    """

    lines: bytes

    @classmethod
    def of(cls, pairs: Iterable[Pair]) -> Self:
        """Return headers that were checked.

        Raises
        ------
        ValueError
            If a header has letters that none may have.
        """
        headers = cls(pairs)
        if any(HEADER_RE.search(name) or HEADER_VALUE_RE.search(value) for name, value in headers):
            raise ValueError("a header has letters that none may have")
        headers.lines = b"".join(b"%b: %b\r\n" % pair for pair in headers)
        return headers

    def with_length(self, length: int, more: Pair | None = None) -> Self:
        """Return these headers with that of the length of a body, and one more that needs no check."""
        value = b"%d" % length
        added = self.__class__((*self, (b"content-length", value), *((more,) if more else ())))
        added.lines = b"%bcontent-length: %b\r\n%b" % (self.lines, value, b"%b: %b\r\n" % more if more else b"")
        return added
