"""A bounded directory of files that can be made again, shared by the processes of one machine."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import re
import stat
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from rnaget_server.model.use_counts import UseCounts

_log = logging.getLogger(__name__)
_KEY = re.compile(r"[0-9a-f]{16,128}")
_PART = "part-"
_LOCK = "lock"
_BLOCK = 4096
_DIGITS = 20
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_TRANSIENT = (errno.ELOOP, errno.ENXIO, errno.ENOENT, errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.EIO)


def boot_id() -> str:
    """Return what is another after each start of the machine: before it, files may not have reached the disk."""
    return _BOOT.read_text().strip() if _BOOT.exists() else ""


def private_directory(path: Path) -> Path:
    """Return the real place of a directory that only this user can write to, which is made if need be.

    Raises
    ------
    OSError
        If it cannot be made, or somebody else could put files into it.
    """
    for directory in (*reversed(path.parents), path):
        if not directory.exists():
            directory.mkdir(mode=0o700, exist_ok=True)
    real = path.resolve(strict=True)
    if real.stat().st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, "it belongs to another user")
    if real.stat().st_mode & 0o022:
        raise PermissionError(errno.EPERM, "others may write to it")
    above = real.parent.stat()
    if above.st_uid not in (0, os.geteuid()) or (above.st_mode & 0o022 and not above.st_mode & stat.S_ISVTX):
        raise PermissionError(errno.EPERM, "others may replace it")
    return real


class DiskCache:
    """Files by key, of which those used longest ago go first.

    Safe among threads and processes. An error of the disk is logged once and costs no more than the cache:
    nothing is found, and what is put is not kept.

    Parameters
    ----------
    directory
        Where the files are; made if need be, and used for nothing else.
    max_bytes
        Most bytes on disk, in blocks of 4 KiB; what is being written comes on top. 0: nothing is kept.
    """

    def __init__(self, directory: Path, max_bytes: int) -> None:
        self._directory = directory
        self.max_bytes = max_bytes
        """0 from the moment on when the directory cannot be used."""
        self.uses = UseCounts()
        self._checked: tuple[int, ...] | None = None
        self._logged: set[str] = set()
        self._log_lock = threading.Lock()
        if max_bytes > 0:
            with self._forgiving():
                self._directory = private_directory(directory)
            with self._forgiving(), self._locked() as lock:
                self._clear_after_restart()
                _write_total(lock, self._sweep(self.max_bytes))

    def open(self, key: str, counted: bool = True) -> BinaryIO | None:
        """Return the file of that key open for reading, None if there is none; a hexadecimal digest is a key.

        Parameters
        ----------
        key
            The key.
        counted
            Whether it is a use of the cache.
        """
        path = self._path(key)
        if self.max_bytes <= 0:
            return None
        file = self._opened(path)
        if counted:
            self.uses.count(file is not None)
        return file

    def _opened(self, path: Path) -> BinaryIO | None:
        with self._forgiving(), suppress(FileNotFoundError):
            # Neither a link nor a pipe is followed or waited for: somebody else put it there.
            number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            status = os.fstat(number)
            if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
                os.close(number)
                return None
            file = os.fdopen(number, "rb")
            with suppress(OSError):
                os.utime(number)
            return file
        return None

    def remove(self, key: str) -> None:
        """Remove the file of that key, if there is one: it proved to be damaged."""
        with suppress(OSError):
            self._path(key).unlink()
            _log.warning("a damaged file was removed from cache_directory")

    @contextmanager
    def put(self, key: str) -> Iterator[BinaryIO]:
        """Yield a file to write; it is kept under the key if the block ends well, and removed if it does not."""
        entry = self.entry(key)
        try:
            yield entry.file
            entry.commit()
        finally:
            entry.discard()

    def entry(self, key: str) -> Entry:
        """Return a new file for the key, which its owner commits or discards."""
        path = self._path(key)
        if self.max_bytes > 0:
            with self._forgiving(), self._locked():
                # A file being written is locked, what a killed process left is not; it is taken within the lock of the
                # directory, so that nobody sweeps the file away before.
                number, name = tempfile.mkstemp(prefix=_PART, dir=self._directory)
                file = cast(BinaryIO, os.fdopen(number, "w+b"))
                fcntl.flock(file, fcntl.LOCK_EX)
                return Entry(file, self, Path(name), path)
        return Entry(cast(BinaryIO, tempfile.TemporaryFile()), self, None, path)

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Keep others who ask for the same key waiting, so that one makes what all want."""
        file: BinaryIO | None = None
        if self.max_bytes > 0:
            with self._forgiving():
                file = (self._directory / f"{_LOCK}-{key[:2]}").open("ab")
                fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            if file is not None:
                file.close()

    def _commit(self, temporary: Path, path: Path) -> None:
        with self._forgiving(), self._locked() as lock:
            cost = _cost(temporary.stat().st_size)
            if cost > self.max_bytes:
                return
            total = _total(lock)
            with suppress(FileNotFoundError):
                total -= _cost(path.stat().st_size)
            if total < 0 or total + cost > self.max_bytes:
                # Rather more than needed, so that not every file makes the directory be read.
                total = self._sweep(min(self.max_bytes - cost, self.max_bytes * 7 // 8))
            _write_total(lock, total + cost)
            temporary.replace(path)

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise ValueError("a key is a digest in lower-case hexadecimal digits")
        return self._directory / key

    @contextmanager
    def _locked(self) -> Iterator[BinaryIO]:
        """Yield the locked file that says how many bytes the directory holds."""
        if self._checked is None or self._state() != self._checked:
            private_directory(self._directory)
            self._checked = self._state()
        with open(os.open(self._directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b", 0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file

    def _state(self) -> tuple[int, ...] | None:
        """Return what the directory is and who may write to it; None if it is not there."""
        try:
            status = self._directory.stat()
        except FileNotFoundError:
            return None
        return status.st_dev, status.st_ino, status.st_uid, status.st_mode

    def _sweep(self, max_bytes: int) -> int:
        """Remove leftovers, and what was used longest ago until `max_bytes` are left; return how many there are."""
        files: list[tuple[int, int, str]] = []
        with os.scandir(self._directory) as entries:
            for file in entries:
                if file.name.startswith(_PART):
                    _remove_if_abandoned(Path(file.path))
                elif _KEY.fullmatch(file.name):
                    with suppress(FileNotFoundError):
                        status = file.stat(follow_symlinks=False)
                        files.append((status.st_mtime_ns, _cost(status.st_size), file.path))
        total = sum(cost for _, cost, _ in files)
        for _, cost, name in sorted(files):
            if total <= max_bytes:
                break
            Path(name).unlink(missing_ok=True)
            total -= cost
        return total

    def _clear_after_restart(self) -> None:
        """Forget everything after the machine was restarted: files are not synced, so a power cut may damage them."""
        boot = boot_id()
        mark = self._directory / "boot"
        if not mark.exists() or mark.read_text() != boot:
            self._sweep(0)
            mark.write_text(boot)

    @contextmanager
    def _forgiving(self) -> Iterator[None]:
        """Turn the cache off on an error of the disk; a full disk only leaves out what it has no room for."""
        try:
            yield
        except OSError as error:
            if error.errno not in _TRANSIENT:
                self.max_bytes = 0
            with self._log_lock:
                message = error.strerror or type(error).__name__
                if message not in self._logged:
                    self._logged.add(message)
                    _log.warning("cache_directory cannot be used: %s", message)


@dataclass
class Entry:
    """A file on its way into the cache."""

    file: BinaryIO
    """Open for writing and reading; readable through a duplicate of its descriptor even if it is not kept."""

    _cache: DiskCache
    _temporary: Path | None
    _path: Path

    def commit(self) -> None:
        """Put the file under its key, unless it is larger than the whole cache."""
        if self._temporary is not None:
            with self._cache._forgiving():
                if not self.file.closed:
                    self.file.flush()
                self._cache._commit(self._temporary, self._path)
        self.discard()

    def discard(self) -> None:
        """Close the file, and remove it unless it was kept."""
        if self._temporary is not None:
            with suppress(OSError):
                self._temporary.unlink(missing_ok=True)
            self._temporary = None
        with suppress(OSError):
            self.file.close()


def _total(lock: BinaryIO) -> int:
    text = os.pread(lock.fileno(), _DIGITS, 0)
    return int(text) if text.isdigit() else -1


def _write_total(lock: BinaryIO, total: int) -> None:
    # Always as many digits, since some file systems wait for the disk after a file was cut to nothing.
    os.pwrite(lock.fileno(), b"%0*d" % (_DIGITS, total), 0)


def _cost(size: int) -> int:
    return -(-max(size, 1) // _BLOCK) * _BLOCK


def _remove_if_abandoned(temporary: Path) -> None:
    """Remove an unfinished file whose writer is gone, which its lock shows."""
    with suppress(OSError), temporary.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        temporary.unlink(missing_ok=True)
