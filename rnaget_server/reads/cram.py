"""The containers of CRAM files, versions 2.1, 3.0 and 3.1 (sections 6 to 9 of the CRAM specification)."""

from __future__ import annotations

import bz2
import lzma
import struct
import zlib
from dataclasses import dataclass

from rnaget_server.errors import DamagedFile
from rnaget_server.reads.headers import MOST_BYTES, sam_references, sam_samples
from rnaget_server.reads.pieces import Header
from rnaget_server.storage.source import ByteSource

MAGIC = b"CRAM"
DEFINITION_SIZE = 26
_END_2 = bytes.fromhex("0b000000ffffffff0fe0454f460000000001000001000606010001000100")
_END_3 = bytes.fromhex("0f000000ffffffff0fe0454f4600000000010005bdd94f0001000606010001000100ee63014b")
_FIRST_LOOK, _LONGEST_HEAD = 512, 1 << 20
_FIRST_LOOK_AT_BLOCK = 64 << 10
_HEADER_BLOCK, _SLICE_BLOCK = 0, 2
_SLICE_LOOK = 64
_RAW, _GZIP, _BZIP2, _LZMA = range(4)
_MOST_LZMA = 256 << 20


@dataclass(frozen=True)
class Container:
    """The head of a container: where it is, how long its head and all of it are, and what it holds.

    Attributes
    ----------
    reference
        The number of its reference; -1 for reads without a place, -2 if it holds several.
    start, span
        The first position of its reads, 1-based, and the number of bases from there on.
    landmarks
        Where its slices begin, from the end of its head on.
    """

    offset: int
    head: int
    length: int
    reference: int
    start: int
    span: int
    blocks: int
    landmarks: tuple[int, ...]

    @property
    def end(self) -> int:
        """The offset of the next container."""
        return self.offset + self.head + self.length


class Numbers:
    """The numbers of a head or block, one after the other; an `IndexError` where the bytes are at their end."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.place = 0

    def byte(self) -> int:
        """Return one byte."""
        self.place += 1
        return self.data[self.place - 1]

    def int32(self) -> int:
        """Return a number of four bytes."""
        self.place += 4
        if self.place > len(self.data):
            raise IndexError
        number: int = struct.unpack_from("<i", self.data, self.place - 4)[0]
        return number

    def itf8(self) -> int:
        """Return a number of one to five bytes."""
        first = self.byte()
        if first < 0x80:
            return first
        if first < 0xC0:
            return (first & 0x3F) << 8 | self.byte()
        if first < 0xE0:
            return (first & 0x1F) << 16 | self.byte() << 8 | self.byte()
        if first < 0xF0:
            return (first & 0x0F) << 24 | self.byte() << 16 | self.byte() << 8 | self.byte()
        number = (first & 0x0F) << 28 | self.byte() << 20 | self.byte() << 12 | self.byte() << 4
        number |= self.byte() & 0x0F
        return number - (1 << 32) if number >> 31 else number

    def ltf8(self) -> int:
        """Return a number of one to nine bytes."""
        first = self.byte()
        more = 8 - (first ^ 0xFF).bit_length()
        number = first & (0xFF >> (more + 1))
        for _ in range(more):
            number = number << 8 | self.byte()
        return number


def version_of_cram(file: ByteSource) -> int:
    """Return the major version of a CRAM file.

    Raises
    ------
    DamagedFile
        If it is of none that can be read here.
    """
    definition = file.read_kept(0, min(DEFINITION_SIZE, file.size))
    if len(definition) < DEFINITION_SIZE:
        raise DamagedFile("the file is cut off within its first bytes")
    major, minor = definition[4], definition[5]
    if (major, minor) not in ((2, 0), (2, 1), (3, 0), (3, 1)):
        raise DamagedFile(
            f"this is CRAM {major}.{minor}: write it again as version 3.0 (samtools view -O cram,version=3.0)"
        )
    return major


def end_marker(file: ByteSource) -> bytes:
    """Return the container that ends a CRAM file of this file's version."""
    return _END_3 if version_of_cram(file) == 3 else _END_2


def read_container(file: ByteSource, offset: int, major: int) -> Container:
    """Return the head of the container at an offset.

    Raises
    ------
    DamagedFile
        If there is none, or it goes beyond the end of the file.
    """
    for size in (_FIRST_LOOK, _LONGEST_HEAD):
        data = file.read_kept(offset, min(size, file.size - offset)) if offset < file.size else b""
        try:
            container = _container(data, offset, major)
        except IndexError:
            if len(data) < size:
                break
        else:
            if container.end > file.size:
                raise DamagedFile(f"the file is cut off within the container at byte {offset:,}")
            return container
    raise DamagedFile(f"there is no CRAM container at byte {offset:,}, or it is cut off")


