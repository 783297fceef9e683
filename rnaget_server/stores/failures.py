"""The errors of stores: of files that are whole and cannot be served, and of damaged ones."""

from __future__ import annotations

import errno
from pathlib import Path

from rnaget_server.errors import RnagetError

_LONGEST = 200
_FULL = "the disk is full: make room there"
_UNWRITTEN = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: "a file may not become that large: raise the limit (`ulimit -f`), or choose another disk",
}


class UnfitFile(OSError):
    """The file is whole, and of a form that is not served; the text goes on after its name and says what to do."""


def is_panic(error: BaseException) -> bool:
    """Return whether a Rust library has given up; its exception is no `Exception`, and no class to import."""
    return type(error).__name__ == "PanicException"


def is_of_file(error: BaseException) -> bool:
    """Return whether an error that came out of a store speaks of its file, and not of the query or the process."""
    return is_panic(error) or (isinstance(error, Exception) and not isinstance(error, RnagetError))


def reason(error: BaseException, *paths: Path) -> str:
    """Return in one line why a file cannot be read: printable, and naming no directory of these paths."""
    if isinstance(error, MemoryError):
        return "it needs more memory than there is"
    line = next(iter(str(error).splitlines()), "")
    for path in paths:
        line = line.replace(str(path), path.name)
    # Words of our own and of the system say all; a bare key or number says nothing.
    message = line if isinstance(error, OSError) and line else f"{type(error).__name__}: {line}".removesuffix(": ")
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in message[:_LONGEST])


def unwritten(error: BaseException) -> str | None:
    """Return what to do about an error that says that a disk takes no more, or the file; None about any other."""
    own, text = getattr(error, "errno", None), str(error)
    return next((advice for code, advice in _UNWRITTEN.items() if code == own or f"errno = {code}," in text), None)
