"""An attribute by its different texts, without all texts in memory at once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.labels import LABELS_AT_ONCE, joined_pieces, keys_of, packed, texts_of
from rnaget_server.model.slice import Labels


class Categories(NamedTuple):
    """The different texts of an attribute, UTF-8 without NUL and sorted, and which of them each place has."""

    texts: NDArray[Any]
    codes: NDArray[np.signedinteger[Any]]


def categories_of(labels: Labels, attribute: str) -> Categories | None:
    """Return an attribute by its different texts, None if no text is there twice."""
    kept = [*_encoded(labels, attribute)] if labels.size <= LABELS_AT_ONCE else None

    def encoded() -> Iterator[NDArray[Any]]:
        return _encoded(labels, attribute) if kept is None else iter(kept)

    keys = keys_of((texts.tolist() for texts in encoded()), labels.size)
    distinct, first = np.unique(keys, return_index=True)
    if len(distinct) == len(keys):
        return None
    order = np.argsort(first)
    found = joined_pieces(_at(encoded(), first[order]))
    texts, ranks = np.unique(found, return_inverse=True)
    rank = np.empty(len(distinct), _kind(len(texts)))
    rank[order] = ranks
    codes = rank[np.searchsorted(distinct, keys)]
    return Categories(texts, codes) if _fit(encoded(), texts, codes) else _one_by_one(encoded(), labels.size)


def without_nul(texts: list[str]) -> list[str]:
    """Return texts without the one character that HDF5 cannot hold in them."""
    return [text.replace("\0", "") for text in texts] if "\0" in "".join(texts) else texts


def _encoded(labels: Labels, attribute: str) -> Iterator[NDArray[Any]]:
    for values in labels.pieces(attribute):
        yield packed([text.encode() for text in without_nul(texts_of(values))])


def _at(pieces: Iterator[NDArray[Any]], places: NDArray[np.int64]) -> Iterator[NDArray[Any]]:
    """Yield the texts at ascending places."""
    start = 0
    for texts in pieces:
        low, high = np.searchsorted(places, (start, start + len(texts)))
        yield texts[places[low:high] - start]
        start += len(texts)


def _fit(pieces: Iterator[NDArray[Any]], texts: NDArray[Any], codes: NDArray[Any]) -> bool:
    """Return whether the codes are those of all texts: different ones may have had the same key."""
    start = 0
    for piece in pieces:
        if not (texts[codes[start : start + len(piece)]] == piece).all():
            return False
        start += len(piece)
    return True


def _one_by_one(pieces: Iterator[NDArray[Any]], count: int) -> Categories:
    numbers: dict[bytes, int] = {}
    texts = chain.from_iterable(piece.tolist() for piece in pieces)
    codes = np.fromiter((numbers.setdefault(text, len(numbers)) for text in texts), np.int64, count)
    ordered, ranks = np.unique(packed(list(numbers)), return_inverse=True)
    return Categories(ordered, ranks.astype(_kind(len(ordered)))[codes])


def _kind(count: int) -> type[np.signedinteger[Any]]:
    """Return the type of the numbers of so many categories, as pandas chooses it."""
    return next(kind for kind in (np.int8, np.int16, np.int32) if count <= np.iinfo(kind).max)
