"""The part of a reply that a client asks for (RFC 9110, 14)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from starlette.requests import Request

from rnaget_server.errors import RangeBeyondEnd

_UNIT = "bytes"
_SPEC = re.compile(r"([0-9]{0,1000})-([0-9]{0,1000})", re.ASCII)


@dataclass(frozen=True)
class ByteRange:
    """Bytes of a reply: 0-based, half-open."""

    start: int
    stop: int

    def content_range(self, length: int) -> str:
        """Return the value of the header Content-Range."""
        return f"{_UNIT} {self.start}-{self.stop - 1}/{length}"


def has_usable_range(request: Request, tag: str | None) -> bool:
    """Return whether the request is for one part of the bytes that have that strong entity tag."""
    headers, expected = request.headers.getlist("range"), request.headers.getlist("if-range")
    if len(headers) != 1 or tag is None or request.method != "GET" or _limits(headers[0]) is None:
        return False
    # What the client has a part of may be something else by now; a date is never that exact.
    return [text.strip() for text in expected] in ([], [tag])


def parse_range(header: str, length: int) -> ByteRange | None:
    """Return the part that a Range header names of `length` bytes, None where all are to be sent.

    That is so where the header is malformed, in other units, or names several parts.

    Raises
    ------
    RangeBeyondEnd
        If the part starts beyond the last byte.
    """
    limits = _limits(header)
    if limits is None:
        return None
    first, last = limits
    if first is None:
        size = min(last or 0, length)
        part = ByteRange(length - size, length)
    else:
        part = ByteRange(first, length if last is None else min(last + 1, length))
    if part.start >= length or part.start >= part.stop:
        raise RangeBeyondEnd(f"the range asked for lies beyond the end: there are {length:,} bytes", length)
    return part


def _limits(header: str) -> tuple[int | None, int | None] | None:
    """Return first and last byte of the one range in a header; without a first, how many of the last bytes."""
    unit, equals, ranges = header.partition("=")
    named = [range_.strip(" \t") for range_ in ranges.split(",")]
    named = [range_ for range_ in named if range_]
    if unit.strip().lower() != _UNIT or not equals or len(named) != 1:
        return None
    found = _SPEC.fullmatch(named[0])
    if found is None:
        return None
    first, last = (int(text) if text else None for text in found.groups())
    if (first is None and last is None) or (first is not None and last is not None and last < first):
        return None
    return first, last
