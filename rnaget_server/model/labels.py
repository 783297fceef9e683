"""The values of an attribute of features or samples, some at a time, and as texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.columns import as_texts
from rnaget_server.model.slice import Labels
from rnaget_server.model.text import from_utf8, is_wasteful

LABELS_AT_ONCE = 1 << 16
"""So many values of an attribute are made at once."""


class WholeLabels:
    """The part of `Labels` that follows from the others, for labels that are few or are in memory anyhow."""

    def pieces(self: Labels, attribute: str, size: int = LABELS_AT_ONCE) -> Iterator[NDArray[Any]]:
        """Yield the values of one attribute in order, `size` at a time."""
        texts = self.ascii(attribute)
        values = self.column(attribute) if texts is None else texts
        for start in range(0, max(1, len(values)), size):
            yield values[start : start + size]


def texts_of(values: NDArray[Any]) -> list[str]:
    """Return values of an attribute as texts."""
    return from_utf8(values.tolist()) if values.dtype.kind == "S" else as_texts(values)


def packed(texts: Sequence[bytes]) -> NDArray[Any]:
    """Return texts as an array: of one width, which is a fraction of Python's, where that is no waste and loses none.

    The end of a text would be lost if it were NUL.
    """
    width, total = max(1, *map(len, texts), 1), sum(map(len, texts))
    if is_wasteful(width, total, len(texts)) or any(text.endswith(b"\0") for text in texts):
        return np.array([*texts, None], object)[:-1]
    return np.array(texts, f"S{width}")


def joined_pieces(pieces: Iterable[NDArray[Any]]) -> NDArray[Any]:
    """Return arrays as one, in little more memory than it takes."""
    parts = list(pieces)
    if len(parts) == 1:
        return parts[0]
    whole = np.empty(sum(map(len, parts)), np.result_type(*(part.dtype for part in parts)))
    stop = len(whole)
    while parts:
        part = parts.pop()
        whole[stop - len(part) : stop] = part
        stop -= len(part)
    return whole


def keys_of(pieces: Iterable[Sequence[str | bytes]], count: int) -> NDArray[np.int64]:
    """Return a number for each of so many texts, of this process alone: equal ones have the same.

    Different ones hardly ever have, but may.
    """
    return np.fromiter(map(hash, chain.from_iterable(pieces)), np.int64, count)


def are_different(labels: Labels, attribute: str) -> bool:
    """Return True if no text of an attribute is there twice; of very many, False may be wrong, if hardly ever."""
    keys = keys_of(map(texts_of, labels.pieces(attribute)), labels.size)
    keys.sort()
    return not (keys[1:] == keys[:-1]).any()


def is_text(labels: Labels, attribute: str) -> bool:
    """Return whether an attribute holds texts."""
    return next(labels.pieces(attribute, 1)).dtype.kind in "OSU"
