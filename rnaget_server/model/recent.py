"""Values that take long to make, by key: those that were asked for last, as many as there is room for."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class RecentValues(Generic[Key, Value]):
    """Values by key. Safe to share among threads; one value is made at a time, so that one is in work at most.

    Parameters
    ----------
    most
        How much all of them may weigh.
    weight
        Returns how much one weighs; without it, each weighs 1.
    """

    def __init__(self, most: int, weight: Callable[[Value], int] = lambda _: 1) -> None:
        self._most = most
        self._weight = weight
        self._held = 0
        self._values: OrderedDict[Key, Value] = OrderedDict()
        self._lock = threading.Lock()
        self._making = threading.Lock()

    def known(self, key: Key) -> Value | None:
        """Return a value, None if it is not kept."""
        with self._lock:
            value = self._values.get(key)
            if value is not None:
                self._values.move_to_end(key)
            return value

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """Return a value, made now if it is not kept."""
        value = self.known(key)
        if value is not None:
            return value
        with self._making:
            value = self.known(key)
            if value is None:
                value = make()
                self._keep(key, value)
        return value

    def _keep(self, key: Key, value: Value) -> None:
        with self._lock:
            self._values[key] = value
            self._held += self._weight(value)
            while self._held > self._most:
                _, oldest = self._values.popitem(last=False)
                self._held -= self._weight(oldest)
