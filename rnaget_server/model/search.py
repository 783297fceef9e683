"""The look-up of very many values in the sorted values of one attribute: a binary search for each, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.text import encode

Places = NDArray[np.int64]
Texts = NDArray[np.bytes_]

_ENSEMBL_START = np.array(b"ENS")
_ENSEMBL_DIGITS = 11
_SHORTEST = 3 + _ENSEMBL_DIGITS
# Ends the id of the second copy of a pseudoautosomal gene.
_COPY = b"_PAR_Y"
# No Ensembl id is longer, with its version and the end of a copy.
_LONGEST = 64
_A, _ZERO, _STOP, _AFTER_STOP = b"A0./"
_WORD = np.dtype(">u8")
# Fewer are taken one by one, and looked for in any order.
_FEW = 64
_LINE_END = "\n"


def locate(ordered: Texts, values: Sequence[str]) -> tuple[Places, Places]:
    """Return the places of a sorted column that hold any of `values`, and for each which of the values it holds.

    An Ensembl id that nothing holds finds itself with a version (``ENSG00000011600`` as ``ENSG00000011600.7``).
    """
    keys, numbers = keys_of(values, ordered.dtype.itemsize)
    left, right = _between(ordered, keys, keys, "right")
    places, owners = _spread(left, right)
    # What does not fit is longer than any id with a version.
    absent = np.flatnonzero((right == left) & (keys.astype(_ENSEMBL_START.dtype) == _ENSEMBL_START))
    if absent.size:
        versions, of = _versions_of(ordered, keys[absent])
        places, owners = np.concatenate([places, versions]), np.concatenate([owners, absent[of]])
    return places, numbers[owners]


def keys_of(texts: Sequence[str], width: int) -> tuple[Texts, NDArray[np.int64]]:
    """Return texts as a column of that width to compare with another, and which of them fit in it and are not empty."""
    data = _LINE_END.join(texts)
    values: Sequence[str | bytes] = texts
    if not data.isascii() or "&" in data:
        values = [encode(text) for text in texts]
    elif len(texts) > _FEW and data.count(_LINE_END) == len(texts) - 1:
        return _split(np.frombuffer(data.encode("ascii"), np.uint8), width)
    lengths = np.fromiter(map(len, values), np.int64, len(values))
    # numpy would cut what is longer, and find what only begins the same.
    numbers = np.flatnonzero((lengths > 0) & (lengths <= width))
    fitting = values if len(numbers) == len(values) else [values[number] for number in numbers.tolist()]
    return np.array(fitting, np.dtype(f"S{width}")), numbers


def _split(letters: NDArray[np.uint8], width: int) -> tuple[Texts, NDArray[np.int64]]:
    """Return what `keys_of` does of lines, a quarter of the time in which numpy takes texts one by one."""
    is_end = letters == ord(_LINE_END)
    ends = np.append(np.flatnonzero(is_end), len(letters))
    lengths = np.diff(ends, prepend=-1) - 1
    fits = (lengths > 0) & (lengths <= width)
    numbers = np.flatnonzero(fits)
    columns = np.zeros((len(numbers), width), np.uint8)
    columns[np.arange(width) < lengths[numbers, None]] = letters[np.repeat(fits, lengths + 1)[:-1] & ~is_end]
    return columns.view(f"S{width}")[:, 0], numbers


def _versions_of(ordered: Texts, keys: Texts) -> tuple[Places, Places]:
    """Return the places of those keys that are Ensembl ids with any version, and for each which key it has."""
    letters = _letters_of(keys)
    columns = np.arange(letters.shape[1])
    copies = np.strings.endswith(keys, _COPY)
    ends = np.strings.str_len(keys) - len(_COPY) * copies
    # There must be room for a full stop and a digit.
    numbers = np.flatnonzero((ends <= min(_LONGEST, len(columns) - 2)) & (ends >= _SHORTEST))
    numbers = numbers[_are_stable_ids(letters[numbers, :_LONGEST], ends[numbers])]
    ends, copies = ends[numbers], copies[numbers]
    first = np.where(columns < ends[:, None], letters[numbers], np.uint8(0))
    last, rows = first.copy(), np.arange(len(numbers))
    # "/" is the sign after ".": what begins with the id and a full stop lies between the two.
    first[rows, ends], last[rows, ends] = _STOP, _AFTER_STOP
    left, right = _between(ordered, first.view(keys.dtype)[:, 0], last.view(keys.dtype)[:, 0], "left")
    places, owners = _spread(left, right)
    fits = _have_versions(ordered[places], ends[owners] + 1, copies[owners])
    return places[fits], numbers[owners[fits]]


def _are_stable_ids(letters: NDArray[np.uint8], ends: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which texts that begin with ``ENS`` are capital letters and eleven digits, up to where each ends."""
    columns, ends = np.arange(letters.shape[1]), ends[:, None]
    fits = np.where(columns < ends - _ENSEMBL_DIGITS, letters - _A < 26, _are_digits(letters))
    return np.asarray((fits | (columns >= ends)).all(axis=1))


