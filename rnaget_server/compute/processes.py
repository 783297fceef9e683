"""Work on parts by processes of this machine, which hand over what they make in a file."""

from __future__ import annotations

import mmap
import os
import pickle
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from itertools import accumulate, cycle, pairwise
from multiprocessing import current_process, get_context, parent_process, resource_tracker, set_start_method
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import DupFd
from pathlib import Path
from types import ModuleType
from typing import IO, Any, NamedTuple

from rnaget_server.compute.ahead import asked_ahead
from rnaget_server.compute.base import Part, Result
from rnaget_server.compute.heap import reuse_memory
from rnaget_server.errors import ComputeFailure

_ENDED = "a process that worked on a part has ended early"
_NO_MEMORY = f"{_ENDED}: see that there is memory enough for all of them"
_CUT_SHORT = f"{_ENDED}: the file was cut short while it was read, or its disk has failed"
# Bytes of free memory that a process keeps.
_MOST_KEPT = 1 << 30


# One process starts at a time: for that moment, this one is not quite itself.
_STARTING = threading.Lock()


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

    def write(self, cells: memoryview, offset: int) -> None:
        """Write bytes from an offset on; several threads and processes may do so at once."""
        while cells:
            written = os.pwrite(self.fileno(), cells, offset)
            cells, offset = cells[written:], offset + written

    def close(self) -> None:
        """Give the file back."""
        self._file.close()


def _adopted(descriptor: Any) -> SharedFile:
    return SharedFile(os.fdopen(descriptor.detach(), "r+b", buffering=0))


class _PackedResult(NamedTuple):
    """A result but for its arrays, and the number of the file in which these are one behind another, by their sizes."""

    file: int
    pickled: bytes
    sizes: list[int]


class _Process:
    """One of the processes, which answers one question after another."""

    def __init__(self, results: Sequence[SharedFile], shared: Any) -> None:
        context = get_context("spawn")
        self._connection, other = context.Pipe()
        # Python ends it with this process, if nothing else has.
        self._process: BaseProcess = context.Process(target=_serve, args=(other, results, shared), daemon=True)
        with _without_script():
            self._process.start()
        other.close()

    def ask(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return what a function returns there, or raise what it raises.

        Raises
        ------
        ComputeFailure
            If the process has ended.
        """
        try:
            self._connection.send((function, arguments))
            result, error = self._connection.recv()
        except (EOFError, ConnectionError):
            self._process.join()
            raise ComputeFailure(_CUT_SHORT if self._process.exitcode == -signal.SIGBUS else _NO_MEMORY) from None
        if error is not None:
            raise error
        return result

    def end(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.join()

    def close(self) -> None:
        """Give back what belonged to it; nobody waits for an answer any more."""
        self._connection.close()
        self._process.close()


class _OwnProcess(threading.local):
    """The process that answers a thread, once it is started."""

    process: _Process | None = None


class Processes:
    """Processes that work on parts; they start with the first ones.

    Each has a thread here that waits for its answers. There is nothing else between them and this process: no queue,
    which a second Ctrl-C could leave without its thread, and no semaphore, which some machines do not have.

    Parameters
    ----------
    count
        Number of processes.
    directory
        The directory of the temporary files for results.
    shared
        Given to every function; it is pickled once for each process.
    """

    def __init__(self, count: int, directory: Path, shared: Any) -> None:
        self._count = count
        self._shared = shared
        # One for each result that is waited for, and that which is used: each is written again and again.
        self._results = [SharedFile.new(directory) for _ in range(count + 2)]
        self._threads = ThreadPoolExecutor(count)
        self._own = _OwnProcess()
        self._started: list[_Process] = []
        self._closed = False

    @staticmethod
    def may_start() -> bool:
        """Return whether this process may start others: those of some pools may not."""
        return not current_process().daemon

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
        with closing(asked_ahead(partial(self._submitted, _work, function), parts, self._count)) as asked:
            for future in asked:
                yield future.result()

    def map_arrays(
        self, function: Callable[[Any, Part], Result], parts: Iterable[Part]
    ) -> Generator[Result, None, None]:
        """Yield results with large arrays, which may be used until the next result is asked for; see `map`."""
        numbered = zip(cycle(range(len(self._results))), parts, strict=False)
        with closing(asked_ahead(partial(self._submitted, _work_on_arrays, function), numbered, self._count)) as asked:
            for future in asked:
                packed = future.result()
                yield _with_arrays(self._results[packed.file], packed)

    def close(self) -> None:
        """End the processes at once, also in the midst of a part."""
        with _STARTING:
            self._closed = True
        for process in self._started:
            process.end()
        self._threads.shutdown(cancel_futures=True)
        while self._started:
            self._started.pop().close()
        for file in self._results:
            file.close()

    def _submitted(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        return self._threads.submit(self._ask, function, *arguments)

    def _ask(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Ask the process of this thread, which is started if there is none."""
        if self._own.process is None:
            self._own.process = self._new_process()
        return self._own.process.ask(function, *arguments)

    def _new_process(self) -> _Process:
        """Start a process; called in a thread, which Ctrl-C does not break off."""
        with _STARTING:
            if self._closed:
                raise ComputeFailure(_ENDED)
            # Python's own helper first, since to start it lets the signal through again.
            resource_tracker.ensure_running()
            # A process that starts has the signals blocked that its thread has: Ctrl-C is for this process alone.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            self._started.append(_Process(self._results, self._shared))
            return self._started[-1]


@contextmanager
def _without_script() -> Iterator[None]:
    """Hide the script of this process from one that starts: Python would run it again there, which takes time.

    A script that does not look at ``__name__`` would even begin its own work there once more.
    """
    script, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script


def _with_arrays(file: SharedFile, packed: _PackedResult) -> Any:
    if total := sum(packed.sizes):
        whole = memoryview(mmap.mmap(file.fileno(), total, prot=mmap.PROT_READ))
    else:
        whole = memoryview(b"")
    ends = accumulate(packed.sizes, initial=0)
    return pickle.loads(packed.pickled, buffers=[whole[start:end] for start, end in pairwise(ends)])


_STATE: dict[str, Any] = {}


def _serve(questions: Connection, results: Sequence[SharedFile], shared: Any) -> None:
    """Answer the questions of the process that has started this one, until it ends."""
    _STATE.update(results=results, shared=shared)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # Encoders make locks. Those of the other ways to start processes have a name, which is left where one is ended.
    set_start_method("fork", force=True)
    reuse_memory(_MOST_KEPT, larger=True)
    while True:
        function, arguments = questions.recv()
        answer: tuple[Any, BaseException | None]
        try:
            answer = function(*arguments), None
        except BaseException as error:  # raised there
            answer = None, _portable(error)
        questions.send(answer)


def _portable(error: BaseException) -> BaseException:
    """Return an error as another process can have it: what cannot be pickled, by its name and text."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return ComputeFailure(f"{type(error).__name__}: {error}")
    return error


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def _work(function: Callable[[Any, Part], Result], part: Part) -> Result:
    return function(_STATE["shared"], part)


def _work_on_arrays(function: Callable[[Any, Part], Result], numbered: tuple[int, Part]) -> _PackedResult:
    number, part = numbered
    buffers: list[pickle.PickleBuffer] = []
    pickled = pickle.dumps(function(_STATE["shared"], part), protocol=5, buffer_callback=buffers.append)
    arrays, place = [buffer.raw() for buffer in buffers], 0
    sizes = [array.nbytes for array in arrays]
    for array, size in zip(arrays, sizes, strict=True):
        _STATE["results"][number].write(array, place)
        place += size
    return _PackedResult(number, pickled, sizes)
