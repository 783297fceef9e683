"""Slices that were made, kept on disk with their MD5 sums."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from functools import partial
from pathlib import Path

from rnaget_server.delivery.content import CachedContent
from rnaget_server.delivery.shared_slices import SharedSlices
from rnaget_server.model.use_counts import UseCounts
from rnaget_server.storage.checked_file import CheckedFile, CheckedWriter, DamagedFileError
from rnaget_server.storage.disk_cache import DiskCache, Entry

_log = logging.getLogger(__name__)
_SUMS_SHARE = 64
_LIKELY_SHARE = 3
_LARGEST_SHARE = 2


class SizeLimitExceeded(Exception):
    """There are more bytes than allowed."""


class SliceCache:
    """Finished slices by key: the bytes where they fit, and their MD5 sums even where they do not.

    Parameters
    ----------
    directory
        Where they are.
    most_bytes
        Most bytes on disk. 0: nothing is kept there.
    shared
        Those that other servers have made.
    """

    def __init__(self, directory: Path, most_bytes: int, shared: SharedSlices | None = None) -> None:
        sums = most_bytes // _SUMS_SHARE
        self._files = DiskCache(directory, most_bytes - sums)
        self.sums = Sums(DiskCache(directory / "sums", sums if self._files.max_bytes else 0))
        self.shared = shared
        # In parallel with making the bytes, which would take a quarter longer otherwise.
        self._pool = ThreadPoolExecutor(2, "md5")

    @property
    def uses(self) -> UseCounts:
        """The hits and misses of slices."""
        return self._files.uses

    @property
    def on(self) -> bool:
        """True if anything is kept."""
        return self._files.max_bytes > 0

    @property
    def largest(self) -> int:
        """Most bytes of one slice."""
        return self._files.max_bytes // _LARGEST_SHARE

    def may_hold(self, estimate: int) -> bool:
        """Return whether a slice of about that many bytes is worth a try."""
        return 0 < estimate <= self._files.max_bytes // _LIKELY_SHARE

    def get(self, key: str) -> CachedContent | None:
        """Return the bytes of that key, None if they are not kept; a file that is not whole is removed."""
        file = self._files.open(key)
        try:
            if file is not None:
                return CachedContent(CheckedFile(file), self._files, key)
        except DamagedFileError:
            self._files.remove(key)
        return self.shared.fetch(key, partial(self._keep, key)) if self.shared is not None and self.on else None

    def lock(self, key: str) -> AbstractContextManager[None]:
        """Keep others who would make the same slice waiting."""
        return self._files.lock(key)

    def tee(
        self, key: str, chunks: Iterator[bytes], keep: bool, add: bool, is_current: Callable[[], bool]
    ) -> Iterator[bytes]:
        """Yield chunks on their way to a client, and keep them if `keep` says so, and their sum if `add` does.

        Nothing is kept unless all are taken and `is_current` holds in the end.
        """
        entry = self._entry(key) if keep else None
        writer = CheckedWriter(entry.file) if entry is not None else None
        running = _RunningSum(self._pool) if add else None
        size = 0
        held = b""
        try:
            for chunk in chunks:
                # One behind: many a client goes away with the last byte, and the slice has to be kept before.
                if held:
                    yield held
                held = chunk
                size += len(chunk)
                if running is not None:
                    running.add(chunk)
                if writer is not None and not (size <= self.largest and _succeeded(writer.write, chunk)):
                    _drop(entry)
                    entry = writer = None
            if is_current():
                if entry is not None and writer is not None and _succeeded(writer.finish):
                    entry.commit()
                    self._offer(key, size)
                if running is not None:
                    self.sums.put(key, running.result())
            yield held
        finally:
            _drop(entry)

    def _entry(self, key: str) -> Entry | None:
        """Return a new file for the key, None if no disk has room for one: what is sent meanwhile needs none."""
        try:
            return self._files.entry(key)
        except OSError:
            return None

    def spool(
        self, key: str | None, chunks: Iterator[bytes], limit: int, is_current: Callable[[], bool]
    ) -> CachedContent | None:
        """Return all chunks in a file, which is kept under `key` if it is not too large; None if the disk is full.

        Raises
        ------
        SizeLimitExceeded
            As soon as there are more than `limit` bytes.
        """
        entry = self._files.entry(key or "0" * 16)
        writer = CheckedWriter(entry.file)
        size = 0
        try:
            for chunk in chunks:
                size += len(chunk)
                if size > limit:
                    raise SizeLimitExceeded
                if not _succeeded(writer.write, chunk):
                    return None
            if not _succeeded(writer.finish):
                return None
            file = CheckedFile(os.fdopen(os.dup(entry.file.fileno()), "rb"))
            if key is not None and size <= self.largest and is_current():
                entry.commit()
                self._offer(key, size)
            return CachedContent(file)
        finally:
            entry.discard()

    def _keep(self, key: str, pieces: Iterator[bytes]) -> CachedContent | None:
        """Write what another server has made to the disk, and return it; None if the disk is full."""
        entry = self._entry(key)
        if entry is None:
            return None
        try:
            writer = CheckedWriter(entry.file)
            if not all(_succeeded(writer.write, piece) for piece in pieces) or not _succeeded(writer.finish):
                return None
            file = CheckedFile(os.fdopen(os.dup(entry.file.fileno()), "rb"))
            entry.commit()
            return CachedContent(file, self._files, key)
        finally:
            entry.discard()

    def _offer(self, key: str, size: int) -> None:
        if self.shared is not None and size <= self.shared.largest:
            self.shared.offer(key, partial(self._reopen, key))

    def _reopen(self, key: str) -> CheckedFile | None:
        file = self._files.open(key, counted=False)
        return CheckedFile(file) if file is not None else None


class Sums:
    """MD5 sums by key: the last ones in memory, more of them on disk."""

    def __init__(self, files: DiskCache, most: int = 1000) -> None:
        self._files = files
        self.uses = UseCounts()
        self._most = most
        self._lock = threading.Lock()
        self._last: OrderedDict[str, str] = OrderedDict()

    def get(self, key: str) -> str | None:
        """Return the sum of that key in hexadecimal digits, None if it is not known."""
        with self._lock:
            if key in self._last:
                self._last.move_to_end(key)
                self.uses.count(True)
                return self._last[key]
        file = self._files.open(key)
        self.uses.count(file is not None)
        if file is None:
            return None
        try:
            checked = CheckedFile(file)
            with file:
                sum = b"".join(checked.read()).decode("ascii")
        except (OSError, UnicodeDecodeError):
            self._files.remove(key)
            return None
        self.put(key, sum, lasting=False)
        return sum

    def put(self, key: str, sum: str, lasting: bool = True) -> None:
        """Keep a sum, only in memory unless it is `lasting`."""
        with self._lock:
            self._last[key] = sum
            self._last.move_to_end(key)
            if len(self._last) > self._most:
                self._last.popitem(last=False)
        if lasting:
            with suppress(OSError), self._files.put(key) as file:
                writer = CheckedWriter(file)
                writer.write(sum.encode())
                writer.finish()

    def of_bytes(self, key: str, pieces: Iterator[bytes | memoryview]) -> str:
        """Return the sum of bytes that do not change, which is computed once."""
        sum = self.get(key)
        if sum is None:
            digest = hashlib.md5(usedforsecurity=False)
            for piece in pieces:
                digest.update(piece)
            sum = digest.hexdigest()
            self.put(key, sum)
        return sum


class _RunningSum:
    """An MD5 sum that is computed in parallel with making the bytes, by at most one chunk behind it."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._digest = hashlib.md5(usedforsecurity=False)
        self._last: Future[None] | None = None

    def add(self, chunk: bytes) -> None:
        if self._last is not None:
            self._last.result()
        self._last = self._pool.submit(self._digest.update, chunk)

    def result(self) -> str:
        if self._last is not None:
            self._last.result()
        return self._digest.hexdigest()


def _drop(entry: Entry | None) -> None:
    if entry is not None:
        entry.discard()


def _succeeded(write: Callable[..., None], *data: bytes) -> bool:
    """Write, and return whether there was room."""
    try:
        write(*data)
    except OSError as error:
        _log.warning("cache_directory cannot be used: %s", error.strerror or type(error).__name__)
        return False
    return True
