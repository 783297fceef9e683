"""A file of any place as an object of Python that can be read."""

from __future__ import annotations

import io
from typing import Any

from rnaget_server.storage.source import ByteSource


class SourceReader(io.RawIOBase):
    """A file as HDF5 reads one that is not on this machine."""

    def __init__(self, file: ByteSource) -> None:
        self._file = file
        self._at = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return where it is read next."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Set where it is read next."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._file.size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, target: Any) -> int:
        """Read into a buffer as much as there is, and return how many bytes that are."""
        view = memoryview(target).cast("B")
        size = max(0, min(len(view), self._file.size - self._at))
        if size:
            view[:size] = self._file.read_kept(self._at, size)
        view[size:] = bytes(len(view) - size)  # HDF5 does not look at the number
        self._at += size
        return size
