"""Work that others do, asked for a little ahead of where its results are used."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future
from typing import Any, TypeVar

from rnaget_server.compute.base import Part

Asked = TypeVar("Asked", bound="Future[Any]")


def asked_ahead(ask: Callable[[Part], Asked], parts: Iterable[Part], most: int) -> Generator[Asked, None, None]:
    """Yield what `ask` makes of each part, in their order, while no more than `most` others are at work.

    Who breaks off closes the generator: then those that have not begun are not worked on.
    """
    pending: deque[Asked] = deque()
    try:
        for part in parts:
            pending.append(ask(part))
            if len(pending) > most:
                yield pending.popleft()
        while pending:
            yield pending.popleft()
    finally:
        for future in pending:
            future.cancel()
