"""Work on one piece after another by all processors, as far as it leaves the interpreter's lock alone.

Who may break off before the end closes the generators, so that no thread is left at work on a file that is closed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from typing import Any, Final, TypeVar

from rnaget_server.compute.ahead import asked_ahead

PROCESSORS: Final = min(8, os.cpu_count() or 1)
"""Number of threads for such work: more would wait for the interpreter's lock, and each holds a piece in memory."""

Item = TypeVar("Item")
Result = TypeVar("Result")
_END: Any = object()


def in_order(
    work: Callable[[Item], Result], items: Iterable[Item], alone: bool = False
) -> Generator[Result, None, None]:
    """Yield the result of each item, in their order, each made in a thread.

    Parameters
    ----------
    work
        Makes a result; what it raises is raised in the place of its result.
    items
        Taken in the thread of the caller, no more of them ahead than `PROCESSORS`.
    alone
        True if the other processors have work already: then no threads are used.
    """
    if alone:
        yield from map(work, items)
        return
    with (
        ThreadPoolExecutor(PROCESSORS) as threads,
        closing(asked_ahead(lambda item: threads.submit(work, item), items, PROCESSORS)) as asked,
    ):
        for future in asked:
            yield future.result()


def ahead(items: Iterable[Item]) -> Generator[Item, None, None]:
    """Yield the items, each made in a thread while the one before it is used."""
    made = iter(items)
    with ThreadPoolExecutor(1) as thread:
        following = thread.submit(next, made, _END)
        while (item := following.result()) is not _END:
            following = thread.submit(next, made, _END)
            yield item


class Threads:
    """Threads that work on parts in the way of `Processes`; `shared` is given to every function."""

    def __init__(self, shared: Any) -> None:
        self._shared = shared

    def map(self, function: Callable[[Any, Item], Result], parts: Iterable[Item]) -> Generator[Result, None, None]:
        """Yield the result of each part, in their order; see `in_order`."""
        return in_order(partial(function, self._shared), parts)

    map_arrays = map

    def close(self) -> None:
        """Do nothing: threads end with what they work on."""


@contextmanager
def meanwhile(work: Callable[[], Result]) -> Iterator[Future[Result]]:
    """Give what a thread works on meanwhile; it has ended when the context has."""
    with ThreadPoolExecutor(1) as thread:
        yield thread.submit(work)
