"""The cancellation of work whose client has disconnected."""

from __future__ import annotations

from dataclasses import dataclass


class Cancelled(Exception):
    """The client has disconnected; this error is never shown."""


@dataclass
class Cancellation:
    """A flag that a piece of work is no longer wanted: one thread sets it, another checks it between its steps."""

    cancelled: bool = False

    def cancel(self) -> None:
        """Make the work stop at its next step."""
        self.cancelled = True

    def check(self) -> None:
        """Do nothing while the work is wanted.

        Raises
        ------
        Cancelled
            If it is not.
        """
        if self.cancelled:
            raise Cancelled
