"""The digests of a long sequence, each made by a thread of its own while the next letters are read."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from rnaget_server.sequences.digests import Digests, SequenceHash

_LARGE = 256 << 10
_MOST_WAITING = 2


class HashThreads:
    """The threads that digests are made in: one for each kind, so that the letters come to it in their order."""

    def __init__(self) -> None:
        self._threads = [ThreadPoolExecutor(1) for _ in SequenceHash().kinds]

    def close(self) -> None:
        """End the threads."""
        for threads in self._threads:
            threads.shutdown(cancel_futures=True)

    def start(self, hashes: tuple[Any, ...], piece: bytes) -> list[Future[None]]:
        """Have each digest take the next letters."""
        return [threads.submit(one.update, piece) for threads, one in zip(self._threads, hashes, strict=True)]


class ParallelHash:
    """As `SequenceHash`, for one sequence; of large pieces two wait at most, so that memory is bounded."""

    def __init__(self, threads: HashThreads) -> None:
        self._hash = SequenceHash()
        self._threads = threads
        self._waiting: deque[list[Future[None]]] = deque()

    def update(self, piece: bytes) -> None:
        """Take the next letters."""
        if len(piece) < _LARGE and not self._waiting:
            self._hash.update(piece)
            return
        self._waiting.append(self._threads.start(self._hash.kinds, piece))
        if len(self._waiting) > _MOST_WAITING:
            self._wait()

    def digests(self) -> Digests:
        """Return the digests of all letters so far."""
        while self._waiting:
            self._wait()
        return self._hash.digests()

    def _wait(self) -> None:
        for one in self._waiting.popleft():
            one.result()
