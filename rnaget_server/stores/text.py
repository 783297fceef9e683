"""Text in HDF5 as loom keeps it: fixed-width ASCII, everything else as XML character references.

Variable-length strings break loompy 2, and fixed-width ones are what binary search and mapped files need.
loompy unescapes what it reads, so ``&`` is escaped only where the text would otherwise read back changed.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def encode(text: str) -> bytes:
    """Return `text` as ASCII bytes from which `decode` gets the same text again."""
    if "&" in text and html.unescape(text) != text:
        text = text.replace("&", "&amp;")
    return text.encode("ascii", "xmlcharrefreplace")


def encode_all(texts: Iterable[str]) -> NDArray[np.bytes_]:
    """Return a column of fixed-width bytes, at least one wide."""
    column = np.array([encode(text) for text in texts], dtype=bytes)
    return column if column.dtype.itemsize else column.astype("S1")


def decode(raw: NDArray[Any]) -> NDArray[Any]:
    """Return the texts of a column of bytes as an object array of str."""
    try:
        texts = raw.astype("U").astype(object)
    except UnicodeDecodeError:  # another program's loom: UTF-8 as it is
        texts = np.array([value.decode("utf-8", "replace") for value in raw.tolist()], dtype=object)
    for position in np.flatnonzero(np.char.find(raw, b"&") >= 0):
        texts[position] = html.unescape(texts[position])
    return texts
