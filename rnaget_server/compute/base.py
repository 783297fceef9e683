"""The protocol of work in parts."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import Protocol, TypeVar

from rnaget_server.model.cancellation import Cancellation

Part = TypeVar("Part")
Result = TypeVar("Result")


class Compute(Protocol):
    """Processors of this machine, or of others. Safe to share among threads."""

    @property
    def is_local(self) -> bool:
        """True if the parts are worked on in this process, one after the other."""

    def map(
        self,
        function: Callable[[Part], Result],
        parts: Iterable[Part],
        cancellation: Cancellation | None = None,
    ) -> Generator[Result, None, None]:
        """Yield the result of each part, in their order; few of them are worked on ahead.

        Who breaks off before the end closes the generator. A part may be worked on more than once, even at the
        same time, if a worker dies or is slow: what it writes goes to a temporary file of its own, renamed at the end.

        Parameters
        ----------
        function
            Works on a part: at the top of a module, since other processes import it by its name. What it raises is
            raised in the place of its result.
        parts
            Small values that can be pickled, such as paths and ranges, never the data themselves; the same holds for
            results.
        cancellation
            Until when the results of a request are wanted; None: always, as for an import, of which a part may take
            any time.

        Raises
        ------
        Cancelled
            Soon after it was cancelled.
        ComputeFailure
            If the other machines cannot be reached, fail, or take too long for a part of a request.
        """

    def close(self) -> None:
        """Let the other machines go; a later `map` connects again."""