def _have_versions(ids: Texts, begins: NDArray[np.int64], copies: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which ids have digits from where the version begins, then nothing, or the end of a copy if it is one."""
    lengths = np.strings.str_len(ids)
    ends = lengths - len(_COPY) * copies
    letters = _letters_of(ids)[:, :_LONGEST]
    columns = np.arange(letters.shape[1])
    digits = (_are_digits(letters) | (columns < begins[:, None]) | (columns >= ends[:, None])).all(axis=1)
    fits: NDArray[np.bool_] = digits & (ends > begins) & (lengths <= _LONGEST)
    fits[copies] &= np.strings.endswith(ids[copies], _COPY)
    return fits


def _are_digits(letters: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return letters - _ZERO < 10


def _between(ordered: Texts, first: Texts, last: Texts, side: Literal["left", "right"]) -> tuple[Places, Places]:
    """Return where each range from a first key to a last one begins and ends; `side` says if the last is part of it."""
    is_within = np.less_equal if side == "right" else np.less
    left = np.empty(len(first), np.int64)
    order = _nearly_sorted(first)
    left[order] = np.searchsorted(ordered, first[order])
    # Most ranges have one place or none, which a look at two shows.
    right = left.copy()
    filled = np.flatnonzero(left < len(ordered))
    filled = filled[is_within(ordered[left[filled]], last[filled])]
    right[filled] += 1
    longer = filled[right[filled] < len(ordered)]
    longer = longer[is_within(ordered[right[longer]], last[longer])]
    right[longer] = np.searchsorted(ordered, last[longer], side)
    return left, right


def _nearly_sorted(keys: Texts) -> NDArray[np.int64] | slice:
    """Return an order in which most keys are near the next one, which spares the processor's cache."""
    if len(keys) < _FEW:
        return slice(None)
    letters = _letters_of(keys)
    # The eight letters from the first one by which two are different.
    start = int((letters == letters[0]).all(axis=0).argmin())
    word = np.zeros((len(keys), _WORD.itemsize), np.uint8)
    part = letters[:, start : start + _WORD.itemsize]
    word[:, : part.shape[1]] = part
    return np.argsort(word.view(_WORD)[:, 0].astype(np.uint64))


def _spread(left: Places, right: Places) -> tuple[Places, NDArray[np.int64]]:
    """Return the places left[i], left[i] + 1, … right[i] - 1 of each range in turn, and the range of each place."""
    counts = right - left
    steps = np.arange(counts.sum()) - np.repeat(counts.cumsum() - counts, counts)
    return np.repeat(left, counts) + steps, np.repeat(np.arange(len(counts)), counts)


def _letters_of(column: Texts) -> NDArray[np.uint8]:
    """Return the bytes of a column of fixed width, a row for each text."""
    return np.ascontiguousarray(column).view(np.uint8).reshape(len(column), column.dtype.itemsize)
