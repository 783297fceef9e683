"""Names of many things in little memory, found by their beginning or by any part; upper and lower case are one."""

from __future__ import annotations

import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from itertools import groupby, islice
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from rnaget_server.sequences.genes import split_version

LONGEST = 400
"""Characters of a search, at most."""

_AT_ONCE = 8192
_NARROW = np.iinfo(np.uint32).max
_NAME = itemgetter(0)


def fold(text: str) -> str:
    """Return a text as it is compared: in one case, without control characters, with single spaces."""
    if not (text.isascii() and text.isprintable()):
        text = unicodedata.normalize("NFC", text).casefold()
        text = "".join([letter if letter.isprintable() else " " for letter in text])
    return " ".join(text.lower().split())


def fold_all(texts: Sequence[str]) -> list[str]:
    """Return `fold` of each of many texts."""
    joined = "\n".join(texts)
    if joined.isascii() and "  " not in joined and joined.replace("\n", "").isprintable():
        folded = joined.lower().split("\n")
        if len(folded) == len(texts):
            return [text.strip() for text in folded]
    return [fold(text) for text in texts]


def without_version(text: str) -> str:
    """Return a folded id without its version."""
    return split_version(text.upper())[0].lower()


class Texts:
    """Texts one after another as UTF-8, each ended by a line feed."""

    def __init__(self, texts: Iterable[str]) -> None:
        pieces = [text.encode("utf-8", "replace") for text in texts]
        lengths = np.fromiter(map(len, pieces), np.int64, len(pieces)) + 1
        starts = np.concatenate([[0], np.cumsum(lengths)])
        self.data = b"\n".join([*pieces, b""])
        self.starts = starts.astype(np.uint32 if len(self.data) <= _NARROW else np.int64)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, number: int) -> str:
        return self.bytes_of(number).decode()

    def bytes_of(self, number: int) -> bytes:
        """Return one text as UTF-8."""
        return self.data[int(self.starts[number]) : int(self.starts[number + 1]) - 1]

    def containing(self, key: bytes) -> Iterator[int]:
        """Yield the numbers of the texts that have `key` in them, ascending; for texts and keys that are folded."""
        at = self.data.find(key)
        while at >= 0:
            number = int(np.searchsorted(self.starts, at, side="right")) - 1
            yield number
            at = self.data.find(key, int(self.starts[number + 1]))

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        return len(self.data) + self.starts.nbytes


class NameTable:
    """Folded names in alphabetical order, and the numbers of the things that have them.

    Parameters
    ----------
    pairs
        Names with the number of a thing; empty names are passed over.
    """

    def __init__(self, pairs: Iterable[tuple[str, int]]) -> None:
        names: list[str] = []
        owners: list[int] = []
        starts = [0]
        for name, same in groupby(_in_order((name, owner) for name, owner in pairs if name), _NAME):
            names.append(name)
            owners.extend(dict.fromkeys(owner for _, owner in same))
            starts.append(len(owners))
        self._names = Texts(names)
        self._owners: NDArray[np.int32] = np.array(owners, np.int32)
        self._starts: NDArray[np.int32] = np.array(starts, np.int32)

    def named(self, name: str) -> list[int]:
        """Return the things that have a name."""
        key = name.encode("utf-8", "replace")
        place = self._place(key)
        return list(self._of(place)) if place < len(self._names) and self._names.bytes_of(place) == key else []

    def beginning(self, start: str) -> Iterator[int]:
        """Yield the things that have a name with this beginning, in the order of the names; one may come twice."""
        key = start.encode("utf-8", "replace")
        for place in range(self._place(key), len(self._names)):
            if not self._names.bytes_of(place).startswith(key):
                return
            yield from self._of(place)

    def containing(self, part: str) -> Iterator[int]:
        """Yield the things that have a name with this part, in the order of the names; one may come twice."""
        for place in self._names.containing(part.encode("utf-8", "replace")):
            yield from self._of(place)

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        return self._names.nbytes + self._owners.nbytes + self._starts.nbytes

    @property
    def names(self) -> Texts:
        """The names, each once."""
        return self._names

    def _place(self, key: bytes) -> int:
        return bisect_left(range(len(self._names)), key, key=self._names.bytes_of)

    def _of(self, place: int) -> Iterator[int]:
        yield from self._owners[self._starts[place] : self._starts[place + 1]].tolist()


def _in_order(pairs: Iterator[tuple[str, int]]) -> Iterator[tuple[str, int]]:
    """Yield pairs in order. To sort them at once would keep other threads from working for that long."""
    pieces = []
    while piece := list(islice(pairs, _AT_ONCE)):
        piece.sort()
        pieces.append(piece)
    return merge(*pieces)
