"""Arrays and a few facts in one file that can be made again; see `checked_file` for how damage is found."""

from __future__ import annotations

import json
import os
import struct
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from rnaget_server.storage.arrays import ArrayCache, StoredArray
from rnaget_server.storage.checked_file import CheckedFile, CheckedWriter, DamagedFileError
from rnaget_server.storage.local import NO_FILE, version_of

_LENGTH = struct.Struct("<Q")
_ALIGNED = 8
_LOST = (DamagedFileError, FileNotFoundError)


def write_arrays(file: BinaryIO, facts: Any, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays of one dimension, and what JSON can hold, to an empty file that is open for writing."""
    writer = CheckedWriter(file)
    places: dict[str, tuple[int, str, int]] = {}
    at = 0
    for name, array in arrays.items():
        places[name] = at, array.dtype.str, len(array)
        data = memoryview(np.ascontiguousarray(array).view(np.uint8).data)
        padding = bytes(-len(data) % _ALIGNED)
        writer.write(data)
        writer.write(padding)
        at += len(data) + len(padding)
    head = json.dumps([facts, places]).encode()
    writer.write(head)
    writer.write(_LENGTH.pack(len(head)))
    writer.finish()


class CheckedArrays:
    """The arrays in a file of `write_arrays`, read when they are called for; the file is open only meanwhile.

    Parameters
    ----------
    path
        The file; of one that takes its place, what was read before is not taken for its.
    arrays
        Where arrays are kept for a while.
    mend
        Makes a file with the same values again, where it is damaged or gone; None if it cannot be made.

    Raises
    ------
    OSError
        If the file cannot be read, nor made again.
    """

    def __init__(self, path: Path, arrays: ArrayCache, mend: Callable[[], None] | None = None) -> None:
        self._path = path
        self._arrays = arrays
        self._mend = mend
        self._stored: Mapping[str, StoredArray] = {}
        self.facts: Any = None
        try:
            self._open()
        except _LOST:
            self._open_again()

    def __contains__(self, name: str) -> bool:
        """Return whether there is an array of a name."""
        return name in self._stored

    def __getitem__(self, name: str) -> Callable[[], NDArray[Any]]:
        """Return what reads the array of a name."""
        return partial(self._read, name)

    def _read(self, name: str) -> NDArray[Any]:
        try:
            return self._stored[name]()
        except _LOST:
            self._open_again()
        if name not in self._stored:
            raise DamagedFileError("a file in cache_directory has other arrays than before")
        return self._stored[name]()

    def _open(self) -> None:
        source = _Source(self._path)
        self.facts, places = source.head()
        self._stored = {
            name: StoredArray(source, self._arrays, offset, np.dtype(dtype), count)
            for name, (offset, dtype, count) in places.items()
        }

    def _open_again(self) -> None:
        """Open what is there now, which another process may have made; if that is damaged, make it again."""
        try:
            with self._path.open("rb") as opened:
                deque(CheckedFile(opened).read(), maxlen=0)
        except _LOST:
            if self._mend is None:
                raise
            self._mend()
        self._open()


class _Source:
    """A file that was written with checksums, in one state, as an `ArraySource`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.version = NO_FILE

    def head(self) -> Any:
        """Return what follows the arrays, of the state that the file is in now."""
        with self._path.open("rb") as opened:
            file = CheckedFile(opened)
            self.version, self.size = version_of(os.fstat(opened.fileno())), file.length
            end = file.length - _LENGTH.size
            try:
                (size,) = _LENGTH.unpack(b"".join(file.read(end)))
                return json.loads(b"".join(file.read(end - size, end)))
            except (struct.error, ValueError):
                raise DamagedFileError("a file in cache_directory is damaged") from None

    def read_kept(self, offset: int, size: int) -> bytes:
        """Return `size` bytes from an offset on."""
        with self._path.open("rb") as opened:
            # Another file with the same values may have them at other places.
            if version_of(os.fstat(opened.fileno())) != self.version:
                raise DamagedFileError("a file in cache_directory is another by now")
            return b"".join(CheckedFile(opened).read(offset, offset + size))

    def check_unchanged(self) -> None:
        """Do nothing: checksums show if the file is another."""
