"""Stops work that nobody waits for any more."""

from __future__ import annotations


class Cancelled(Exception):
    """The client has gone; nobody gets to see this."""


class Cancellation:
    """Whether a piece of work is still wanted: one thread says that it is not, another asks between its steps."""

    def __init__(self) -> None:
        self._cancelled = False

    def cancel(self) -> None:
        """Make the work stop at its next step."""
        self._cancelled = True

    def check(self) -> None:
        """Do nothing while the work is wanted.

        Raises
        ------
        Cancelled
            If it is not.
        """
        if self._cancelled:
            raise Cancelled
