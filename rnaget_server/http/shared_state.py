"""The state of the whole server that its workers share: whether it shuts down, and how many workers have begun."""

from __future__ import annotations

import fcntl
import mmap
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_VARIABLE = "_RNAGET_STATE"
_WORD = 8
_STOPPING, _READY, _OLD = 0, 1, 2
_BYTES = 3 * _WORD


class SharedState:
    """The state that a master and its workers share.

    Parameters
    ----------
    descriptor
        An open file that all of them share; None: this process is alone.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        self._descriptor = descriptor
        self._words = memoryview(mmap.mmap(-1 if descriptor is None else descriptor, _BYTES)).cast("Q")

    @property
    def stopping(self) -> bool:
        """True once the server shuts down, so that no new clients should be sent to it."""
        return bool(self._words[_STOPPING])

    @property
    def ready(self) -> int:
        """The number of workers that have begun to take requests, of those started since the last reload."""
        return int(self._words[_READY])

    def stop(self) -> None:
        """Note that the server shuts down."""
        self._words[_STOPPING] = 1

    def await_new(self, age: int) -> None:
        """Count from now on the workers that are started after the one of an age: others may not yet have begun."""
        with self._locked():
            self._words[_READY], self._words[_OLD] = 0, age

    def add_ready(self, age: int) -> None:
        """Note that the worker of an age takes requests."""
        with self._locked():
            self._words[_READY] += age > self._words[_OLD]

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if self._descriptor is not None:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            if self._descriptor is not None:
                fcntl.lockf(self._descriptor, fcntl.LOCK_UN)


def share_state() -> SharedState:
    """Make and return, in the master and before it forks, the state that its workers will share."""
    os.environ.pop(_VARIABLE, None)
    with suppress(OSError), tempfile.TemporaryFile() as file:
        descriptor = os.memfd_create("rnaget-state") if hasattr(os, "memfd_create") else os.dup(file.fileno())
        os.ftruncate(descriptor, _BYTES)
        os.environ[_VARIABLE] = f"{os.getpid()}:{descriptor}"
        return SharedState(descriptor)
    return SharedState()


def shared_state() -> SharedState:
    """Return the state that a worker shares with its master, or that of a process alone."""
    master, _, descriptor = os.environ.get(_VARIABLE, "").partition(":")
    # A program that was started by a server has the variable, and not the memory.
    if master == str(os.getppid()):
        with suppress(OSError, ValueError):
            if os.fstat(int(descriptor)).st_size == _BYTES:
                return SharedState(int(descriptor))
    return SharedState()
