"""Columns of HDF5 files whose texts are bytes of fixed width: 10x, GCTX, loom."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.labels import is_text, texts_of
from rnaget_server.model.slice import Labels
from rnaget_server.model.text import is_wasteful, write_compressed

Pieces = Callable[[], Iterator[NDArray[Any]]]
"""A function that returns the values of an attribute, some at a time; see `Labels.pieces`."""


def write_column(group: h5py.Group, link: str, labels: Labels, name: str) -> None:
    """Write an attribute: numbers as they are, or texts."""
    if is_text(labels, name):
        write_texts(group, link, labels, name)
    else:
        group.create_dataset(link, data=labels.column(name))


def write_texts(group: h5py.Group, link: str, labels: Labels, name: str) -> None:
    """Write an attribute as UTF-8, numbers too."""
    write_fixed(group, link, partial(labels.pieces, name), _utf8)


def _utf8(text: str) -> bytes:
    """Return a text without NUL, which would end it."""
    return text.encode().replace(b"\0", b"")


def write_fixed(group: h5py.Group, link: str, pieces: Pieces, encoded: Callable[[str], bytes]) -> None:
    """Write texts, compressed where most of them would be padding; they are gone through twice."""
    width, total, count = 1, 0, 0
    for values in pieces():
        lengths = [len(encoded(text)) for text in texts_of(values)]
        width, total, count = max(width, *lengths, 0), total + sum(lengths), count + len(lengths)
    texts = (list(map(encoded, texts_of(values))) for values in pieces())
    if is_wasteful(width, total, count):
        write_compressed(group, link, chain.from_iterable(texts), count, width)
    else:
        write_in_pieces(group, link, (np.array(some, f"S{width}") for some in texts), count, width)


def write_in_pieces(group: h5py.Group, link: str, pieces: Iterator[NDArray[Any]], count: int, width: int) -> None:
    """Write bytes of a fixed width."""
    column = group.create_dataset(link, (count,), f"S{width}")
    start = 0
    for values in pieces:
        column[start : start + len(values)] = values
        start += len(values)
