"""The blocks of BGZF, the blocked gzip that BAM, BCF and compressed VCF are in (section 4.1 of the SAM specification).

A virtual offset is ``offset of a block << 16 | offset within its bytes``.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from isal import isal_zlib

from rnaget_server.errors import DamagedFile
from rnaget_server.storage.source import ByteSource

END_MARKER = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
"""The empty block that ends a file."""
MOST_IN_BLOCK = 1 << 16
WITHIN = MOST_IN_BLOCK - 1
"""The bits of a virtual offset that count within a block."""

_ISAL: Any = isal_zlib  # typed as if its error were no class
_HEAD = struct.Struct("<4sIBBH")
_FIELD = struct.Struct("<BBH")
_MAGIC = b"\x1f\x8b\x08\x04"
_END = struct.Struct("<II")
_MADE = struct.Struct("<4sIBBHBBHH")
_IN_MADE = 0xFF00  # what bgzip puts into a block
# Of isal: what it makes is a twelfth larger than that of zlib, and made in a fifteenth of the time. At level 1, what
# stands in memory behind the bytes can change how they are compressed.
_LEVEL = 2
_KEPT = 16
_AHEAD = 128 << 10


class NoBlock(DamagedFile):
    """There is no block at a place, or a damaged one."""


class Block(NamedTuple):
    """The bytes of a block, decoded, and the offset of the next one."""

    data: bytes
    next: int


def block_size(head: bytes) -> int:
    """Return the number of bytes of a block by its first ones; 0 if they begin no block."""
    if len(head) < _HEAD.size or head[:4] != _MAGIC:
        return 0
    end = _HEAD.size + int(_HEAD.unpack_from(head)[4])
    place = _HEAD.size
    while place + 6 <= min(end, len(head)):
        first, second, length = _FIELD.unpack_from(head, place)
        if (first, second, length) == (66, 67, 2):
            size = int.from_bytes(head[place + 4 : place + 6], "little") + 1
            return size if size >= end + _END.size else 0
        place += 4 + length
    return 0


class Blocks:
    """The blocks of one file, of which the last ones read are kept.

    For one thread.
    """

    def __init__(self, file: ByteSource) -> None:
        self.file = file
        self._blocks: dict[int, Block] = {}
        self._start = 0
        self._ahead = b""

    def read(self, offset: int) -> Block:
        """Return the block at an offset.

        Raises
        ------
        NoBlock
            If there is none, or its checksum is not that of its bytes.
        """
        if offset in self._blocks:
            return self._blocks[offset]
        raw = self._bytes(offset)
        size = block_size(raw)
        if not 0 < size <= len(raw):
            raise NoBlock(f"there is no compressed block at byte {offset:,}, or it is cut off")
        block = Block(_decoded(raw[:size], offset), offset + size)
        while len(self._blocks) >= _KEPT:
            del self._blocks[next(iter(self._blocks))]
        self._blocks[offset] = block
        return block

    def _bytes(self, offset: int) -> bytes:
        """Return the bytes of a block and some more: where blocks are read in turn, those of several at once."""
        place = offset - self._start
        wanted = min(MOST_IN_BLOCK, self.file.size - offset)
        if not 0 <= place <= len(self._ahead) - wanted:
            in_turn = 0 <= place <= len(self._ahead)
            size = min(_AHEAD if in_turn else MOST_IN_BLOCK, self.file.size - offset)
            self._ahead = self.file.read_kept(offset, size) if size > 0 else b""
            self._start, place = offset, 0
        return self._ahead[place : place + MOST_IN_BLOCK]

    def each(self, offset: int) -> Iterator[tuple[int, Block]]:
        """Yield the blocks from one on, with the offset of each, up to the end of the file."""
        while offset < self.file.size:
            block = self.read(offset)
            yield offset, block
            offset = block.next

    def normal(self, virtual: int) -> int:
        """Return a virtual offset such that the end of a block is the beginning of the next one."""
        within = virtual & WITHIN
        if not within:
            return virtual
        block = self.read(virtual >> 16)
        if within > len(block.data):
            raise NoBlock(f"the block at byte {virtual >> 16:,} has {len(block.data):,} bytes, not {within:,}")
        return block.next << 16 if within == len(block.data) else virtual


def _decoded(raw: bytes, offset: int) -> bytes:
    start = _HEAD.size + int(_HEAD.unpack_from(raw)[4])
    crc, length = _END.unpack_from(raw, len(raw) - _END.size)
    try:
        unpacker = _ISAL.decompressobj(wbits=-zlib.MAX_WBITS)
        data: bytes = unpacker.decompress(raw[start : -_END.size], MOST_IN_BLOCK + 1)
    except (_ISAL.error, zlib.error) as error:
        raise NoBlock(f"the compressed block at byte {offset:,} is damaged: {error}") from error
    if len(data) != length or length > MOST_IN_BLOCK or _ISAL.crc32(data) != crc:
        raise NoBlock(f"the compressed block at byte {offset:,} is damaged: its checksum is not that of its bytes")
    return data


def compressed(data: bytes | memoryview) -> bytes:
    """Return bytes as blocks, without an end marker."""
    return b"".join(_one(data[start : start + _IN_MADE]) for start in range(0, len(data), _IN_MADE))


def _one(data: bytes | memoryview) -> bytes:
    body: bytes = _ISAL.compress(data, _LEVEL, -zlib.MAX_WBITS)
    if len(body) > len(data):
        stored = zlib.compressobj(0, zlib.DEFLATED, -zlib.MAX_WBITS)
        body = stored.compress(data) + stored.flush()
    size = _MADE.size + len(body) + _END.size
    head = _MADE.pack(_MAGIC, 0, 0, 255, 6, 66, 67, 2, size - 1)
    return head + body + _END.pack(_ISAL.crc32(data), len(data))


class Cursor:
    """A reader of the decoded bytes from the first block on, that knows where it is.

    Parameters
    ----------
    most
        The number of bytes after which it refuses to go on.
    """

    def __init__(self, blocks: Blocks, most: int) -> None:
        self._blocks = blocks
        self._left = most
        self._offset, self._next = 0, 0
        self._data, self._place = b"", 0

    def take(self, size: int) -> bytes:
        """Return the next bytes."""
        parts = []
        while size > 0:
            self._fill()
            part = self._data[self._place : self._place + size]
            self._place += len(part)
            size -= len(part)
            parts.append(part)
        return b"".join(parts)

    def line(self) -> bytes:
        """Return the next line with its end."""
        parts: list[bytes] = []
        while not parts or not parts[-1].endswith(b"\n"):
            self._fill()
            end = self._data.find(b"\n", self._place) + 1 or len(self._data)
            parts.append(self._data[self._place : end])
            self._place = end
        return b"".join(parts)

    def peek(self) -> bytes:
        """Return the next byte without taking it; nothing at the end of the file."""
        if not self._at_more():
            return b""
        return self._data[self._place : self._place + 1]

    def _fill(self) -> None:
        if not self._at_more():
            raise DamagedFile("the file is cut off within its header")

    def _at_more(self) -> bool:
        """Return whether there are more bytes, after going on to the next block that has some."""
        while self._place == len(self._data):
            if self._next >= self._blocks.file.size:
                return False
            self._offset = self._next
            self._data, self._next = self._blocks.read(self._offset)
            self._place = 0
            self._left -= len(self._data)
            if self._left < 0:
                raise DamagedFile("the header of the file is longer than any header: is the file damaged?")
        return True

    @property
    def virtual(self) -> int:
        """The virtual offset of the next byte."""
        if self._place == len(self._data):
            return self._next << 16
        return self._offset << 16 | self._place

    @property
    def taken(self) -> bytes:
        """The bytes of the current block that were taken; none if it is at its end."""
        return b"" if self._place == len(self._data) else self._data[: self._place]
