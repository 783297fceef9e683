"""Texts that two of several columns have, found in a memory that does not grow with their number."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.text import decode

Texts = NDArray[np.bytes_]

# So many numbers are compared at once, of 8 bytes each.
_AT_ONCE = 1 << 23
_WORD = 8
_MIXER = 0x9E3779B97F4A7C15
_ALL = (1 << 64) - 1
_HALF = np.uint64(32)


def first_repeated(sizes: Sequence[int] | NDArray[np.int64], texts: Callable[[int], Texts]) -> str | None:
    """Return a text that two columns have; None if there is none.

    A number is made of each text. If they are many, only those of one remainder are compared at a time, and the columns
    are read again for each.

    Parameters
    ----------
    sizes
        How many texts each column has.
    texts
        Returns a column, in any order, which holds no text twice.
    """
    rounds = -(-int(np.sum(sizes)) // _AT_ONCE)
    for remainder in range(rounds):
        numbers = [_numbers(texts(column), remainder, rounds) for column, size in enumerate(sizes) if size]
        compared = np.sort(np.concatenate(numbers))
        same = np.unique(compared[1:][compared[1:] == compared[:-1]])
        del numbers, compared
        if same.size and (found := _same_text(len(sizes), texts, same)) is not None:
            return found
    return None


def _same_text(columns: int, texts: Callable[[int], Texts], same: NDArray[np.uint64]) -> str | None:
    """Return a text of one of these numbers that two columns have: different texts may have the same number."""
    first: dict[bytes, int] = {}
    for column in range(columns):
        for text in _of_numbers(texts(column), same):
            if first.setdefault(text, column) != column:
                return str(decode(np.array([text]))[0])
    return None


def _of_numbers(texts: Texts, wanted: NDArray[np.uint64]) -> Iterator[bytes]:
    yield from texts[np.isin(_hashed(texts), wanted)].tolist()


def _numbers(texts: Texts, remainder: int, rounds: int) -> NDArray[np.uint64]:
    numbers = _hashed(texts)
    return numbers if rounds == 1 else numbers[numbers % np.uint64(rounds) == remainder]


def _hashed(texts: Texts) -> NDArray[np.uint64]:
    """Return a number of each text, the same in columns of any width."""
    words = -(-texts.dtype.itemsize // _WORD)
    numbers = np.zeros(len(texts), np.uint64)
    factor = 1
    for word in texts.astype(f"S{words * _WORD}").view(np.uint64).reshape(-1, words).T:
        factor = factor * _MIXER & _ALL
        numbers += word * np.uint64(factor)
    numbers ^= numbers >> _HALF
    return numbers * np.uint64(_MIXER)
