"""The features, or the samples, of many matrices: each once, with the matrices that have it.

Matrices of one study mostly have the same axes, and those of one genome mostly the same genes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.axis import Axis
from rnaget_server.model.columns import as_texts, different
from rnaget_server.slicing.search.entries import SEPARATOR, Entries

MOST_ENTRIES = 500_000
"""Features, and samples, that are kept in memory; about 100 bytes each."""

_FEW_VALUES = 200
_LOOKED_AT = 1024


@dataclass(frozen=True)
class AxisContent:
    """An axis as far as it is searched: the attributes for ids, names and texts. Equal digests are equal axes."""

    axis: Axis
    id: str
    name: str | None
    texts: tuple[str, ...]
    digest: str

    @classmethod
    def of(cls, axis: Axis, id: str, name: str | None, few: int) -> AxisContent:
        """Return the content of an axis with these attributes for ids and names; texts have more than `few` values."""
        own = (id, name)
        others = (attribute for attribute in axis.attributes if attribute not in own)
        texts = tuple(
            attribute
            for attribute in others
            if axis.kind(attribute) == "text" and values_of(axis, attribute, few) is None
        )
        return cls(axis, id, name, texts, _digest(axis, [id, name or "", *texts]))

    def columns(self) -> tuple[list[str], list[str], list[str]]:
        """Return the id, the name and the texts of each feature or sample."""
        ids = as_texts(self.axis.column(self.id))
        names = as_texts(self.axis.column(self.name)) if self.name and self.name != self.id else [""] * len(ids)
        if not self.texts:
            return ids, names, [""] * len(ids)
        columns = [as_texts(self.axis.column(attribute)) for attribute in self.texts]
        return ids, names, [SEPARATOR.join(filter(None, texts)) for texts in zip(*columns, strict=True)]


@dataclass(frozen=True)
class Pool:
    """The entries of some axes, and which of them each axis has (by its digest, ascending)."""

    entries: Entries
    members: Mapping[str, NDArray[np.int32]]

    def axes_of(self, entry: int) -> list[str]:
        """Return the digests of the axes that have an entry."""
        return [digest for digest, members in self.members.items() if _holds(members, entry)]

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        return self.entries.nbytes + sum(members.nbytes for members in self.members.values())


EMPTY = Pool(Entries((), ()), {})


def few_values(axis: str, size: int) -> int:
    """Return how many values an attribute has at most, unless they are texts of each feature or sample of its own.

    Samples are chosen by their values, also in a small matrix; of features, values of which most are different are
    descriptions.
    """
    return min(_FEW_VALUES, size // 2) if axis == "features" else _FEW_VALUES


def values_of(axis: Axis, attribute: str, most: int) -> list[str] | None:
    """Return the values of an attribute, sorted; None if there are more than `most`."""
    # The first ones show it mostly, and need not be sorted.
    first = axis.column(attribute, np.arange(min(axis.size, _LOOKED_AT)))
    return None if len(set(as_texts(first))) > most + 1 else axis.values(attribute, most)


def pool_of(axes: Mapping[str, Callable[[], AxisContent]], before: Pool) -> tuple[Pool, frozenset[str]]:
    """Return the pool of some axes, and the digests of those that are left out since there is no room.

    Parameters
    ----------
    axes
        By digest; only those are read that were not in the pool before.
    before
        A pool that has some of them already.
    """
    if axes.keys() == before.members.keys():
        return before, frozenset()
    builder = _Builder()
    left_out = set()
    for digest, content in axes.items():
        known = before.members.get(digest)
        columns = content().columns() if known is None else _of_pool(before, known)
        if not builder.add(digest, *columns):
            left_out.add(digest)
    return builder.pool(), frozenset(left_out)


class _Builder:
    def __init__(self) -> None:
        self._numbers: dict[tuple[str, str], int] = {}
        self._texts: list[str] = []
        self._members: dict[str, NDArray[np.int32]] = {}

    def add(self, digest: str, ids: list[str], names: list[str], texts: list[str]) -> bool:
        """Add an axis; return whether there was room."""
        numbers, known = self._numbers, len(self._numbers)
        if known + sum(key not in numbers for key in zip(ids, names, strict=True)) > MOST_ENTRIES:
            return False
        members = []
        for id, name, text in zip(ids, names, texts, strict=True):
            number = numbers.setdefault((id, name), len(numbers))
            members.append(number)
            if number == len(self._texts):
                self._texts.append(text)
            elif text and not self._texts[number]:
                self._texts[number] = text
        self._members[digest] = different(np.array(members, np.int32))
        return True

    def pool(self) -> Pool:
        ids, names = zip(*self._numbers, strict=True) if self._numbers else ((), ())
        return Pool(Entries(ids, names, self._texts), self._members)


def _of_pool(pool: Pool, members: NDArray[np.int32]) -> tuple[list[str], list[str], list[str]]:
    numbers = members.tolist()
    entries = pool.entries
    ids, names, texts = (list(map(part.__getitem__, numbers)) for part in (entries.ids, entries.names, entries.texts))
    return ids, names, texts


def _holds(members: NDArray[np.int32], entry: int) -> bool:
    place = int(np.searchsorted(members, entry))
    return place < len(members) and int(members[place]) == entry


def _digest(axis: Axis, attributes: list[str]) -> str:
    digest = hashlib.sha256()
    for attribute in attributes:
        digest.update(repr(attribute).encode())
        if attribute:
            raw: NDArray[Any] | None = axis.ascii(attribute)
            if raw is None:
                texts = as_texts(axis.column(attribute))
                digest.update(repr(list(map(len, texts))).encode())
                digest.update("".join(texts).encode("utf-8", "surrogatepass"))
            else:
                digest.update(repr((raw.dtype.str, len(raw))).encode())
                digest.update(np.ascontiguousarray(raw).tobytes())
    return digest.hexdigest()
