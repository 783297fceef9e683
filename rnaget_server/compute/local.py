"""Work on parts in this process."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import ClassVar

from rnaget_server.compute.base import Part, Result
from rnaget_server.model.cancellation import Cancellation


@dataclass(frozen=True)
class LocalCompute:
    """Work in this process, on one part after the other; a `Compute`."""

    is_local: ClassVar = True
    """True: there is nothing else."""

    def map(
        self,
        function: Callable[[Part], Result],
        parts: Iterable[Part],
        cancellation: Cancellation | None = None,
    ) -> Generator[Result, None, None]:
        """Yield the result of each part, made when it is asked for."""
        for part in parts:
            if cancellation is not None:
                cancellation.check()
            yield function(part)

    def close(self) -> None:
        """Do nothing: there is nothing to let go."""
