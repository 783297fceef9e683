"""Parts of objects that are read again and again: the last ones in memory, more of them on the disk."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Protocol

from rnaget_server.storage.checked_file import CheckedFile, CheckedWriter
from rnaget_server.storage.disk_cache import DiskCache

BLOCK = 256 << 10
"""Bytes of a block."""

_IN_MEMORY = 32 << 20
_MOST_ENDS = 128
_MOST_AHEAD = 16
_MOST_OF_READER = 8 << 20
_MOST_WAITING = 32 << 20
# Until then, most that asked for it have got their reply.
_WRITTEN_AFTER = 0.1

_Key = tuple[str, int, int]


class Blocked(Protocol):
    """A file whose blocks are kept."""

    size: int
    identity: str
    """A text that no other state of any object has."""

    def read(self, offset: int, size: int) -> bytes:
        """Return `size` bytes from an offset on."""


class Blocks:
    """The blocks of all objects that a process reads. Safe to share among threads.

    Nobody waits for another thread in it, since HDF5 reads by it while it holds the lock that all HDF5 is under.

    Parameters
    ----------
    cache
        Where they are on the disk.
    """

    def __init__(self, cache: DiskCache) -> None:
        self._cache = cache
        self._lock = threading.Lock()
        self._kept: OrderedDict[_Key, bytes] = OrderedDict()
        self._bytes = self._waiting = 0
        self._writer = ThreadPoolExecutor(1, "objects-kept")
        self._ends: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def read(self, file: Blocked, offset: int, size: int) -> bytes:
        """Return a part of a file, which must lie in it; for the errors see `RemoteFile.read`."""
        if not size:
            return b""
        first, last = offset // BLOCK, (offset + size - 1) // BLOCK
        if first == last:
            block = self._known(file, first) or self._fetch(file, first, first)[0]
            start = offset - first * BLOCK
            return block[start : start + size]
        data = b"".join(self._run(file, first, last))
        return data[offset - first * BLOCK : offset - first * BLOCK + size]

    def _run(self, file: Blocked, first: int, last: int) -> Iterator[bytes]:
        at = first
        while at <= last:
            known = self._known(file, at)
            if known is not None:
                yield known
                at += 1
                continue
            stop = at
            while stop < min(last, at + _MOST_AHEAD - 1) and not self._is_known(file, stop + 1):
                stop += 1
            found = self._fetch(file, at, stop)
            yield from found
            at = stop + 1

    def _fetch(self, file: Blocked, first: int, last: int) -> list[bytes]:
        """Return blocks that are not known, and read some more of a file that is read on and on."""
        ahead = self._ahead(file, first, last)
        start = first * BLOCK
        data = file.read(start, min((last + 1 + ahead) * BLOCK, file.size) - start)
        found = [data[at : at + BLOCK] for at in range(0, len(data), BLOCK)]
        for number, block in enumerate(found, first):
            self._remember(_key(file, number), block)
            self._write(_key(file, number), block)
        return found[: last + 1 - first]

    def _ahead(self, file: Blocked, first: int, last: int) -> int:
        with self._lock:
            end, ahead = self._ends.pop(file.identity, (-1, 0))
            ahead = min(max(1, 2 * ahead), _MOST_AHEAD) if first == end else 0
            self._ends[file.identity] = last + 1 + ahead, ahead
            if len(self._ends) > _MOST_ENDS:
                self._ends.popitem(last=False)
        return ahead

    def _is_known(self, file: Blocked, number: int) -> bool:
        return _key(file, number) in self._kept

    def _known(self, file: Blocked, number: int) -> bytes | None:
        return self._found(_key(file, number))

    def _found(self, key: _Key) -> bytes | None:
        with self._lock:
            data = self._kept.get(key)
            if data is not None:
                self._kept.move_to_end(key)
                return data
        data = self._on_disk(_digest(key))
        if data is not None:
            self._remember(key, data)
        return data

    def _on_disk(self, key: str) -> bytes | None:
        found = self._cache.open(key)
        if found is None:
            return None
        try:
            checked = CheckedFile(found)
            try:
                return b"".join(checked.read())
            finally:
                checked.close()
        except OSError:
            self._cache.remove(key)
            return None

    def _remember(self, key: _Key, data: bytes) -> None:
        with self._lock:
            self._bytes += len(data) - len(self._kept.pop(key, b""))
            self._kept[key] = data
            while self._bytes > _IN_MEMORY:
                self._bytes -= len(self._kept.popitem(last=False)[1])

    def _write(self, key: _Key, data: bytes) -> None:
        if self._cache.max_bytes > 0:
            with suppress(OSError), self._cache.put(_digest(key)) as kept:  # a full disk: it is read again
                writer = CheckedWriter(kept)
                writer.write(data)
                writer.finish()

    def part(self, file: Blocked, offset: int, size: int) -> bytes | None:
        """Return a part of a file that was kept as just this part, else None."""
        data = self._found((file.identity, offset, size))
        return data if data is not None and len(data) == size else None

    def keep(self, file: Blocked, parts: list[tuple[int, bytes]]) -> None:
        """Keep parts by their offsets: in memory at once, and soon on the disk, for which nobody waits."""
        found = [((file.identity, offset, len(data)), data) for offset, data in parts]
        for key, data in found:
            self._remember(key, data)
        size = sum(len(data) for _, data in found)
        if not size or self._cache.max_bytes <= 0:
            return
        with self._lock:
            if self._waiting + size > _MOST_WAITING:  # the disk is slower than what comes
                return
            self._waiting += size
        with suppress(RuntimeError):  # the process ends
            self._writer.submit(self._write_all, found, size)

    def _write_all(self, found: list[tuple[_Key, bytes]], size: int) -> None:
        time.sleep(_WRITTEN_AFTER)
        try:
            for key, data in found:
                self._write(key, data)
        finally:
            with self._lock:
                self._waiting -= size


class Keeping:
    """The parts of a file that one reader asks for: they are looked up, and kept if they are few.

    Of a whole matrix nothing is kept: it would take the place of all else.

    Parameters
    ----------
    blocks
        Where they are kept.
    file
        The file.
    """

    def __init__(self, blocks: Blocks, file: Blocked) -> None:
        self._blocks = blocks
        self._file = file
        self._left = _MOST_OF_READER
        self._new: list[tuple[int, bytes]] = []

    def known(self, offset: int, size: int) -> bytes | None:
        """Return a part that is kept, else None; each part is asked for once, before it is read."""
        self._left -= size
        if self._left >= 0:
            return self._blocks.part(self._file, offset, size)
        self._new.clear()
        return None

    def add(self, offset: int, data: bytes | memoryview) -> None:
        """Note a part that was read."""
        if self._left >= 0:
            # Else all that it was read with would be kept, too.
            self._new.append((offset, bytes(data)))

    def end(self) -> None:
        """Keep what was read, if it is little."""
        self._blocks.keep(self._file, self._new)


def _key(file: Blocked, number: int) -> _Key:
    return file.identity, number * BLOCK, BLOCK


def _digest(key: _Key) -> str:
    return hashlib.sha256("\n".join(map(str, key)).encode()).hexdigest()
