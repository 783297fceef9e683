"""Temporary directories that are locked while their process lives, so that those of killed ones can be removed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

OF_IMPORTS = "rnaget-import-"
"""The beginning of the names of those of imports."""


@contextlib.contextmanager
def temporary_directory(prefix: str) -> Iterator[Path]:
    """Give a new directory of this prefix that is locked as long as its process lives, and remove it afterwards."""
    path, handle = locked_directory(prefix)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(handle)


def remove_abandoned(prefix: str) -> None:
    """Remove the temporary directories of this prefix and user whose processes were killed."""
    with contextlib.suppress(OSError):  # the directory of temporary files cannot be listed
        for entry in os.scandir(tempfile.gettempdir()):
            if entry.name.startswith(prefix):
                with contextlib.suppress(OSError):  # in use, gone meanwhile, or on a file system without locks
                    _remove(entry)


def locked_directory(prefix: str) -> tuple[Path, int]:
    """Return a new directory, and the handle by which it is locked until that is closed, or its process ends."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=prefix))
        try:
            handle = _opened(path)
        except FileNotFoundError:  # removed before it was locked: see `remove_abandoned`
            continue
        with contextlib.suppress(OSError):  # a file system without locks, where nothing is removed either
            fcntl.flock(handle, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.stat(path), os.fstat(handle)):
                return path, handle
        os.close(handle)


def _remove(entry: os.DirEntry[str]) -> None:
    status = entry.stat(follow_symlinks=False)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        return
    handle = _opened(entry.path)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(entry.path, ignore_errors=True)
    finally:
        os.close(handle)


def _opened(path: str | Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
