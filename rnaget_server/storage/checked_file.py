"""Files that show whether they are as they were written: data, a checksum for every piece, and a footer.

The footer holds the length of the data and a checksum of the checksums, so that a file that was cut, lengthened or
written by something else is not taken for whole; a flipped bit is found when its piece is read.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import BinaryIO

from isal import isal_zlib

PIECE_BYTES = 1 << 18
_FOOTER = struct.Struct("<8sQI")
_MAGIC = b"RNAGETc1"
_CHECKSUM = struct.Struct("<I")


class DamagedFileError(OSError):
    """A file is not as it was written."""


class CheckedWriter:
    """Writes data to an empty file, then what `CheckedFile` needs to check them.

    Parameters
    ----------
    file
        Open for writing; its errors are passed on.
    piece_bytes
        How many bytes a checksum is for.
    """

    def __init__(self, file: BinaryIO, piece_bytes: int = PIECE_BYTES) -> None:
        self._file = file
        self._piece = self._room = piece_bytes
        self._checksum = self._length = 0
        self._checksums = bytearray()

    def write(self, data: bytes | memoryview) -> None:
        """Write further data."""
        self._file.write(data)
        self._length += len(data)
        rest = memoryview(data)
        while rest:
            part = rest[: self._room]
            self._checksum = isal_zlib.crc32(part, self._checksum)
            self._room -= len(part)
            rest = rest[len(part) :]
            if not self._room:
                self._end_piece()

    def finish(self) -> None:
        """Write checksums and footer."""
        if self._room < self._piece:
            self._end_piece()
        self._file.write(self._checksums)
        self._file.write(_FOOTER.pack(_MAGIC, self._length, isal_zlib.crc32(bytes(self._checksums))))
        self._file.flush()

    def _end_piece(self) -> None:
        self._checksums += _CHECKSUM.pack(self._checksum)
        self._checksum, self._room = 0, self._piece


class CheckedFile:
    """The data in a file of `CheckedWriter`, each piece checked when it is read.

    Parameters
    ----------
    file
        Open for reading; it is closed by `close`, or at once if it is damaged.
    piece_bytes
        As it was written.

    Raises
    ------
    DamagedFileError
        If the file is not whole.
    """

    def __init__(self, file: BinaryIO, piece_bytes: int = PIECE_BYTES) -> None:
        self._file = file
        self._piece = piece_bytes
        try:
            self.length, self._checksums = self._read_footer()
        except OSError:
            file.close()
            raise

    def piece(self, number: int) -> bytes:
        """Return one piece of the data, counted from 0; the last may be shorter.

        Raises
        ------
        DamagedFileError
            If it is not as it was written.
        """
        start = number * self._piece
        size = min(self._piece, self.length - start)
        data = os.pread(self._file.fileno(), size, start)
        expected = _CHECKSUM.unpack_from(self._checksums, number * _CHECKSUM.size)[0]
        if len(data) != size or isal_zlib.crc32(data) != expected:
            raise DamagedFileError("a file in cache_directory is damaged")
        return data

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Yield the data from a place on up to another, or to the end.

        Raises
        ------
        DamagedFileError
            If a piece is not as it was written.
        """
        stop = self.length if stop is None else min(stop, self.length)
        for number in range(start // self._piece, -(-stop // self._piece)):
            data = self.piece(number)
            at = number * self._piece
            inside = slice(max(start - at, 0), stop - at)
            yield data if inside.start == 0 and inside.stop >= len(data) else data[inside]

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read_footer(self) -> tuple[int, bytes]:
        number = self._file.fileno()
        size = os.fstat(number).st_size
        footer = os.pread(number, _FOOTER.size, max(size - _FOOTER.size, 0))
        if len(footer) == _FOOTER.size:
            magic, length, checksum = _FOOTER.unpack(footer)
            table = -(-length // self._piece) * _CHECKSUM.size
            if magic == _MAGIC and length + table + _FOOTER.size == size:
                checksums = os.pread(number, table, length)
                if isal_zlib.crc32(checksums) == checksum:
                    return length, checksums
        raise DamagedFileError("a file in cache_directory is damaged")
