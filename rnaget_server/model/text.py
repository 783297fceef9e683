"""Text in HDF5 as loom keeps it: fixed-width ASCII, everything else as XML character references.

Variable-length strings break loompy 2, and fixed-width ones are what binary search needs.
loompy unescapes what it reads, so ``&`` is escaped only where the text would otherwise read back changed.
"""

from __future__ import annotations

import html
import re
import sys
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

_PIECE_BYTES = 1 << 20
_REFERENCE = re.compile(r"&#([0-9]{3,7});")
Texts = Sequence[str] | NDArray[Any]


def encode(text: str) -> bytes:
    """Return `text` as ASCII bytes from which `decode` gets the same text again."""
    if "&" in text and html.unescape(text) != text:
        text = text.replace("&", "&amp;")
    return text.encode("ascii", "xmlcharrefreplace")


def encode_all(texts: Iterable[str]) -> NDArray[np.bytes_]:
    """Return a column of fixed-width bytes, at least one wide."""
    values = list(texts)
    joined = "".join(values)
    plain = _is_plain(joined)
    if plain and len(lengths := set(map(len, values))) == 1 and (width := lengths.pop()):
        return np.frombuffer(joined.encode("ascii"), f"S{width}")  # ids mostly are of one length
    column = np.array(values if plain else [encode(text) for text in values], dtype=bytes)
    return column if column.dtype.itemsize else column.astype("S1")


def write_padded(group: h5py.Group, link: str, texts: Texts, width: int) -> h5py.Dataset:
    """Write a column of fixed-width bytes compressed and in pieces, and return it."""
    return write_compressed(group, link, map(encode, texts), len(texts), width)


def write_compressed(group: h5py.Group, link: str, texts: Iterable[bytes], count: int, width: int) -> h5py.Dataset:
    """Write a column of so many texts compressed and in pieces, and return it.

    For long texts: padded to the longest, a column may be a hundred times larger than its texts.
    """
    kind = np.dtype(f"S{width}")
    rows = max(1, _PIECE_BYTES // width)
    column = group.create_dataset(
        link, (count,), kind, chunks=(min(rows, count),), compression="gzip", compression_opts=1
    )
    texts = iter(texts)
    for start in range(0, count, rows):
        column[start : start + rows] = np.array(list(islice(texts, rows)), kind)
    return column


def padding(texts: Texts) -> tuple[int, bool]:
    """Return the width of the longest text, and whether padding all to it would be a waste."""
    if isinstance(texts, np.ndarray) and texts.dtype.kind == "S":
        lengths: list[int] = np.char.str_len(texts).tolist()
    else:
        lengths = list(map(len, texts)) if _is_plain("".join(texts)) else [len(encode(text)) for text in texts]
    width = max(1, *lengths)
    return width, is_wasteful(width, sum(lengths), len(lengths))


def is_wasteful(width: int, total: int, count: int) -> bool:
    """Return whether it would be a waste to pad so many texts to a width, which have so many bytes in all."""
    return width * count > max(_PIECE_BYTES, 4 * total)


def decode(raw: NDArray[Any]) -> NDArray[Any]:
    """Return the texts of a column of bytes as an object array of str."""
    values: list[bytes] = raw.tolist()
    texts = from_utf8(values)
    column = np.empty(len(texts), object)
    column[:] = [_unescape(text) for text in texts] if b"&" in b"".join(values) else texts
    return column


def from_utf8(values: Sequence[bytes]) -> list[str]:
    """Return the texts of bytes that are UTF-8, as another program's loom may hold it, with marks for what is not."""
    # All at once, where no text has a line end in it.
    texts = b"\n".join(values).decode("utf-8", "replace").split("\n")
    return texts if len(texts) == len(values) else [value.decode("utf-8", "replace") for value in values]


def _is_plain(text: str) -> bool:
    """Return whether a text is encoded as what it is."""
    return text.isascii() and "&" not in text


def _unescape(text: str) -> str:
    """Return a text without references; HTML takes those of some characters for others, or for none."""
    return html.unescape(_REFERENCE.sub(_exact, text) if "&#" in text else text)


def _exact(reference: re.Match[str]) -> str:
    code = int(reference[1])
    surrogate = 0xD800 <= code <= 0xDFFF
    return chr(code) if 0x80 <= code <= sys.maxunicode and not surrogate else reference[0]
