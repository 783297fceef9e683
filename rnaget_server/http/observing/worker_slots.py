"""The directory in which the workers of one server keep their metrics, by slots.

A slot is the files of one worker, and is locked while that lives. The worker that comes in the place of one that died
takes its slot, and counts on: no count is lost or counted twice, and there are never more files than workers.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

from rnaget_server.storage.temporary_directories import locked_directory, remove_abandoned

_VARIABLE = "_RNAGET_METRICS"
_PREFIX = "rnaget-metrics-"
_LOCK = "lock-"
# By the types of metrics, and of gauges the way they are summed up: more than all routes with all statuses need.
_FILES = {"counter": 1 << 20, "histogram": 1 << 20, "gauge_livesum": 1 << 16, "gauge_livemax": 1 << 16}


class WorkerSlot:
    """The slot of this worker, as long as its process lives.

    Parameters
    ----------
    directory
        Where all workers of the server have theirs.

    Attributes
    ----------
    number
        Its number.

    Raises
    ------
    OSError
        If there is no room for its files.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.number, self._lock = next(_free(directory))
        for name, size in _FILES.items():
            _reserve(directory / f"{name}_{self.number}.db", size)

    def close(self) -> None:
        """Leave the slot to another."""
        os.close(self._lock)

    def files(self) -> list[Path]:
        """Return the files to sum up: the counts of all workers that ever were, and the states of those that live."""
        living = set(living_slots(self.directory))
        return [
            path
            for path in sorted(self.directory.glob("*.db"))
            # Files are called by type, mode of gauges and slot; one that is about to be made is still empty.
            if (not path.name.startswith("gauge_") or int(path.stem.rpartition("_")[2]) in living)
            and path.stat().st_size
        ]


def living_slots(directory: Path) -> list[int]:
    """Return the numbers of the slots whose workers live."""
    return [number for number in _numbers(directory) if _is_locked(directory / f"{_LOCK}{number}")]


def share_metrics() -> None:
    """Make, in the master and before it forks, the directory of its workers, if there is none yet."""
    if _shared(os.getpid()) is None:
        remove_abandoned(_PREFIX)
        # The lock is held to the end of the process, which is to close its file.
        directory, _ = locked_directory(_PREFIX)
        os.environ[_VARIABLE] = f"{os.getpid()}:{directory}"


def unshare_metrics() -> None:
    """Remove the directory, in the master and at its end."""
    directory = _shared(os.getpid())
    if directory is not None:
        shutil.rmtree(directory, ignore_errors=True)


def worker_slot() -> WorkerSlot | None:
    """Return a slot for this worker; None for a process that is not one of several."""
    directory = _shared(os.getppid())
    return WorkerSlot(directory) if directory is not None else None


def _shared(master: int) -> Path | None:
    owner, _, directory = os.environ.get(_VARIABLE, "").partition(":")
    # A program that was started by a server has the variable, and is none of its workers.
    return Path(directory) if owner == str(master) and Path(directory).is_dir() else None


def _free(directory: Path) -> Iterator[tuple[int, int]]:
    for number in count():
        lock = os.open(directory / f"{_LOCK}{number}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
        except OSError:  # no locks here, so that no slot is ever free
            os.close(lock)
            raise
        else:
            yield number, lock


def _reserve(path: Path, size: int) -> None:
    """Take the room of a file on the disk, if it is new.

    The file is written as memory, by which a full disk would end the process.
    """
    if not path.exists():
        path.write_bytes(bytes(size))


def _numbers(directory: Path) -> list[int]:
    return sorted(int(path.name.removeprefix(_LOCK)) for path in directory.glob(f"{_LOCK}*"))


def _is_locked(path: Path) -> bool:
    with suppress(FileNotFoundError), path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
