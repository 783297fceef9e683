"""Chunks of Blosc decoded by one call: their blocks as the blocks of a single chunk.

A chunk begins with its sizes and the places of its blocks, which need not follow one another. So chunks that were
encoded alike, put one behind another, become one as soon as a header in front of them says where all their blocks are.
To decode some of a few thousand cells by themselves takes as long again for the calls.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numcodecs import blosc
from numpy.typing import NDArray

_HEADER = struct.Struct("<4I")
"""Version, codec, filters and size of types in one number; decoded bytes, bytes of a block, bytes of all."""

_WORD = np.dtype("<u4")
_NOT_COMPRESSED = 0x200


def decode_together(
    parts: Sequence[bytes | memoryview], sizes: NDArray[np.int64], chunk_bytes: int, target: NDArray[Any]
) -> bool:
    """Return whether chunks were alike and whole, and have been decoded; else they are to be decoded one by one.

    Parameters
    ----------
    parts
        The chunks, one behind another.
    sizes
        How many bytes each of them has there.
    chunk_bytes
        How many bytes each becomes.
    target
        What they are decoded into; it has as many bytes as all of them become.
    """
    if len(parts[0]) < _HEADER.size:
        return False
    kind, decoded, block, _ = _HEADER.unpack_from(parts[0])
    if decoded != chunk_bytes or not block or chunk_bytes % block or kind & _NOT_COMPRESSED << 8:
        return False
    blocks = chunk_bytes // block
    own = _HEADER.size + blocks * _WORD.itemsize
    head = _HEADER.size + blocks * len(sizes) * _WORD.itemsize
    if sizes.min() < own:
        return False
    data = bytearray().join([bytes(head), *parts])
    starts = head + np.cumsum(sizes) - sizes
    headers = np.frombuffer(data, np.uint8)[starts[:, np.newaxis] + np.arange(own)].view(_WORD)
    places = headers[:, 4:]
    if (
        (headers[:, :3] != headers[0, :3]).any()
        or (headers[:, 3] != sizes).any()
        or places.min() < own
        or (places >= sizes[:, np.newaxis]).any()
    ):
        return False
    words = np.frombuffer(data, _WORD, head // _WORD.itemsize)
    words[:4] = kind, chunk_bytes * len(sizes), block, len(data)
    words[4:] = (places + starts[:, np.newaxis]).ravel()
    try:
        blosc.decompress(data, target)
    except RuntimeError:
        return False
    return True
