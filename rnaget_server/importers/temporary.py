"""The temporary directories of imports, and the removal of those that killed imports have left."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_PREFIX = "rnaget-import-"
_MOST_NAMES, _MOST_REMOVED = 100_000, 100
# What is younger may belong to an import that has not locked it yet.
_YOUNG = 60.0


@contextlib.contextmanager
def temporary_directory() -> Iterator[Path]:
    """Give an empty directory, locked as long as this process is at work in it, and remove it afterwards."""
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as name, contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # a file system without locks, where nothing is taken for abandoned
            stack.callback(os.close, _locked(name))
        yield Path(name)


def remove_abandoned() -> None:
    """Remove temporary directories of this user that belong to no process that lives, as after a kill."""
    removed = 0
    with contextlib.suppress(OSError), os.scandir(tempfile.gettempdir()) as entries:
        for entry in itertools.islice(entries, _MOST_NAMES):
            if removed < _MOST_REMOVED and entry.name.startswith(_PREFIX) and _is_old(entry):
                with contextlib.suppress(OSError):
                    handle = _locked(entry.path)
                    removed += 1
                    try:
                        shutil.rmtree(entry.path, ignore_errors=True)
                    finally:
                        os.close(handle)


def _is_old(entry: os.DirEntry[str]) -> bool:
    """Return whether this is a directory of this user, no link, to which nothing was added lately."""
    try:
        state = entry.stat(follow_symlinks=False)
    except OSError:
        return False
    age = time.time() - state.st_mtime
    return entry.is_dir(follow_symlinks=False) and state.st_uid == os.geteuid() and age > _YOUNG


def _locked(path: str) -> int:
    """Return a handle that holds the lock of a directory; an `OSError` says that another process does."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise
    return handle