def _container(data: bytes, offset: int, major: int) -> Container:
    numbers = Numbers(data)
    length = numbers.int32()
    reference = numbers.itf8()
    start, span = numbers.itf8(), numbers.itf8()
    numbers.itf8()  # number of records
    if major < 3:
        numbers.itf8()  # records before it
    else:
        numbers.ltf8()
    numbers.ltf8()  # bases
    blocks = numbers.itf8()
    count = numbers.itf8()
    if length < 0 or reference < -2 or blocks < 0 or not 0 <= count <= len(data) - numbers.place:
        raise IndexError
    landmarks = tuple(numbers.itf8() for _ in range(count))
    if major >= 3:
        checksum = zlib.crc32(data[: numbers.place])
        if numbers.int32() & 0xFFFFFFFF != checksum:
            raise DamagedFile(f"there is no CRAM container at byte {offset:,}, or its head is damaged")
    return Container(offset, numbers.place, length, reference, start, span, blocks, landmarks)


def read_slice_place(file: ByteSource, offset: int) -> tuple[int, int, int]:
    """Return reference, start and span of the slice at an offset, by the block that is its head.

    Raises
    ------
    DamagedFile
        If there is none.
    """
    numbers = Numbers(file.read_kept(offset, min(_SLICE_LOOK, file.size - offset)) if offset < file.size else b"")
    try:
        method, kind = numbers.byte(), numbers.byte()
        numbers.itf8()  # content id
        size, raw_size = numbers.itf8(), numbers.itf8()
        if method == _RAW and kind == _SLICE_BLOCK and size == raw_size:
            return numbers.itf8(), numbers.itf8(), numbers.itf8()
    except IndexError:
        pass
    raise DamagedFile(f"there is no CRAM slice at byte {offset:,}, or its head is damaged")


def read_cram_header(file: ByteSource) -> Header:
    """Return the header of a CRAM file, of which the end is checked too."""
    major = version_of_cram(file)
    first = read_container(file, DEFINITION_SIZE, major)
    text = _header_text(file.read_kept(first.offset + first.head, min(first.length, MOST_BYTES)), major)
    end = end_marker(file)
    if file.size < first.end + len(end) or file.read_kept(file.size - len(end), len(end)) != end:
        raise DamagedFile(
            "the file is cut off: the container that ends it is missing. Copy it again, or write it again"
        )
    references = sam_references(text)
    return Header("CRAM", references, sam_samples(text), first.end, b"", tuple(range(len(references))))


def _header_text(data: bytes, major: int) -> bytes:
    """Return the text that the first block of the first container holds."""
    damaged = DamagedFile("the header of the file is damaged: its first container holds no SAM header")
    try:
        block = _block(data, major, "the header of the file")
    except IndexError:
        raise damaged from None
    raw = block.data
    length = int.from_bytes(raw[:4], "little", signed=True)
    if block.kind != _HEADER_BLOCK or not 0 <= length <= len(raw) - 4:
        raise damaged
    return raw[4 : 4 + length]


@dataclass(frozen=True)
class Block:
    """A block of a container: its kind by the number that the specification gives it, and its bytes, decoded."""

    kind: int
    data: bytes


def read_block(file: ByteSource, container: Container, place: int, major: int) -> Block:
    """Return the block at a place of a container, counted from the end of its head on.

    Raises
    ------
    DamagedFile
        If there is none.
    """
    what = f"the CRAM container at byte {container.offset:,}"
    left = max(container.length - place, 0)
    for size in (_FIRST_LOOK_AT_BLOCK, MOST_BYTES):
        data = file.read_kept(container.offset + container.head + place, min(left, size))
        try:
            return _block(data, major, what)
        except IndexError:
            if len(data) == left:
                break
    raise DamagedFile(f"{what} is damaged")


def _block(data: bytes, major: int, what: str) -> Block:
    """Return the block that bytes begin with; an `IndexError` says that there are too few of them, or it is none."""
    numbers = Numbers(data)
    method, kind = numbers.byte(), numbers.byte()
    numbers.itf8()  # content id
    size, raw_size = numbers.itf8(), numbers.itf8()
    start, end = numbers.place, numbers.place + size
    if not 0 <= size <= len(data) - start or not 0 <= raw_size <= MOST_BYTES:
        raise IndexError
    if major >= 3 and data[end : end + 4] != zlib.crc32(data[:end]).to_bytes(4, "little"):
        if len(data) < end + 4:
            raise IndexError
        raise DamagedFile(f"{what} is damaged: its checksum is not that of its bytes")
    raw = _unpacked(data[start:end], method, raw_size, what)
    if len(raw) != raw_size:
        raise IndexError
    return Block(kind, raw)


def _unpacked(data: bytes, method: int, size: int, what: str) -> bytes:
    try:
        if method == _RAW:
            return data
        if method == _GZIP:
            return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(data, size + 1)
        if method == _BZIP2:
            return bz2.BZ2Decompressor().decompress(data, size + 1)
        if method == _LZMA:
            return lzma.LZMADecompressor(memlimit=_MOST_LZMA).decompress(data, size + 1)
    except (zlib.error, OSError, lzma.LZMAError, EOFError) as error:
        raise DamagedFile(f"{what} is damaged: {error}") from error
    raise DamagedFile(f"{what} is compressed by method {method}, and has to be raw or gzip")
