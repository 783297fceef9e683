"""The temporary files of imports: their names, their renaming, and the leftovers of an import that was killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import BinaryIO

PREFIX = ".import-"
"""The beginning of the names of temporary files and directories in a catalogue."""

_PARTS = f"{PREFIX}parts."
# Seconds between two times that a file is brought to the disk while it is written.
_BETWEEN = 1.0


def new_temporary(path: Path) -> Path:
    """Return a new, empty file in the directory of `path`, to be renamed to it once it is whole."""
    handle, name = tempfile.mkstemp(prefix=f"{PREFIX}{path.name}.", dir=path.parent)
    os.close(handle)
    return Path(name)


def new_shared_directory(directory: Path) -> Path:
    """Return a new directory in another, for the temporary files of processes that work on parts of an import."""
    return Path(tempfile.mkdtemp(prefix=_PARTS, dir=directory))


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Give a file to write that gets its name once it is whole, also where other processes write the same."""
    temporary = new_temporary(path)
    try:
        with temporary.open("wb") as file:
            yield file
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def discard_directory(path: Path) -> None:
    """Remove a directory, even if others still write to files in it, or try to make some."""
    gone = path.with_name(f"{path.name}.gone")
    with contextlib.suppress(FileNotFoundError):  # removed already
        path.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def temporary_name(path: Path, kind: str) -> Path:
    """Return the name of a file of that kind in the directory of `path`; it need not exist."""
    return path.with_name(f"{PREFIX}{kind}.{path.name}")


@contextlib.contextmanager
def exclusive_in(data: Path) -> Iterator[None]:
    """Let one import at a time change a catalogue: each reads it, and writes what it has read with something added.

    Directories are made for it; if what follows fails, they are removed.
    """
    with created_directory(data):
        handle = os.open(data, os.O_RDONLY)
        try:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


@contextlib.contextmanager
def created_directory(path: Path) -> Iterator[None]:
    """Make a directory; if what follows fails, remove it and every parent that was made for it."""
    created = [parent for parent in (path, *path.parents) if not parent.exists()]
    path.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for parent in created:
            with contextlib.suppress(OSError):  # something else was put there meanwhile
                parent.rmdir()
        raise


@contextlib.contextmanager
def written_early(path: Path) -> Iterator[None]:
    """Have what is written to a file brought to the disk meanwhile, so that `commit` does not wait for all of it.

    Raises
    ------
    OSError
        At the end, if the disk has failed.
    """
    ended = Event()

    def bring() -> None:
        with path.open("rb") as file:
            while not ended.wait(_BETWEEN):
                os.fsync(file.fileno())

    with ThreadPoolExecutor(1) as thread:
        done = thread.submit(bring)
        try:
            yield
        finally:
            ended.set()
        done.result()


def commit(temporary: Path, target: Path) -> None:
    """Rename a file that is whole, so that a loss of power leaves either it or the old one."""
    with temporary.open("rb") as written:
        os.fsync(written.fileno())
    temporary.replace(target)
    handle = os.open(target.parent, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # a file system that cannot
            os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def working_in(directory: Path) -> Iterator[None]:
    """Remove what killed imports have left in a directory, and keep others from taking what follows for such."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        # Another import is at work there, or the file system knows no locks: then nothing is removed.
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for path in _unfinished(directory):
                path.unlink(missing_ok=True)
            for path in directory.glob(f"{_PARTS}*"):
                shutil.rmtree(path, ignore_errors=True)
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)


def leftovers(directory: Path) -> list[Path]:
    """Return what killed imports have left in a directory and those in it, apart from where imports are at work."""
    found = [*_unfinished(directory), *sorted(directory.rglob(f"{_PARTS}*"))]
    return [path for path in found if not any(map(_is_locked, (path.parent, path.parent.parent)))]


def leftover_directories(directory: Path) -> list[Path]:
    """Return the directories that killed imports have left in one, unless an import is at work."""
    if not directory.is_dir() or any(map(_is_locked, (directory, directory.parent))):
        return []
    return sorted(path for path in directory.glob(f"{PREFIX}*") if path.is_dir() and not path.is_symlink())


def default_mode() -> int:
    """Return the permissions that a new file of this process gets."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _is_locked(directory: Path) -> bool:
    handle = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return False
    except OSError:
        return True
    finally:
        os.close(handle)


def _unfinished(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob(f"{PREFIX}*") if path.is_file() and not path.is_symlink())
