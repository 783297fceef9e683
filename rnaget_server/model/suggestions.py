"""Values of an attribute that are like those that somebody asked for in vain, of axes of any size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.columns import Column, FixedText, as_texts
from rnaget_server.model.text import decode, encode
from rnaget_server.spelling import LONGEST_COMPARED, allowed_edits, closest, most_alike

FEW = 2_000
"""So many values or fewer are all looked at, and more freely; among more, many are similar by chance."""

MOST_NAMES = 3
"""Of the values asked for in vain, so many are looked for."""

_MOST_COMPARED = 1 << 20
_AT_ONCE = 8192
_READ_AT_ONCE = 1 << 16
_KEPT = 256
_MOST_EDITS = 3
_SHORTEST_START = 3
_ENSEMBL_START = b"ens"
_LOWER = np.frombuffer(bytes(range(256)).lower(), np.uint8)


@dataclass(frozen=True)
class Suggestions:
    """Values that may have been meant.

    Attributes
    ----------
    alike
        For each of the first few values that were asked for in vain, those that are like it.
    every
        All values, if they are few; else none.
    elsewhere
        For some of the values asked for, what they are values of, or like values of.
    """

    alike: Mapping[str, Sequence[str]] = field(default_factory=dict)
    every: Sequence[str] = ()
    elsewhere: Mapping[str, str] = field(default_factory=dict)


def suggest_among(values: Sequence[str], asked: Sequence[str], count: int) -> dict[str, list[str]]:
    """Return the most similar of a few values for each of the first of those asked for."""
    return {name: most_alike(name, values, count) for name in asked[:MOST_NAMES]}


def suggest_of_column(column: Column, size: int, asked: Sequence[str], count: int) -> dict[str, list[str]]:
    """Return the most similar of the values of a long column for each of the first of those asked for.

    It takes as long as to compare a million values: of a longer column the first million are looked at, and of a
    column of a million one name is looked for. Values that begin with a name come after those with a similar spelling.
    """
    most = max(1, min(MOST_NAMES, _MOST_COMPARED // size))
    names = [name for name in asked[:most] if 0 < len(name) <= LONGEST_COMPARED]
    if not names or column.is_number:
        return {}
    searches = [_Search(name, count) for name in names]
    for piece in _pieces(column, min(size, _MOST_COMPARED)):
        # All at once, since to take in the texts of a piece costs as much as to compare them.
        edits = piece.edits(names, max(search.most for search in searches))
        for search, row in zip(searches, edits, strict=True):
            search.look_at(piece, row)
    return {search.name: search.best() for search in searches}


class _Search:
    """A search for the values most similar to one name, piece by piece.

    Parameters
    ----------
    name
        The name.
    count
        How many values are looked for.
    """

    def __init__(self, name: str, count: int) -> None:
        self.name = name
        self._count = count
        # The more there are to choose from, the more similar one must be: some are similar by chance.
        self.most = min(allowed_edits(len(name)), _MOST_EDITS)
        self._spelt: dict[str, int] = {}
        self._begin: list[str] = []

    def look_at(self, piece: _Texts | _FixedTexts, edits: NDArray[np.uint8]) -> None:
        """Take note of the values of a piece that are more similar than those so far, given the edits to each."""
        places = np.flatnonzero(edits <= self.most)
        if places.size:
            pairs = zip(piece.take(places), edits[places].tolist(), strict=True)
            self._spelt.update((text, number) for text, number in pairs if text)
        if len(self._spelt) > self._count:
            self.most = sorted(self._spelt.values())[self._count - 1]
            near = {text: number for text, number in self._spelt.items() if number <= self.most}
            self._spelt = dict(sorted(near.items(), key=lambda item: item[1])[:_KEPT])
        if not self._spelt and len(self.name) >= _SHORTEST_START and len(self._begin) < self._count:
            self._begin += piece.beginning(self.name)[: self._count - len(self._begin)]

    def best(self) -> list[str]:
        """Return the most similar values, then those that begin with the name."""
        return list(dict.fromkeys([*closest(self.name, self._spelt.items()), *self._begin]))[: self._count]


def _edits(names: Sequence[Any], choices: Sequence[Any], most: int) -> NDArray[np.uint8]:
    """Return the number of edits between each name and each choice, `most` + 1 where there are more than `most`."""
    from rapidfuzz import process  # only then: see `most_alike`
    from rapidfuzz.distance import OSA

    edits: NDArray[np.uint8] = process.cdist(names, choices, scorer=OSA.distance, score_cutoff=most, dtype=np.uint8)
    return edits


class _Texts:
    """A piece of a column of any texts."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts
        self._lower = [text.lower() for text in texts]

    def edits(self, names: Sequence[str], most: int) -> NDArray[np.uint8]:
        """Return the number of edits between each name and each text, or a number above `most`."""
        return _edits([name.lower() for name in names], self._lower, most)

    def take(self, places: NDArray[np.int64]) -> Iterable[str]:
        """Return some of the texts."""
        return [self._texts[place] for place in places.tolist()]

    def beginning(self, name: str) -> Sequence[str]:
        """Return the texts that begin with a name."""
        key = name.lower()
        return [text for text, lower in zip(self._texts, self._lower, strict=True) if lower.startswith(key)]


