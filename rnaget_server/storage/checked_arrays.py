"""Arrays and a few facts in one file that can be made again; see `checked_file` for how damage is found."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray

from rnaget_server.storage.arrays import ArrayCache, StoredArray
from rnaget_server.storage.checked_file import CheckedFile, CheckedWriter, DamagedFileError
from rnaget_server.storage.local import NO_FILE, version_at

_LENGTH = struct.Struct("<Q")
_ALIGNED = 8
_Read = TypeVar("_Read")


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
        Makes the same file again, where it is damaged or gone; None if it cannot be made.

    Raises
    ------
    OSError
        If the file cannot be read, nor made again.
    """

    def __init__(self, path: Path, arrays: ArrayCache, mend: Callable[[], None] | None = None) -> None:
        source = _Source(path, mend)
        self.facts, places = source.head()
        self._stored = {
            name: StoredArray(source, arrays, offset, np.dtype(dtype), count)
            for name, (offset, dtype, count) in places.items()
        }

    def __contains__(self, name: str) -> bool:
        """Return whether there is an array of a name."""
        return name in self._stored

    def __getitem__(self, name: str) -> StoredArray:
        """Return the array of a name."""
        return self._stored[name]


class _Source:
    """A file that was written with checksums, as an `ArraySource`."""

    def __init__(self, path: Path, mend: Callable[[], None] | None) -> None:
        self._path = path
        self._mend = mend
        self.version = NO_FILE

    def head(self) -> Any:
        """Return what follows the arrays."""
        return self._mending(self._head)

    def read_kept(self, offset: int, size: int) -> bytes:
        """Return `size` bytes from an offset on."""
        return self._mending(lambda file: b"".join(file.read(offset, offset + size)))

    def check_unchanged(self) -> None:
        """Do nothing: checksums show if the file is another."""

    def _head(self, file: CheckedFile) -> Any:
        self.version = version_at(self._path)
        end = file.length - _LENGTH.size
        try:
            (size,) = _LENGTH.unpack(b"".join(file.read(end)))
            return json.loads(b"".join(file.read(end - size, end)))
        except (struct.error, ValueError):
            raise DamagedFileError("a file in cache_directory is damaged") from None

    def _mending(self, read: Callable[[CheckedFile], _Read]) -> _Read:
        try:
            return self._with_file(read)
        except (DamagedFileError, FileNotFoundError):
            if self._mend is None:
                raise
            self._mend()
        return self._with_file(read)

    def _with_file(self, read: Callable[[CheckedFile], _Read]) -> _Read:
        with self._path.open("rb") as opened:
            return read(CheckedFile(opened))
