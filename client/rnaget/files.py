"""Files that appear under their name only once they are complete."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from rnaget.errors import ClientError

if sys.platform != "win32":
    import fcntl


@contextmanager
def replacing(output: Path) -> Iterator[BinaryIO]:
    """Open a temporary file that takes the name `output` when the block ends, and is removed if it fails.

    Raises
    ------
    ClientError
        If no file of that name can be written. All that can be known before is found before the block runs.
    """
    with written_errors(output):
        target = target_of(output)
        temporary = target.with_name(f".{os.urandom(8).hex()}.part")
        try:
            with temporary.open("x+b") as file:
                yield file
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Keep other downloads from a file, which is made if it is not there; on Windows nothing is kept from it.

    Raises
    ------
    ClientError
        If another download has it.
    """
    if sys.platform == "win32":
        yield
        return
    while True:
        with path.open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ClientError(f"{path} is being written by another download: wait for its end") from None
            except OSError:  # a file system without locks
                pass
            if _is_at(path, file):
                yield
                return


def _is_at(path: Path, file: BinaryIO) -> bool:
    """Return whether an open file still has its name; the download that had it may have ended meanwhile."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


@contextmanager
def written_errors(output: object) -> Iterator[None]:
    """Report that `output` cannot be written in one line."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise ClientError(f"{output} cannot be written: {error.strerror or error}") from None


def target_of(output: Path) -> Path:
    """Return the path of the file to replace: the target of a link, not the link."""
    with written_errors(output):
        return _target_of(output)


def _target_of(output: Path) -> Path:
    try:
        target = output.resolve()
        target.lstat()  # fails for a name that is too long
        is_circle = target.is_symlink()  # in Python 3.13; before, resolving it fails
    except FileNotFoundError:
        is_circle = False
    except RuntimeError:
        is_circle = True
    if is_circle:
        raise ClientError(f"{output} cannot be written: it is a link that leads in a circle")
    if not target.parent.is_dir():
        folder = target.parent if output.is_symlink() else output.parent
        raise ClientError(f"{output} cannot be written: there is no directory {folder}: make it first")
    if target.is_dir():
        raise ClientError(f"{output} cannot be written: it is a directory; name a file in it")
    if target.exists() and not target.is_file():
        raise ClientError(f"{output} cannot be written: it is not a regular file; write to standard output instead")
    return target
