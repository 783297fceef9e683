"""Lines that the workers of one server write once among them, such as what is wrong with the catalogue."""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import tempfile
from collections.abc import Iterable
from contextlib import suppress

ONCE = "once"
"""The attribute of a log record (given by ``extra``) that names the state it is about; it is written once for each."""

_VARIABLE = "_RNAGET_LOG_ONCE"
_DIGEST = 16
_MOST = 4096


class Once(logging.Filter):
    """Lets a line about a state pass in the worker that is the first to write it.

    Parameters
    ----------
    descriptor
        An open file that all workers share, with the digests of the lines that were written.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a line is written: any that is about no state, or that no worker has written yet."""
        state = getattr(record, ONCE, None)
        if state is None:
            return True
        key = hashlib.sha256(f"{state}\0{record.getMessage()}".encode("utf-8", "replace")).digest()[:_DIGEST]
        try:
            return self._is_first(key)
        except OSError:  # rather twice than never
            return True

    def _is_first(self, key: bytes) -> bool:
        fcntl.lockf(self._descriptor, fcntl.LOCK_EX)
        try:
            size = os.fstat(self._descriptor).st_size
            written = os.pread(self._descriptor, size, 0)
            if any(written[start : start + _DIGEST] == key for start in range(0, len(written), _DIGEST)):
                return False
            if size >= _MOST * _DIGEST:
                os.ftruncate(self._descriptor, size := 0)
            os.pwrite(self._descriptor, key, size)
            return True
        finally:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN)


def share_written_lines() -> None:
    """Open, in the master and before it forks, the file by which its workers know what others have written."""
    os.environ.pop(_VARIABLE, None)
    with suppress(OSError), tempfile.TemporaryFile() as file:  # without it, each worker writes its lines
        os.environ[_VARIABLE] = f"{os.getpid()}:{os.dup(file.fileno())}"


def write_once(handlers: Iterable[logging.Handler]) -> None:
    """Have the handlers of a worker write once, among all workers of its master, the lines about a state."""
    master, _, descriptor = os.environ.get(_VARIABLE, "").partition(":")
    # A program that was started by a server has the variable, and not the file.
    if master != str(os.getppid()):
        return
    with suppress(OSError, ValueError):
        os.fstat(int(descriptor))
        for handler in handlers:
            handler.addFilter(Once(int(descriptor)))
