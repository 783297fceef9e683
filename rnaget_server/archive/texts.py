"""Texts of a field of many values, joined, so that one look goes through a thousand of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import AnyStr

import numpy as np
from numpy.typing import NDArray

# No byte of UTF-8 is this one.
_BETWEEN = b"\xff"
# So many letters are compared by arrays; few places are left then.
_FIRST = 6
Numbers = NDArray[np.intp]
_NONE = np.empty(0, np.intp)
Finder = Callable[[bytes], Numbers]
"""Returns the numbers of the texts wanted among joined ones, some of them more than once."""


def join_texts(texts: Iterable[str | None]) -> bytes:
    """Return texts joined; None and no text are the same."""
    return _BETWEEN.join([(text or "").encode() for text in texts])


def those_like(parts: Sequence[str]) -> Finder:
    """Return what finds texts that have parts in their order.

    Parameters
    ----------
    parts
        What asterisks separate: the first is how a text begins, the last how it ends. One of them has letters.
    """
    wanted = [part.encode() for part in parts]
    longest = max(wanted, key=len)
    is_inside = wanted == [b"", longest, b""]
    return partial(_with, longest, None if is_inside else lambda text: is_like(text, wanted))


def those_with(part: str, holds: Callable[[str], bool]) -> Finder:
    """Return what finds texts for which a condition holds, which all have a part."""
    return partial(_with, part.encode(), lambda text: holds(text.decode()))


def those_that(holds: Callable[[str], bool]) -> Finder:
    """Return what finds texts for which a condition holds."""

    def find(joined: bytes) -> Numbers:
        texts = joined.split(_BETWEEN)
        return np.flatnonzero([bool(text) and holds(text.decode()) for text in texts])

    return find


def _with(part: bytes, holds: Callable[[bytes], bool] | None, joined: bytes) -> Numbers:
    # A single letter is looked for ten times as fast, and ends where it is found.
    if any(letter not in joined for letter in part) or part not in joined:
        return _NONE
    letters = np.frombuffer(joined, np.uint8)
    size = len(letters) - len(part) + 1
    begins = letters[:size] == part[0]
    for place in range(1, min(len(part), _FIRST)):
        begins &= letters[place : place + size] == part[place]
    at = np.flatnonzero(begins)
    if len(part) > _FIRST:
        at = at[[joined.startswith(part, place) for place in at.tolist()]]
    ends = np.flatnonzero(letters == _BETWEEN[0])
    numbers = np.searchsorted(ends, at)
    if holds is None:
        return numbers
    numbers = np.unique(numbers)
    bounds = np.concatenate(([-1], ends, [len(joined)]))
    pairs = zip((bounds[numbers] + 1).tolist(), bounds[numbers + 1].tolist(), strict=True)
    return numbers[[holds(joined[start:end]) for start, end in pairs]]


def is_like(text: AnyStr, parts: Sequence[AnyStr]) -> bool:
    """Return whether a text begins with the first part, ends with the last, and has the others in between in order.

    It takes a time that grows with the text alone, unlike a regular expression.
    """
    if len(parts) == 1:
        return text == parts[0]
    first, last = parts[0], parts[-1]
    at, end = len(first), len(text) - len(last)
    if at > end or not (text.startswith(first) and text.endswith(last)):
        return False
    for part in parts[1:-1]:
        at = text.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True