class _FixedTexts:
    """A piece of a column of fixed-width bytes, compared without making texts of all of them."""

    def __init__(self, raw: NDArray[np.bytes_]) -> None:
        self._raw = raw
        self._letters = _LOWER[raw.view(np.uint8).reshape(len(raw), raw.dtype.itemsize)]

    def edits(self, names: Sequence[str], most: int) -> NDArray[np.uint8]:
        """Return the number of edits between each name and each text, or a number above `most`."""
        keys = [encode(name).lower() for name in names]
        # Ids are compared without the version, where none is asked for.
        plain = np.array([key.startswith(_ENSEMBL_START) and b"." not in key for key in keys])
        edits = np.empty((len(keys), len(self._raw)), np.uint8)
        for mask, letters in ((plain, _without_versions), (~plain, np.ascontiguousarray)):
            if mask.any():
                choices = letters(self._letters).view(self._raw.dtype)[:, 0].tolist()
                edits[mask] = _edits([keys[number] for number in np.flatnonzero(mask)], choices, most)
        return edits

    def take(self, places: NDArray[np.int64]) -> Iterable[str]:
        """Return some of the texts."""
        return decode(self._raw[places])

    def beginning(self, name: str) -> Sequence[str]:
        """Return the texts that begin with a name."""
        key = np.frombuffer(encode(name).lower(), np.uint8)
        if len(key) > self._letters.shape[1]:
            return []
        texts: list[str] = decode(self._raw[(self._letters[:, : len(key)] == key).all(axis=1)]).tolist()
        return texts


def _without_versions(letters: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return texts with all from the first full stop on taken away."""
    stops = letters == ord(".")
    # Where all have it in the same place, as most ids do, the rest goes at one stroke.
    first = int(stops.argmax(axis=1).max())
    if stops[:, first].all() and not stops[:, :first].any():
        return np.ascontiguousarray(np.pad(letters[:, :first], ((0, 0), (0, letters.shape[1] - first))))
    return np.where(np.logical_or.accumulate(stops, axis=1), np.uint8(0), letters)


def _pieces(column: Column, size: int) -> Iterator[_Texts | _FixedTexts]:
    if isinstance(column, FixedText):
        raw = np.ascontiguousarray(column.raw[:size])
        for start in range(0, size, _AT_ONCE):
            yield _FixedTexts(raw[start : start + _AT_ONCE])
        return
    # Each part that is taken may be read from the file again.
    for begin in range(0, size, _READ_AT_ONCE):
        texts = as_texts(column.take(np.arange(begin, min(begin + _READ_AT_ONCE, size))))
        for start in range(0, len(texts), _AT_ONCE):
            yield _Texts(texts[start : start + _AT_ONCE])


def merged(found: Iterable[Suggestions]) -> Suggestions:
    """Return the suggestions of several axes together."""
    alike: dict[str, list[str]] = {}
    every: dict[str, None] = {}
    elsewhere: dict[str, str] = {}
    complete = True
    for suggestions in found:
        for name, values in suggestions.alike.items():
            alike[name] = list(dict.fromkeys([*alike.get(name, []), *values]))
        every |= dict.fromkeys(suggestions.every)
        elsewhere |= suggestions.elsewhere
        complete = complete and bool(suggestions.every)
    return Suggestions(alike, sorted(every) if complete else (), elsewhere)
