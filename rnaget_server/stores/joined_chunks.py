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

HEADER = struct.Struct("<4I")
"""Version, codec, filters and size of types in one number; decoded bytes, bytes of a block, bytes of all."""

NOT_COMPRESSED = 0x20000
"""The flag of a chunk that Blosc left as it is, in the first number."""

_WORD = np.dtype("<u4")
_NOT_SPLIT = 0x100000
_MOST_STREAMS = 16
_LEAST_STREAM = 128
"""Bytes of a type and of a stream, decoded, up to and from which a block has a stream for each byte of the type."""


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
    if len(parts[0]) < HEADER.size:
        return False
    kind, decoded, block, _ = HEADER.unpack_from(parts[0])
    # One alone takes as long by itself, and may have millions of blocks.
    if len(sizes) < 2 or decoded != chunk_bytes or not block or chunk_bytes % block or kind & NOT_COMPRESSED:
        return False
    blocks = chunk_bytes // block
    own = HEADER.size + blocks * _WORD.itemsize
    head = HEADER.size + blocks * len(sizes) * _WORD.itemsize
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
    places = places + starts[:, np.newaxis]
    if not _are_inside(data, places, (starts + sizes)[:, np.newaxis], _streams(kind, block)):
        return False
    words = np.frombuffer(data, _WORD, head // _WORD.itemsize)
    words[:4] = kind, chunk_bytes * len(sizes), block, len(data)
    words[4:] = places.ravel()
    try:
        blosc.decompress(data, target)
    except RuntimeError:
        return False
    return True


def _streams(kind: int, block: int) -> int:
    """Return of how many streams a block is made."""
    type_bytes = kind >> 24
    is_split = not kind & _NOT_SPLIT and type_bytes <= _MOST_STREAMS and block >= _LEAST_STREAM * type_bytes
    return type_bytes if is_split else 1


def _are_inside(data: bytearray, places: NDArray[np.int64], ends: NDArray[np.int64], streams: int) -> bool:
    """Return whether blocks end where their chunks do: else Blosc would take what is missing out of the next chunk."""
    stored = np.frombuffer(data, np.uint8)
    for _ in range(streams):
        if (places + _WORD.itemsize > ends).any():
            return False
        lengths = stored[places[..., np.newaxis] + np.arange(_WORD.itemsize)].view(_WORD)[..., 0]
        places = places + _WORD.itemsize + lengths
    return not (places > ends).any()
