"""Counts of how often a cache had what was asked of it."""

from __future__ import annotations

import threading


class UseCounts:
    """The hits and misses of one cache, since its process began. Any thread may count.

    Attributes
    ----------
    hits, misses
        The counts.
    lock
        Is held while they change: by `count`, and by a cache that guards its own state by it and counts itself.
    """

    def __init__(self) -> None:
        self.hits = 0
        self.misses = 0
        self.lock = threading.Lock()

    def count(self, is_hit: bool) -> None:
        """Count one use."""
        with self.lock:
            if is_hit:
                self.hits += 1
            else:
                self.misses += 1
