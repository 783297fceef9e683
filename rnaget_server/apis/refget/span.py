"""The part of a sequence that a request is for: ``start`` and ``end``, or a Range header."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rnaget_server.errors import InvalidQuery, RangeBeyondEnd, ReversedRange, shown
from rnaget_server.query import Parameters

_RANGE = re.compile(r"bytes\s*=\s*([0-9]{1,1000})-([0-9]{1,1000})?", re.ASCII | re.IGNORECASE)
_MOST = 2**32 - 1


@dataclass(frozen=True)
class Span:
    """Letters of a sequence, 0-based and half-open; start > stop means over its end to its beginning.

    Attributes
    ----------
    content_range
        The header of a part that was asked for by Range.
    """

    start: int
    stop: int
    size: int
    content_range: str | None = None


def span_of(parameters: Parameters, range_header: str | None, length: int, circular: bool | None) -> Span:
    """Return the part of a sequence that is asked for: all of it, if nothing is said.

    `circular` is None if no part may go over an end.

    Raises
    ------
    InvalidQuery
        If both ways are used at once, or one is malformed.
    RangeBeyondEnd
        If the part is not within the sequence, or goes over the end of a linear one.
    ReversedRange
        If it would go over an end, and none may.
    """
    given = [name for name in ("start", "end") if name in parameters.names]
    if given and range_header is not None:
        raise InvalidQuery("give either start and end, or the header Range: not both")
    if range_header is not None:
        return _by_header(range_header, length)
    start, end = (_number(parameters, name) for name in ("start", "end"))
    first, stop = start or 0, length if end is None else end
    if not given:
        return Span(0, length, length)
    if first >= length or stop > length:
        raise RangeBeyondEnd(
            f"start must be below {length:,}, and end at most that: the length of the sequence", length
        )
    if first > stop and circular is None:
        raise ReversedRange("start is above end: this server sends no parts that go over the end of a sequence")
    if first > stop and not circular:
        raise RangeBeyondEnd("start is above end, and the sequence is not circular: swap them", length)
    return Span(first, stop, stop - first if first <= stop else length - first + stop)


def _by_header(header: str, length: int) -> Span:
    found = _RANGE.fullmatch(header.strip())
    if found is None:
        raise InvalidQuery(f"Range must be one part such as bytes=0-99, not {shown(header)}")
    first = int(found[1])
    last = length - 1 if found[2] is None else int(found[2])
    if first > last or first >= length:
        raise RangeBeyondEnd(f"the Range must begin below {length:,}, the length of the sequence", length)
    stop = min(last + 1, length)
    return Span(first, stop, stop - first, f"bytes {first}-{stop - 1}/{length}")


def _number(parameters: Parameters, name: str) -> int | None:
    """Return an unsigned number of 32 bits, None if it is not given."""
    return parameters.whole_number(name, 0, _MOST)
