"""The files of sharded matrices, of which a bounded number is open: those that were read last."""

from __future__ import annotations

import os
import resource
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from rnaget_server.storage.local import NO_FILE, FileVersion, version_at
from rnaget_server.storage.places import open_file
from rnaget_server.stores.base import MatrixStore
from rnaget_server.stores.failures import is_of_file, reason

_MOST_OPEN = 128
_MOST_THREADS = 4
_SHARE = 8
# Requests to object storage that are under way at a time, and the part of a file that has what it is opened by.
_MOST_FETCHING = 16
_HEAD_BYTES = 256 << 10
# So many files have their heads fetched before they are opened: about as many as memory has room for.
_FETCHED = 64


@dataclass(frozen=True)
class ShardFile:
    """A file of a sharded matrix.

    Attributes
    ----------
    path
        Where it is.
    version
        Its state, in which alone it is read.
    units
        What its main matrix is in.
    open
        Opens it.
    """

    path: Path
    version: FileVersion
    units: str
    open: Callable[[Path], MatrixStore] = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.path.name

    @contextmanager
    def named(self) -> Iterator[None]:
        """Turn what is raised of the file into an OSError that names it, as the file of a matrix need not be named."""
        try:
            yield
        except BaseException as error:
            if not is_of_file(error):
                raise
            said = reason(error, self.path)
            raise OSError(said if self.name in said else f"{self.name}: {said}") from None


class OpenShards:
    """Opens the files of sharded matrices, and keeps those open that were read last. Safe to share among threads.

    One that drops out is not closed but forgotten: it closes with its last reader.

    Parameters
    ----------
    most
        How many are kept open; by default, as many as take a part of what the process may have open.
    """

    def __init__(self, most: int | None = None) -> None:
        self.most = _most_open() if most is None else most
        """How many are kept open."""
        self._lock = threading.Lock()
        self._open: OrderedDict[tuple[Path, str], tuple[FileVersion, MatrixStore]] = OrderedDict()

    def store(self, file: ShardFile) -> MatrixStore:
        """Return the open store of a file.

        Raises
        ------
        OSError
            If it cannot be read, or is not in the state any more in which the matrix has it.
        """
        key = file.path, file.units
        with self._lock:
            kept = self._open.get(key)
            if kept is not None and kept[0] == file.version:
                self._open.move_to_end(key)
                return kept[1]
        check_same(file)
        store = file.open(file.path)
        check_same(file)
        with self._lock:
            self._open[key] = file.version, store
            self._open.move_to_end(key)
            if len(self._open) > self.most:
                self._open.popitem(last=False)
        return store

    def close_written_over(self, files: Iterable[ShardFile]) -> None:
        """Close those files that have other bytes by now, of which no reader may have more; see `KeptStores`."""
        for file in files:
            if not is_written_over(file):
                continue
            with self._lock:
                kept = self._open.get((file.path, file.units))
                if kept is None or kept[0] != file.version:
                    continue
                del self._open[file.path, file.units]
            getattr(kept[1], "close", lambda: None)()

    def ahead(self, files: Iterable[ShardFile]) -> Iterator[ShardFile]:
        """Yield files in turn; of those in object storage that are not open, the heads of the next are under way."""
        waiting: deque[tuple[ShardFile, Future[None] | None]] = deque()
        for file in files:
            is_closed = is_far(file) and (file.path, file.units) not in self._open
            waiting.append((file, self._fetching.submit(_fetch_head, file.path) if is_closed else None))
            if waiting[0][1] is None or len(waiting) > _MOST_FETCHING:
                yield _fetched(*waiting.popleft())
        while waiting:
            yield _fetched(*waiting.popleft())

    def run(self, tasks: Sequence[tuple[ShardFile, Callable[[], None]]]) -> None:
        """Do something with each of several files, side by side.

        Those in object storage are waited for by more threads than there are processors for.
        """
        if any(is_far(file) for file, _ in tasks):
            for start in range(0, len(tasks), _FETCHED):
                some = tasks[start : start + _FETCHED]
                # HDF5 opens one file at a time, and would wait for each in turn.
                deque(self.ahead(file for file, _ in some), maxlen=0)
                _share([task for _, task in some], self._fetching, _MOST_FETCHING)
        else:
            _share([task for _, task in tasks], self._threads, self._count)

    @cached_property
    def _count(self) -> int:
        return min(_MOST_THREADS, os.cpu_count() or 1)

    @cached_property
    def _fetching(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(_MOST_FETCHING, "shard-head")

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._count, "shard")


def _most_open() -> int:
    """Return how many files are kept open: each is two of the system, which replies, connections and logs need, too."""
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return _MOST_OPEN if allowed == resource.RLIM_INFINITY else max(1, min(_MOST_OPEN, allowed // _SHARE))


def _share(tasks: Sequence[Callable[[], None]], threads: ThreadPoolExecutor, count: int) -> None:
    """Do something by so many threads."""
    if len(tasks) < 2 or count < 2:
        for task in tasks:
            task()
        return

    def some(start: int) -> None:
        for task in tasks[start::count]:
            task()

    # Few threads with many tasks each, since to hand one over takes as long as to read some chunks.
    for done in [threads.submit(some, start) for start in range(min(count, len(tasks)))]:
        done.result()


def is_far(file: ShardFile) -> bool:
    """Return whether a file is in object storage."""
    return file.version != NO_FILE and not file.version.inode


def _fetch_head(path: Path) -> None:
    # An error is raised again where the file is opened, which names it.
    with suppress(OSError):
        file = open_file(path)
        file.read_kept(0, min(file.size, _HEAD_BYTES))
        file.close()


def _fetched(file: ShardFile, head: Future[None] | None) -> ShardFile:
    if head is not None:
        head.result()
    return file


def is_written_over(file: ShardFile) -> bool:
    """Return whether a file is the same with other bytes in it."""
    now = version_at(file.path)
    return now != file.version and now.inode == file.version.inode


def check_same(file: ShardFile) -> None:
    """Refuse a file that was replaced, so that no reply is made of old and new files.

    Raises
    ------
    OSError
        If it was, or is gone.
    """
    if version_at(file.path) != file.version:
        gone = "is gone" if not file.path.exists() else "was replaced"
        raise OSError(f"{file.name} {gone} since the matrix was opened")
