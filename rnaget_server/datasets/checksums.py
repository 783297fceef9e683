"""The checksums of whole files: each is computed once for every state of a file, and kept on disk."""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_ISREG
from typing import Any, NamedTuple

from rnaget_server.storage.disk_cache import private_directory
from rnaget_server.storage.local import version_of
from rnaget_server.storage.places import open_file
from rnaget_server.storage.source import OpenFile

_log = logging.getLogger(__name__)
_PIECE = 1 << 20
# The clock of the file system runs behind by some milliseconds, so a file may change twice at what it takes for one
# time. In nanoseconds.
_CLOCK_TOLERANCE = 100_000_000
_SECOND = 1_000_000_000
_ATTEMPTS = 10
_MOST_KEPT = 1_000_000
_MOST_WAITING = 200_000
_BYTES_A_SECOND = 200 << 20
_TABLE = """
    CREATE TABLE IF NOT EXISTS files (
        number INTEGER PRIMARY KEY, state TEXT UNIQUE, md5 TEXT, sha256 TEXT, seal TEXT, path BLOB
    );
    CREATE INDEX IF NOT EXISTS files_by_md5 ON files (md5);
    CREATE INDEX IF NOT EXISTS files_by_sha256 ON files (sha256);
"""


class Sums(NamedTuple):
    """The checksums of a file, in hexadecimal digits."""

    md5: str
    sha256: str


