"""Decimal numbers by arithmetic on words of eight letters, for a block at once and without the interpreter's lock.

A cell of up to eight letters is one word of the text; another with a point is two, one before the point and one behind
it. Digits become a whole number of at most 15 digits, which float64 holds, and a division by a power of ten that it
holds, too, is rounded once: the result is the float64 nearest to the text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Words: TypeAlias = NDArray[np.uint64]

_WORD = 8
_MOST_DIGITS = 15
# Cells of other forms are read one by one; of more than this share of them, the block is left to others.
_FEW = 1 / 64
_AT_ONCE = 32 << 10
_ZEROS, _POINTS = (np.uint64(int.from_bytes(letter * _WORD)) for letter in (b"0", b"."))
_ONES, _TOP_BITS = (np.uint64(int.from_bytes(bytes([bits]) * _WORD)) for bits in (0x01, 0x80))
# The last bytes of a word, by their number.
_LAST = np.array([(1 << 64) - (1 << 8 * (_WORD - count)) for count in range(_WORD + 1)], np.uint64)
_POWERS = 10.0 ** np.arange(_WORD + 1)
# Pairs of digits to two digits, those to four, those to eight: a factor, then how far the result is shifted down.
_JOINED = tuple(
    (np.uint64(factor), np.uint64(shift), np.uint64(mask))
    for factor, shift, mask in (
        (1 + (10 << 8), 8, 0x00FF00FF00FF00FF),
        (1 + (100 << 16), 16, 0x0000FFFF0000FFFF),
        (1 + (10_000 << 32), 32, 0x00000000FFFFFFFF),
    )
)


def numbers_of(text: bytes, separator: int, width: int, other: Callable[[bytes], float]) -> NDArray[np.float64] | None:
    """Return the numbers in lines of cells; None if the lines have not so many cells, or too many are of other forms.

    Parameters
    ----------
    text
        The lines, of ASCII, with line ends between them.
    separator
        Of the cells of a line.
    width
        Cells of a line.
    other
        Returns the number in a cell that is more than digits and a point.
    """
    buffer = b"0" * 2 * _WORD + text + b"\n"
    letters = np.frombuffer(buffer, np.uint8)
    at_end = (letters == separator) | (letters == ord("\n"))
    ends = np.flatnonzero(at_end)
    if len(ends) % width or len(ends) != width * np.count_nonzero(letters[ends[width - 1 :: width]] == ord("\n")):
        return None
    if np.count_nonzero(letters == ord("\n")) != len(ends) // width:
        return None
    # Letters that are no digits, points or ends: those with other high bits, `/`, and `:` and the five that follow it.
    strange = ~at_end & (((letters - np.uint8(ord("0"))) > 9) & (letters != ord(".")))
    lengths = np.diff(ends, prepend=2 * _WORD - 1) - 1
    numbers = np.empty(len(ends), np.float64)
    is_other = np.zeros(len(ends), bool)
    is_other[np.searchsorted(ends, np.flatnonzero(strange))] = True
    words: Words = np.ndarray((len(buffer) - _WORD + 1,), "<u8", buffer, strides=(1,))
    for start in range(0, len(ends), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        numbers[part] = _short(words, ends[part], lengths[part], is_other[part])
    _read_long(words, numbers, ends, lengths, is_other)
    others = np.flatnonzero(is_other)
    if len(others) > _FEW * len(ends):
        return None
    for cell in others.tolist():
        numbers[cell] = other(buffer[ends[cell] - lengths[cell] : ends[cell]])
    return numbers


def _short(words: Words, ends: NDArray[Any], lengths: NDArray[Any], is_other: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the numbers in cells of one word; mark those that are none."""
    kept = _LAST[np.minimum(lengths, _WORD)]
    word = words[ends - _WORD]
    points = _points(word, kept)
    above, below = ~(points | (points - np.uint64(1))), (points >> np.uint64(7)) - np.uint64(1)
    has_point = points != 0
    is_other |= ((points & (points - np.uint64(1))) != 0) | (lengths - has_point < 1)
    word ^= _ZEROS
    word &= kept
    digits = ((word & below) << (has_point * np.uint64(8))) | (word & above)
    numbers: NDArray[np.float64] = _whole(digits) / _POWERS[np.bitwise_count(above) >> 3]
    return numbers


def _read_long(
    words: Words, numbers: NDArray[Any], ends: NDArray[Any], lengths: NDArray[Any], is_other: NDArray[np.bool_]
) -> None:
    """Read cells of more than one word with a point in them; mark those that have none, or too many digits."""
    cells = np.flatnonzero((lengths > _WORD) & ~is_other)
    if not len(cells):
        return
    stops = ends[cells]
    word = words[stops - _WORD]
    points = _points(word, _LAST[_WORD])
    has_point = points != 0
    # Without a point in the last word, one must be in front of it.
    decimals = np.where(has_point, np.bitwise_count(~(points | (points - np.uint64(1)))) >> 3, _WORD).astype(np.int64)
    before = lengths[cells] - decimals - 1
    front = words[stops - decimals - 1 - _WORD]
    kept = _LAST[np.clip(before, 0, _WORD)]
    wrong = (before < 0) | (before > _WORD) | (before + decimals > _MOST_DIGITS)
    wrong |= ((points & (points - np.uint64(1))) != 0) | (_points(front, kept) != 0)
    wrong |= ~has_point & (words[stops - _WORD - 1] & np.uint64(0xFF) != ord("."))
    is_other[cells[wrong]] = True
    power = _POWERS[decimals]
    whole = _whole((front ^ _ZEROS) & kept) * power + _whole((word ^ _ZEROS) & _LAST[decimals])
    numbers[cells] = whole / power


def _points(words: Words, kept: Words) -> Words:
    """Return words with the top bit of each byte that is a point, of the bytes that are kept."""
    found = words ^ _POINTS
    points: Words = (found - _ONES) & ~found & _TOP_BITS & kept
    return points


def _whole(digits: Words) -> NDArray[np.float64]:
    """Return the whole numbers of eight digits, from bytes that hold one each, the first in the lowest."""
    for factor, shift, mask in _JOINED:
        digits = digits * factor
        digits >>= shift
        digits &= mask
    return digits.astype(np.float64)
