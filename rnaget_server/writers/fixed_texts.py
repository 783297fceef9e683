"""Columns of HDF5 files whose texts are bytes of fixed width: 10x, GCTX, loom."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.labels import LABELS_AT_ONCE, is_text, texts_of
from rnaget_server.model.slice import Labels
from rnaget_server.model.text import is_wasteful, write_compressed
from rnaget_server.writers.categories import without_nul


def write_column(group: h5py.Group, link: str, labels: Labels, name: str) -> None:
    """Write an attribute: numbers as they are, or texts."""
    if is_text(labels, name):
        write_texts(group, link, labels, name)
    else:
        group.create_dataset(link, data=labels.column(name))


def write_texts(group: h5py.Group, link: str, labels: Labels, name: str) -> None:
    """Write an attribute as UTF-8, numbers too."""
    write_fixed(group, link, labels, name, _utf8)


def _utf8(texts: list[str]) -> list[bytes]:
    """Return texts without NUL, which would end them."""
    return [text.encode() for text in without_nul(texts)]


def write_fixed(
    group: h5py.Group, link: str, labels: Labels, name: str, encoded: Callable[[list[str]], list[bytes]]
) -> None:
    """Write an attribute as texts, compressed where most of them would be padding; many are gone through twice."""

    def made() -> Iterator[list[bytes]]:
        return (encoded(texts_of(values)) for values in labels.pieces(name))

    kept = [*made()] if labels.size <= LABELS_AT_ONCE else None
    width, total = 1, 0
    for texts in kept or made():
        width, total = max(width, *map(len, texts), 0), total + sum(map(len, texts))
    pieces = iter(kept or made())
    if is_wasteful(width, total, labels.size):
        write_compressed(group, link, chain.from_iterable(pieces), labels.size, width)
    else:
        write_in_pieces(group, link, (np.array(texts, f"S{width}") for texts in pieces), labels.size, width)


def write_in_pieces(group: h5py.Group, link: str, pieces: Iterator[NDArray[Any]], count: int, width: int) -> None:
    """Write bytes of a fixed width."""
    column = group.create_dataset(link, (count,), f"S{width}")
    start = 0
    for values in pieces:
        column[start : start + len(values)] = values
        start += len(values)
