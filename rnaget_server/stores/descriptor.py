"""An open data file as the system has it, read without being mapped.

Of a mapped file that is cut off, the next look at a lost page ends the whole process; of one that is read, only the
read fails.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.stores.access import ArrayCache


class Descriptor:
    """An open file for `os.pread`, closed with its last user.

    Parameters
    ----------
    number
        The number of the open file, which is the descriptor's from now on.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.version = self._version()
        """What changes when the file does."""

    @classmethod
    def of(cls, path: Path) -> Descriptor:
        """Open a file."""
        return cls(os.open(path, os.O_RDONLY))

    def __del__(self) -> None:
        os.close(self.number)

    @property
    def size(self) -> int:
        """Number of bytes of the file when it was opened."""
        return self.version[2]

    def read(self, size: int, offset: int) -> bytes:
        """Return `size` bytes from a place on.

        Raises
        ------
        OSError
            If there are fewer.
        """
        if offset < 0 or offset + size > self.size:
            raise OSError("the file is cut off: it names a place beyond its end")
        data = os.pread(self.number, size, offset)
        while len(data) < size:  # the system reads at most 2 GiB at once
            more = os.pread(self.number, size - len(data), offset + len(data))
            if not more:
                raise OSError("the file has become shorter since it was opened")
            data += more
        return data

    def check_unchanged(self) -> None:
        """Refuse to go on with a file that was written to since it was opened.

        Raises
        ------
        OSError
            If it was.
        """
        if self._version() != self.version:
            raise OSError("the file was written to while it was open: replace it by renaming another over it")

    def _version(self) -> tuple[int, int, int, int]:
        status = os.fstat(self.number)
        return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


class StoredArray:
    """A contiguous array in a file, read whole when it is called for and not kept in memory any more.

    Parameters
    ----------
    file
        The file.
    arrays
        Where it is kept for a while.
    offset, dtype, count
        Where it starts, the type of its elements, and their number.
    check
        Called with what was read; raises an OSError if it cannot be right.
    """

    __slots__ = ("_arrays", "_check", "_file", "_key", "count", "dtype", "offset")

    def __init__(
        self,
        file: Descriptor,
        arrays: ArrayCache,
        offset: int,
        dtype: np.dtype[Any],
        count: int,
        check: Callable[[NDArray[Any]], None] | None = None,
    ) -> None:
        self._file = file
        self._arrays = arrays
        self._check = check
        self.offset = offset
        self.dtype = dtype
        self.count = count
        self._key = (*file.version, offset, dtype.str, count)

    def __call__(self) -> NDArray[Any]:
        """Return the array, not to be written to.

        Raises
        ------
        OSError
            If the file is cut off or was written to.
        """
        return self._arrays.get(self._key, self._read)

    def _read(self) -> NDArray[Any]:
        array = np.frombuffer(self._file.read(self.count * self.dtype.itemsize, self.offset), self.dtype)
        self._file.check_unchanged()
        if self._check is not None:
            self._check(array)
        return array
