"""Texts of a field of many values, joined, so that one look goes through a thousand of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import AnyStr

# No byte of UTF-8 is this one.
_BETWEEN = b"\xff"
# With so many found among a thousand, it is faster to look at each text.
_MANY = 20
Finder = Callable[[bytes], list[int]]
"""Returns the numbers of the texts wanted among joined ones."""


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
    return lambda joined: [
        number for number, text in enumerate(joined.split(_BETWEEN)) if text and holds(text.decode())
    ]


def _with(part: bytes, holds: Callable[[bytes], bool] | None, joined: bytes) -> list[int]:
    # A single letter is looked for ten times as fast, and ends where it is found.
    if any(letter not in joined for letter in part):
        return []
    found: list[int] = []
    number = start = looked = 0
    while looked < _MANY and (at := joined.find(part, start)) >= 0:
        number += joined.count(_BETWEEN, start, at)
        start = joined.rfind(_BETWEEN, 0, at) + 1
        end = joined.find(_BETWEEN, at)
        end = len(joined) if end < 0 else end
        if holds is None or holds(joined[start:end]):
            found.append(number)
        number, start, looked = number + 1, end + 1, looked + 1
    if looked == _MANY:
        rest = enumerate(joined[start:].split(_BETWEEN), number)
        found += [number for number, text in rest if part in text and (holds is None or holds(text))]
    return found


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
