"""The time that a part of a reply may take, which is bounded: a query of thousands of conditions takes long."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from rnaget_server.errors import InvalidQuery
from rnaget_server.model.cancellation import Cancelled

_SECONDS = 30


class Clock:
    """Says when work is to end: when it has taken too long, or is not wanted any more.

    Parameters
    ----------
    is_cancelled
        Returns whether nobody wants it any more.
    """

    def __init__(self, is_cancelled: Callable[[], bool] = lambda: False) -> None:
        self._is_cancelled = is_cancelled
        self.start()

    def start(self) -> None:
        """Begin with the next part."""
        self._end = monotonic() + _SECONDS

    def has_ended(self) -> bool:
        """Return whether work is to end."""
        return monotonic() > self._end or self._is_cancelled()

    def check(self) -> None:
        """Do nothing as long as work is to go on.

        Raises
        ------
        Cancelled
            If nobody wants it any more.
        InvalidQuery
            If it has taken too long.
        """
        if self._is_cancelled():
            raise Cancelled
        if self.has_ended():
            raise InvalidQuery(f"Invalid query: it takes more than {_SECONDS} seconds: ask for less")
