"""A file of this machine, its identity, and its bytes, read without being mapped.

Of a mapped file that is cut off, the next look at a lost page ends the whole process; of one that is read, only the
read fails. `LocalFile.mapped` is for processes that may end.
"""

from __future__ import annotations

import errno
import hashlib
import mmap
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

_CLOSED = -1
_DIGEST_BYTES = 16
_AT_ONCE = getattr(os, "RWF_NOWAIT", 0)
"""Linux alone knows it."""
_WILL_NEED = getattr(os, "POSIX_FADV_WILLNEED", None)
"""macOS does not know it."""
_PROBED = 16
"""Ranges that are looked at to guess whether the system has all of them in memory."""


class FileVersion(NamedTuple):
    """The identity of a file and of its state: what changes when it is replaced or written to."""

    device: int
    inode: int
    size: int
    modified: int
    """Nanoseconds since 1970."""


NO_FILE = FileVersion(0, 0, 0, 0)
"""The version of a file that is not there."""

PLACE = "place.json"
"""The file next to a directory that stands for a catalogue, which says where that is."""

STAND_IN = stat.S_ISVTX
"""The mode of a file whose bytes are elsewhere; see `storage.places`."""


def version_of(status: os.stat_result) -> FileVersion:
    """Return the version of a file by its status; of one whose bytes are elsewhere the same on all machines."""
    if is_stand_in(status):
        return FileVersion(0, 0, status.st_size, status.st_mtime_ns)
    return FileVersion(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def is_stand_in(status: os.stat_result) -> bool:
    """Return whether the bytes of a file are elsewhere; see `storage.places`."""
    return bool(status.st_mode & STAND_IN) and stat.S_ISREG(status.st_mode)


def regular_bytes(path: Path, most: int = -1) -> bytes:
    """Return the first bytes of a file; all of them, if nothing is said.

    Raises
    ------
    OSError
        If it cannot be read, or is a pipe or a device, which may be waited for without end.
    """
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        return file.read(most)


def version_at(path: Path) -> FileVersion:
    """Return the version of the file at a path; `NO_FILE` if none is there."""
    try:
        return version_of(path.stat())
    except OSError:
        return NO_FILE


def version_at_all(paths: Sequence[Path]) -> FileVersion:
    """Return the version of files that are one together; `NO_FILE` if one is not there."""
    return version_of_all([version_at(path) for path in paths])


def version_of_all(versions: Sequence[FileVersion]) -> FileVersion:
    """Return the version of files that are one together, in this order, by that of each."""
    if len(versions) == 1:
        return versions[0]
    if NO_FILE in versions:
        return NO_FILE
    digest = hashlib.blake2b(repr(versions).encode(), digest_size=_DIGEST_BYTES).digest()
    size, modified = sum(version.size for version in versions), max(version.modified for version in versions)
    return FileVersion(0, int.from_bytes(digest, "big"), size, modified)


class LocalFile:
    """An open file as the system has it, closed with its last user; a `ByteSource`.

    Parameters
    ----------
    number
        The number of the open file, which is this object's from now on.
    """

    far = False
    """False: reading takes less than handing work to another thread."""

    def __init__(self, number: int) -> None:
        self._number = number
        self.version = version_of(os.fstat(number))
        self.size = self.version.size

    @classmethod
    def open(cls, path: Path) -> LocalFile:
        """Open a file of this machine.

        Raises
        ------
        OSError
            If there is none, or its bytes are elsewhere.
        """
        file = cls(os.open(path, os.O_RDONLY))
        if file.stands_in:
            file.close()
            raise OSError(f"the bytes of {path.name} are in object storage, where this cannot read them")
        return file

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Close the file for all its users."""
        number, self._number = self._number, _CLOSED
        if number != _CLOSED:
            os.close(number)

    @property
    def stands_in(self) -> bool:
        """True if the bytes are elsewhere; see `storage.places`."""
        return not self.version.inode

    def status(self) -> os.stat_result:
        """Return the status of the file as it is now."""
        return os.fstat(self._number)

    def mapped(self) -> mmap.mmap:
        """Return the file in memory, read by the system as it is looked at; it must not be empty.

        The system ends a process that looks at what was cut off from the file.

        Raises
        ------
        OSError
            If it is shorter than it was.
        """
        if self.status().st_size < self.size:
            raise OSError("the file has become shorter since it was opened")
        return mmap.mmap(self._number, self.size, prot=mmap.PROT_READ)

    def read(self, offset: int, size: int) -> bytes:
        """Return `size` bytes from an offset on.

        Raises
        ------
        OSError
            If there are fewer.
        """
        if offset < 0 or offset + size > self.size:
            raise OSError("the file is cut off: it names a place beyond its end")
        data = os.pread(self._number, size, offset)
        while len(data) < size:  # the system reads at most 2 GiB at once
            more = os.pread(self._number, size - len(data), offset + len(data))
            if not more:
                raise OSError("the file has become shorter since it was opened")
            data += more
        return data

    def read_at_once(self, offset: int, size: int) -> bytearray | None:
        """Return `size` bytes from an offset on if the system has them in memory, else None: then use `read`."""
        if not _AT_ONCE or offset < 0 or offset + size > self.size:
            return None
        data = bytearray(size)
        try:
            read = os.preadv(self._number, (data,), offset, _AT_ONCE)
        except OSError:  # they are on the disk, or the file system cannot tell
            return None
        return data if read == size else None

    def announce(self, ranges: Sequence[tuple[int, int]]) -> None:
        """Have the system fetch each (offset, size), if some seem to be on a disk, while others are read."""
        probed = ranges[:: len(ranges) // _PROBED + 1]
        if _WILL_NEED is None or all(self.read_at_once(offset, 1) is not None for offset, _ in probed):
            return
        for offset, size in ranges:
            try:
                os.posix_fadvise(self._number, offset, size, _WILL_NEED)
            except OSError:  # a place that cannot be, or a file system that knows no such thing
                return

    def presigned(self, seconds: int) -> None:
        """Return None: no other server sends it."""

    def read_kept(self, offset: int, size: int) -> bytes:
        """Return what `read` does: the system keeps what is read again and again."""
        return self.read(offset, size)

    def read_many(self, ranges: Iterable[tuple[int, int]], keep: bool = False) -> Iterator[bytes]:
        """Yield the bytes of each (offset, size) in turn, which the system keeps; for the errors see `read`."""
        for offset, size in ranges:
            data = os.pread(self._number, size, offset) if 0 <= offset <= self.size - size else b""
            yield data if len(data) == size else self.read(offset, size)

    def check_unchanged(self) -> None:
        """Refuse to go on with a file that was written to since it was opened.

        Raises
        ------
        OSError
            If it was.
        """
        if version_of(self.status()) != self.version:
            raise OSError("the file was written to while it was open: replace it by renaming another over it")