class Checksums:
    """Computes and keeps checksums. Safe among threads and processes.

    They are kept by the path of a file and by all that changes when it is replaced or written to. A file that changes
    while it is read has none.

    Parameters
    ----------
    directory
        Where they are kept; None for memory only.
    """

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._kept: sqlite3.Connection | None = None
        self._waiting: deque[Path] = deque()
        self._queued: set[Path] = set()
        self._thread: threading.Thread | None = None

    def known(self, path: Path, status: os.stat_result) -> Sums | None:
        """Return the checksums of a file in the state that its status shows; None if they are not known."""
        state = _state(path, status)
        with self._lock:
            rows = self._run("SELECT md5, sha256, seal FROM files WHERE state = ?", (state,))
        for md5, sha256, seal in rows:
            if seal == _seal(state, md5, sha256):  # else the disk has changed it
                return Sums(md5, sha256)
        return None

    def soon(self, path: Path, status: os.stat_result, at_once: int) -> Sums | None:
        """Return the checksums of a file; unknown ones are computed now if it has at most `at_once` bytes, else later.

        Raises
        ------
        OSError
            If it cannot be read.
        """
        found = self.known(path, status)
        if found is None and status.st_size <= at_once:
            return self.compute(path)
        if found is None:
            self._queue(path)
        return found

    def compute(self, path: Path) -> Sums | None:
        """Return the checksums of a file as it is now, all of which is read; None if it changes meanwhile.

        Raises
        ------
        OSError
            If it cannot be read.
        """
        file = open_settled(path)
        try:
            before = file.status()
            md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
            pieces = ((start, min(_PIECE, file.size - start)) for start in range(0, file.size, _PIECE))
            for piece in file.read_many(pieces):
                md5.update(piece)
                sha256.update(piece)
            state = _state(path, before)
            if state != _state(path, file.status()) or not is_settled(before):
                return None
        finally:
            file.close()
        sums = Sums(md5.hexdigest(), sha256.hexdigest())
        with self._lock:
            row = (state, *sums, _seal(state, *sums), os.fsencode(path))
            self._run("INSERT OR REPLACE INTO files (state, md5, sha256, seal, path) VALUES (?, ?, ?, ?, ?)", row)
            self._run("DELETE FROM files WHERE number <= (SELECT max(number) FROM files) - ?", (_MOST_KEPT,))
        return sums

    def paths_with(self, digits: str) -> set[Path]:
        """Return the paths of files that have had a checksum, MD5 or SHA-256; each may have another by now."""
        with self._lock:
            rows = self._run("SELECT path FROM files WHERE md5 = ? OR sha256 = ?", (digits, digits))
        return {Path(os.fsdecode(path)) for (path,) in rows}

    def compute_alone(self, path: Path) -> None:
        """Compute the checksums of a file unless another process has meanwhile; one process at a time does it.

        Raises
        ------
        OSError
            If it cannot be read.
        """
        with self._only_one("lock", wait=True):
            if self.known(path, path.stat()) is None:
                self.compute(path)

    @contextmanager
    def ahead(self) -> Iterator[bool]:
        """Give whether this process is the one that computes ahead of requests; it is until this ends, or it does."""
        with self._only_one("ahead", wait=False) as is_only_one:
            # In memory, each process would read all files for itself.
            yield is_only_one and self._directory is not None and self._kept is not None

    def seconds_left(self) -> int:
        """Return about how long it takes until those that wait are known, in whole seconds, one at least."""
        size = 0
        for path in list(self._waiting)[:1000]:
            with suppress(OSError):
                size += path.stat().st_size
        return 1 + min(600, size // _BYTES_A_SECOND)

    def _queue(self, path: Path) -> None:
        with self._lock:
            if path in self._queued or len(self._queued) >= _MOST_WAITING:
                return
            self._queued.add(path)
            self._waiting.append(path)
            if self._thread is None:
                # It ends with the process, which must not wait for a large file.
                self._thread = threading.Thread(target=self._work, name="checksums", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
                path = self._waiting[0]
            try:
                self.compute_alone(path)
            except Exception as error:  # the next file may be another matter
                reason = getattr(error, "strerror", None) or type(error).__name__
                _log.error("the checksums of %s cannot be computed: %s", path.name, reason)
            with self._lock:
                self._waiting.popleft()
                self._queued.discard(path)

    @contextmanager
    def _only_one(self, name: str, wait: bool) -> Iterator[bool]:
        """Keep other processes out, or give that another is in; where there is no directory, each is for itself."""
        lock, is_only_one = None, True
        try:
            with self._lock, suppress(OSError, sqlite3.Error):
                self._kept = self._kept or self._open()  # makes the directory
                lock = (self._directory / name).open("ab") if self._directory is not None else None
            with suppress(OSError):
                if lock is not None:
                    is_only_one = wait
                    fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
                    is_only_one = True
            yield is_only_one
        finally:
            if lock is not None:
                lock.close()

    def _run(self, statement: str, values: tuple[str | int | bytes, ...] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a statement; if the disk fails, what is kept is kept in memory from now on."""
        try:
            if self._kept is None:
                self._kept = self._open()
            with self._kept:
                return self._kept.execute(statement, values).fetchall()
        except (sqlite3.Error, OSError) as error:
            if self._directory is None:
                raise
            _log.warning("checksums cannot be kept in cache_directory: %s", type(error).__name__)
            self._directory = self._kept = None
            return self._run(statement, values)

    def _open(self) -> sqlite3.Connection:
        if self._directory is None:
            place = ":memory:"
        else:
            self._directory = private_directory(self._directory)
            place = str(self._directory / "sums.sqlite")
        kept = sqlite3.connect(place, timeout=10, check_same_thread=False)
        for attempt in range(_ATTEMPTS):
            try:
                self._prepare(kept)
                break
            except sqlite3.OperationalError:  # another process does the same at this moment, which is not waited for
                if attempt == _ATTEMPTS - 1:
                    kept.close()
                    raise
                time.sleep(0.1)
        return kept

    @staticmethod
    def _prepare(kept: sqlite3.Connection) -> None:
        # A loss of power may lose the last ones, and spoils none.
        kept.execute("PRAGMA journal_mode = WAL")
        kept.execute("PRAGMA synchronous = NORMAL")
        kept.executescript(_TABLE)


def open_settled(path: Path) -> OpenFile:
    """Return an open file that was not written to in the last moment, for which this waits.

    Raises
    ------
    OSError
        If there is none.
    """
    if not S_ISREG(path.stat().st_mode):  # a pipe would be waited for
        raise OSError("it is no file")
    for _ in range(3):
        file = open_file(path)
        wait = _until_settled(file.status())
        if not wait:
            break
        file.close()
        time.sleep(wait / _SECOND)
    else:
        file = open_file(path)
    return file


def is_settled(status: os.stat_result) -> bool:
    """Return whether a file with this status has no later state that looks the same."""
    return not _until_settled(status)


def _until_settled(status: os.stat_result) -> int:
    """Return the nanoseconds until a file is settled; 0 if it is.

    One that was last written to far in the future, by a clock that was wrong, would get another time now.
    """
    age = time.time_ns() - status.st_ctime_ns
    return max(0, _CLOCK_TOLERANCE - age) if age > -_CLOCK_TOLERANCE else 0


def _state(path: Path, status: os.stat_result) -> str:
    # Without the device, which has another number after the next start of some machines.
    state = (str(path), *version_of(status)[1:], status.st_ctime_ns)
    return hashlib.sha256(repr(state).encode()).hexdigest()


def _seal(*values: str) -> str:
    return hashlib.sha256("\n".join(values).encode()).hexdigest()[:16]
