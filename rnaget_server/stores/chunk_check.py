"""Chunks that HDF5 would expand to more than they have.

HDF5 makes room for as much as the gzip data of a chunk give, regardless of what the dataset says: a few kilobytes can
become gigabytes. So what is stored for a chunk is looked at before HDF5 reads it for the first time.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import h5py
from h5py import h5d, h5p
from isal import isal_zlib

# The most that deflate can expand, and what filters may add to data that do not compress.
_MOST_EXPANDED = 1032
_ADDED, _SHARE_ADDED = 4096, 64
# A chunk that cannot become more than this need not be tried.
_HARMLESS = 256 << 20
_AT_ONCE = 1 << 20
_DAMAGED = "a chunk of {} expands to more than it has: the file is damaged"
_ISAL: Any = isal_zlib  # typed as if its error were no class


class ChunkCheck:
    """Looks at the chunks of a dataset: at how much is stored for each when it is first read, and into large ones.

    Parameters
    ----------
    id, name
        The dataset, and its path for messages.
    plist
        How it was created.
    chunks, itemsize
        The shape of a chunk, and the bytes of an element.
    """

    def __init__(self, id: h5d.DatasetID, name: str, plist: h5p.PropDCID, chunks: Sequence[int], itemsize: int) -> None:
        self._id = id
        self._name = name
        self._chunks = chunks
        self._bytes = prod(chunks) * itemsize
        self._to_try: set[tuple[int, ...]] | None = None
        filters = [plist.get_filter(number)[0] for number in range(plist.get_nfilters())]
        self._deflated = filters.count(h5py.h5z.FILTER_DEFLATE)
        self._last = bool(filters) and filters[-1] == h5py.h5z.FILTER_DEFLATE

    def check(self, slices: Sequence[slice]) -> None:
        """Look at the chunks that a part touches, given by half-open slices of the first dimensions.

        Raises
        ------
        OSError
            If one of them expands to more than it has.
        """
        to_try = self.look()
        # Of a copy: another thread may have tried one meanwhile.
        for start in [start for start in list(to_try) if self._touches(start, slices)]:
            self._try(self._id.read_direct_chunk(start)[1])
            to_try.discard(start)

    def look(self) -> set[tuple[int, ...]]:
        """Return where chunks start that are still to be tried, once it is known how much is stored for each.

        Raises
        ------
        OSError
            If more is stored for one than it can have.
        """
        if self._to_try is None:
            self._to_try = self._large()
        return self._to_try

    def _large(self) -> set[tuple[int, ...]]:
        """Return where chunks start of which so much is stored that they have to be tried."""
        if self._deflated > 1:
            raise OSError(f"{self._name} is compressed twice: write it again, compressed once")
        limit, harmless = self._bytes + self._bytes // _SHARE_ADDED + _ADDED, _HARMLESS // _MOST_EXPANDED
        large: set[tuple[int, ...]] = set()
        too_large = False

        # Chunk by chunk it would take as long for each as for all: HDF5 looks through them in a row.
        def look(chunk: Any) -> bool | None:
            nonlocal too_large
            if chunk.size > limit:
                too_large = True
            elif chunk.size > harmless and self._last and not chunk.filter_mask:
                large.add(chunk.chunk_offset)
            return True if too_large else None

        self._id.chunk_iter(look)
        if too_large:
            raise OSError(_DAMAGED.format(self._name))
        return large

    def _touches(self, start: tuple[int, ...], slices: Sequence[slice]) -> bool:
        return all(
            at < (part.stop if part.stop is not None else at + 1) and at + size > (part.start or 0)
            for at, size, part in zip(start, self._chunks, slices, strict=False)
        )

    def _try(self, data: bytes) -> None:
        """Unpack a chunk without keeping it."""
        unpacker, size = _ISAL.decompressobj(), 0
        try:
            while not unpacker.eof and size <= self._bytes:
                part = len(unpacker.decompress(data, _AT_ONCE))
                data = unpacker.unconsumed_tail
                size += part
                if not part and not data:
                    break
        except _ISAL.error:
            raise OSError(f"a chunk of {self._name} is damaged") from None
        if size > self._bytes:
            raise OSError(_DAMAGED.format(self._name))
