"""Work on parts by processes of this machine, which hand over what they make in a file."""

from __future__ import annotations

import mmap
import os
import pickle
import signal
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from functools import partial
from itertools import accumulate, pairwise
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import IO, Any, NamedTuple

from rnaget_server.compute.base import Part, Result
from rnaget_server.compute.heap import reuse_memory
from rnaget_server.errors import ComputeFailure

# The places of results in the file are so far from one another; where nothing is written, it takes no room.
_ROOM = 1 << 33
_ENDED = (
    "a process of the import has ended early: see that there is memory enough for all of them, and that nobody writes "
    "to the source meanwhile"
)


class SharedFile:
    """A temporary file without a name, which processes that are started with it share."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    @classmethod
    def new(cls, directory: Path) -> SharedFile:
        """Return an empty file in a directory; it is gone once all that have it are closed or ended."""
        return cls(tempfile.TemporaryFile(dir=directory, buffering=0))

    def __reduce__(self) -> tuple[Callable[[Any], SharedFile], tuple[Any]]:
        """Return what opens it in a process that is being started."""
        return _adopted, (DupFd(self.fileno()),)

    def fileno(self) -> int:
        """Return the number of the open file."""
        return self._file.fileno()

    def close(self) -> None:
        """Give the file back."""
        self._file.close()


def _adopted(descriptor: Any) -> SharedFile:
    return SharedFile(os.fdopen(descriptor.detach(), "r+b", buffering=0))


class _Made(NamedTuple):
    """A result but for its arrays, and their sizes, one behind another in the file."""

    pickled: bytes
    sizes: list[int]


class Processes:
    """Processes that work on parts; they start with the first ones.

    Parameters
    ----------
    count
        Number of processes.
    directory
        The directory of the temporary file for results.
    shared
        Given to every function; it is pickled once for each process.
    """

    def __init__(self, count: int, directory: Path, shared: Any) -> None:
        self._count = count
        self._results = SharedFile.new(directory)
        self._pool = ProcessPoolExecutor(count, get_context("spawn"), _begin, (self._results, shared))

    def map(self, function: Callable[[Any, Part], Result], parts: Iterable[Part]) -> Generator[Result, None, None]:
        """Yield the result of each part, in their order.

        Parameters
        ----------
        function
            Makes a result of what is shared and a part: at the top of a module. What it raises is raised in the place
            of its result.
        parts
            Small values that can be pickled, taken when they are needed.

        Raises
        ------
        ComputeFailure
            If a process has ended.
        """
        with closing(self._in_order(parts, lambda part, _: self._submitted(_work, function, part))) as results:
            for _, future in results:
                yield _result(future)

    def map_arrays(
        self, function: Callable[[Any, Part], Result], parts: Iterable[Part]
    ) -> Generator[Result, None, None]:
        """Yield results with large arrays, which may be used until the next result is asked for; see `map`."""
        with closing(self._in_order(parts, partial(self._submitted, _work_on_arrays, function))) as results:
            for place, future in results:
                yield self._with_arrays(place, _result(future))

    def _in_order(
        self, parts: Iterable[Part], submit: Callable[[Part, int], Future[Any]]
    ) -> Generator[tuple[int, Future[Any]], None, None]:
        """Yield the place for arrays and the future of each part."""
        pending: deque[tuple[int, Future[Any]]] = deque()
        try:
            for number, part in enumerate(parts):
                place = number % (self._count + 2) * _ROOM
                pending.append((place, submit(part, place)))
                if len(pending) > self._count:
                    yield pending.popleft()
            while pending:
                yield pending.popleft()
        finally:
            for _, future in pending:
                future.cancel()

    def close(self) -> None:
        """End the processes, once they are done with what they are at."""
        self._pool.shutdown(cancel_futures=True)
        self._results.close()

    def _submitted(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        # A process that starts has the signals blocked that this thread has: Ctrl-C is for this process alone.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            with _as_failure():
                return self._pool.submit(function, *arguments)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _with_arrays(self, place: int, made: _Made) -> Any:
        if total := sum(made.sizes):
            whole = memoryview(mmap.mmap(self._results.fileno(), total, prot=mmap.PROT_READ, offset=place))
        else:
            whole = memoryview(b"")
        ends = accumulate(made.sizes, initial=0)
        return pickle.loads(made.pickled, buffers=[whole[start:end] for start, end in pairwise(ends)])


@contextmanager
def _as_failure() -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool:
        raise ComputeFailure(_ENDED) from None


def _result(future: Future[Result]) -> Result:
    with _as_failure():
        return future.result()


_STATE: dict[str, Any] = {}


def _begin(results: SharedFile, shared: Any) -> None:
    """Keep what the functions need; called as a process starts."""
    _STATE.update(results=results, shared=shared)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    reuse_memory()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def _work(function: Callable[[Any, Part], Result], part: Part) -> Result:
    return function(_STATE["shared"], part)


def _work_on_arrays(function: Callable[[Any, Part], Result], part: Part, place: int) -> _Made:
    buffers: list[pickle.PickleBuffer] = []
    pickled = pickle.dumps(function(_STATE["shared"], part), protocol=5, buffer_callback=buffers.append)
    arrays = [buffer.raw() for buffer in buffers]
    sizes = [array.nbytes for array in arrays]
    if sum(sizes) > _ROOM:
        raise ComputeFailure(f"a part of the import has {sum(sizes):,} bytes, which are more than can be handed over")
    for left in arrays:
        while left:
            written = os.pwrite(_STATE["results"].fileno(), left, place)
            left, place = left[written:], place + written
    return _Made(pickled, sizes)
