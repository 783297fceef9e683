"""Counts of the last seconds, in memory that the workers of one server share: exact for a client of any of them.

Each count has the time of its limit in 64 parts, and one more for the part that is only half within it, so that no
stretch of that time ever has more than the limit; a place is free again at most a 64th later than it could be.
"""

from __future__ import annotations

import fcntl
import hashlib
import math
import mmap
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import NamedTuple

_VARIABLE = "_RNAGET_COUNTS"
_WORD = 8
_PARTS = 64
_KEPT = _PARTS + 1
# Two words of the key, the number of the newest part, when all of it is over, and the parts.
_NEWEST, _OVER, _FIRST = 2, 3, 4
_ENTRY = _FIRST + _KEPT
_WAYS = 4
_ROWS = 8192
_HEADER = 8
_SECRET = 4
_AWAY = 4
_BYTES = (_HEADER + _ROWS * _WAYS * _ENTRY) * _WORD


@dataclass(frozen=True)
class Quota:
    """So many requests, or cells, in so many seconds."""

    amount: int
    seconds: int


class Taken(NamedTuple):
    """The answer to a wish for some of a quota.

    Attributes
    ----------
    quota
        The quota.
    allowed
        Whether there was enough, and was taken.
    remaining
        The amount that is left.
    seconds
        The time until more of it is free: of what was refused, until there is enough.
    """

    quota: Quota
    allowed: bool
    remaining: int
    seconds: float


class SharedCounts:
    """Counts of many clients. Of more than 32,768, those that are over soonest are forgotten.

    Parameters
    ----------
    descriptor
        An open file that all workers share; None: this process counts for itself.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        self._descriptor = descriptor
        # Pages that no client needs take no memory.
        self._words = memoryview(mmap.mmap(-1 if descriptor is None else descriptor, _BYTES)).cast("Q")
        self._threads = threading.Lock()
        with self._locked(0, _HEADER):
            if not any(self._words[:_SECRET]):
                for place in range(_SECRET):
                    self._words[place] = int.from_bytes(os.urandom(_WORD), "little")
        # Nobody can choose names whose counts are in the same place.
        self._secret = bytes(self._words[:_SECRET])

    def take(self, key: str, quota: Quota, cost: int = 1) -> Taken:
        """Take some of the quota of a client, if there is enough of it."""
        row, first, second = self._place(key, quota)
        with self._locked(row, _WAYS * _ENTRY):
            # Read within the lock, or the newest part might be one that another worker has seen end.
            now = time.monotonic()
            newest = int(now * _PARTS / quota.seconds)
            entry = self._entry(row, first, second)
            self._forget(entry, newest)
            used = sum(self._words[entry + _FIRST : entry + _ENTRY])
            allowed = used + cost <= quota.amount
            if allowed:
                self._words[entry + _FIRST + newest % _KEPT] += cost
                self._words[entry + _OVER] = math.ceil(now + quota.seconds)
                used += cost
            needed = 1 if allowed else used + cost - quota.amount
            seconds = self._until_free(entry, newest, needed) * quota.seconds / _PARTS - now
        return Taken(quota, allowed, quota.amount - used, max(0.0, seconds))

    def give_back(self, key: str, quota: Quota, cost: int = 1) -> None:
        """Give back what was taken last, since it was refused by another count."""
        row, first, second = self._place(key, quota)
        with self._locked(row, _WAYS * _ENTRY):
            entry = self._entry(row, first, second)
            place = entry + _FIRST + self._words[entry + _NEWEST] % _KEPT
            self._words[place] = max(0, self._words[place] - cost)

    def set_away(self, away: bool) -> bool:
        """Note that the shared store is away, or back; return whether this is the first worker to say so."""
        with self._locked(0, _HEADER):
            is_new = bool(self._words[_AWAY]) != away
            self._words[_AWAY] = away
        return is_new

    def _place(self, key: str, quota: Quota) -> tuple[int, int, int]:
        name = f"{quota.amount}/{quota.seconds} {key}".encode("utf-8", "surrogateescape")
        digest = hashlib.blake2b(name, digest_size=2 * _WORD, key=self._secret).digest()
        first, second = int.from_bytes(digest[:_WORD], "little"), int.from_bytes(digest[_WORD:], "little")
        return _HEADER + first % _ROWS * _WAYS * _ENTRY, first, second

    def _entry(self, row: int, first: int, second: int) -> int:
        """Return where the count of a key begins; it takes the place of the one that is over first, if it is new."""
        words = self._words
        entries = range(row, row + _WAYS * _ENTRY, _ENTRY)
        for entry in entries:
            if words[entry] == first and words[entry + 1] == second:
                return entry
        entry = min(entries, key=lambda entry: words[entry + _OVER])
        words[entry], words[entry + 1], words[entry + _NEWEST] = first, second, 0
        return entry

    def _forget(self, entry: int, newest: int) -> None:
        """Set the parts to zero that have ended since the count was last used."""
        words = self._words
        before = max(words[entry + _NEWEST], newest - _KEPT)
        for number in range(before + 1, newest + 1):
            words[entry + _FIRST + number % _KEPT] = 0
        words[entry + _NEWEST] = newest

    def _until_free(self, entry: int, newest: int, needed: int) -> int:
        """Return the number of the part at whose begin so much is free."""
        parts = self._words[entry + _FIRST : entry + _ENTRY].tolist()
        oldest = newest - _PARTS
        first = oldest % _KEPT
        for number, count in enumerate(parts[first:] + parts[:first], oldest):
            needed -= count
            if needed <= 0:
                return number + _KEPT
        return newest + _KEPT

    @contextmanager
    def _locked(self, place: int, words: int) -> Iterator[None]:
        """Keep other threads out, and other workers from some words; the lock of one that is killed ends with it."""
        with self._threads:
            if self._descriptor is None:
                yield
                return
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX, words * _WORD, place * _WORD)
            try:
                yield
            finally:
                fcntl.lockf(self._descriptor, fcntl.LOCK_UN, words * _WORD, place * _WORD)


def share_counts() -> None:
    """Make, in the master and before it forks, the memory in which its workers count."""
    os.environ.pop(_VARIABLE, None)
    with suppress(OSError), tempfile.TemporaryFile() as file:  # without it, each worker counts for itself
        descriptor = os.memfd_create("rnaget-counts") if hasattr(os, "memfd_create") else os.dup(file.fileno())
        os.ftruncate(descriptor, _BYTES)
        os.environ[_VARIABLE] = f"{os.getpid()}:{descriptor}"


def shared_counts() -> SharedCounts:
    """Return the counts that a worker shares with the others of its master, or those of a process alone."""
    master, _, descriptor = os.environ.get(_VARIABLE, "").partition(":")
    # A program that was started by a server has the variable, and not the memory.
    if master == str(os.getppid()):
        with suppress(OSError, ValueError):
            if os.fstat(int(descriptor)).st_size == _BYTES:
                return SharedCounts(int(descriptor))
    return SharedCounts()
