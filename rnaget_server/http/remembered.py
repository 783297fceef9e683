"""What takes long to find out and seldom changes, kept for a while."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool


@dataclass(frozen=True)
class _Kept:
    basis: object
    until: float
    value: Any


class Remembered:
    """Values by key.

    Parameters
    ----------
    seconds
        How long a value is kept. 0: not at all.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._kept: dict[Hashable, _Kept] = {}

    async def get(self, key: Hashable, basis: object, make: Callable[[], Any]) -> Any:
        """Return the value of `key`, made in a thread if there is none, or one that is too old or of another basis.

        Parameters
        ----------
        key
            One of few: nothing is ever thrown out.
        basis
            The object that the value is made from, such as the catalogue in service.
        make
            Makes the value.
        """
        kept = self._kept.get(key)
        if kept is not None and kept.basis is basis and time.monotonic() < kept.until:
            return kept.value
        until = time.monotonic() + self._seconds
        value = await run_in_threadpool(make)
        self._kept[key] = _Kept(basis, until, value)
        return value
