"""Blocks of objects that are read again and again: the last ones in memory, more of them on the disk."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from typing import Protocol

from rnaget_server.storage.checked_file import CheckedFile, CheckedWriter
from rnaget_server.storage.disk_cache import DiskCache

BLOCK = 256 << 10
"""Bytes of a block."""

_IN_MEMORY = 128
_MOST_AHEAD = 16


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
        self._kept: OrderedDict[tuple[str, int], bytes] = OrderedDict()
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
            self._keep(file, number, block)
        return found[: last + 1 - first]

    def _ahead(self, file: Blocked, first: int, last: int) -> int:
        with self._lock:
            end, ahead = self._ends.pop(file.identity, (-1, 0))
            ahead = min(max(1, 2 * ahead), _MOST_AHEAD) if first == end else 0
            self._ends[file.identity] = last + 1 + ahead, ahead
            if len(self._ends) > _IN_MEMORY:
                self._ends.popitem(last=False)
        return ahead

    def _is_known(self, file: Blocked, number: int) -> bool:
        return (file.identity, number) in self._kept

    def _known(self, file: Blocked, number: int) -> bytes | None:
        key = (file.identity, number)
        with self._lock:
            block = self._kept.get(key)
            if block is not None:
                self._kept.move_to_end(key)
                return block
        block = self._on_disk(_key(file, number))
        if block is not None:
            self._remember(key, block)
        return block

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

    def _keep(self, file: Blocked, number: int, block: bytes) -> None:
        self._remember((file.identity, number), block)
        if self._cache.max_bytes > 0:
            with suppress(OSError), self._cache.put(_key(file, number)) as kept:  # a full disk: it is read again
                writer = CheckedWriter(kept)
                writer.write(block)
                writer.finish()

    def _remember(self, key: tuple[str, int], block: bytes) -> None:
        with self._lock:
            self._kept[key] = block
            if len(self._kept) > _IN_MEMORY:
                self._kept.popitem(last=False)


def _key(file: Blocked, number: int) -> str:
    return hashlib.sha256(f"{file.identity}\n{BLOCK}\n{number}".encode()).hexdigest()
