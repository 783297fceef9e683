"""The open stores of one kind of record; a file that was replaced is opened again."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any, Generic, TypeVar

from rnaget_server.catalog.records import Genome, Matrix, ReadsFile, Record, TrackSet
from rnaget_server.datasets.guarded import Guard
from rnaget_server.errors import CatalogChanged, StoreFailure
from rnaget_server.model.observation import stage
from rnaget_server.model.use_counts import UseCounts
from rnaget_server.storage.local import NO_FILE, FileVersion, version_at, version_at_all
from rnaget_server.stores.failures import is_of_file, reason

_log = logging.getLogger(__name__)
# A file that could not be opened for another reason than damage, such as too many open files, is tried again then.
_RETRY_SECONDS = 10.0
_MOST_LOOKED_AT = 1000
_State = tuple[FileVersion, ...]
_Record = TypeVar("_Record", Matrix, TrackSet, Genome, ReadsFile)
_Store = TypeVar("_Store")


class KeptStores(Generic[_Record, _Store]):
    """The open stores of one kind of record, by id.

    Parameters
    ----------
    what
        What a record is called in messages.
    open
        Opens the file of one.
    most
        How many are kept open.
    confirms
        Return whether the catalogue still has a record as it is; called where its file is gone.
    uses
        Counts how often a file was open when it was asked for; its lock guards what is kept.
    """

    def __init__(
        self,
        what: str,
        open: Callable[[_Record, Guard], _Store],
        most: int,
        confirms: Callable[[Record], bool],
        uses: UseCounts,
    ) -> None:
        self._uses = uses
        self._what = what
        self._open: Callable[[_Record, Guard], _Store] = open
        self._most = most
        self._confirms = confirms
        self._kept: OrderedDict[str, _File[_Record, _Store]] = OrderedDict()
        self._logged: dict[str, _State] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, record: _Record) -> _Store:
        """Return the open store of a record; for the errors see `StoreCache`."""
        index = record.index if isinstance(record, ReadsFile) else None
        key = (record, _version(record), NO_FILE if index is None else version_at(index))
        with self._uses.lock:
            kept = self._kept.get(record.id)
            if kept is None or kept.key != key:
                if kept is not None:
                    _close_if_written_over(kept, key[1])
                kept = self._kept[record.id] = _File(key)
                if len(self._kept) > self._most:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(record.id)
            # Counted here, under the lock that is held anyway.
            if kept.store is None:
                self._uses.misses += 1
            else:
                self._uses.hits += 1
        # Others need not wait while one file is opened.
        return kept.store if kept.store is not None else self._opened(record, kept)

    def _opened(self, record: _Record, kept: _File[_Record, _Store]) -> _Store:
        with stage("open file"), kept.lock:
            if kept.store is not None:
                return kept.store
            if kept.failed is not None and kept.failed == _state(record) and monotonic() < kept.retry:
                raise self._failure(record)
            try:
                kept.store = self._open(record, Guard(lambda error: self._failed(record, error)))
            except BaseException as error:
                if not (is_of_file(error) or isinstance(error, StoreFailure)):
                    raise
                if _is_gone(record) and not self._confirms(record):
                    raise CatalogChanged("the catalogue has just changed: ask again") from None
                kept.failed, kept.retry = _state(record), monotonic() + _RETRY_SECONDS
                raise error if isinstance(error, StoreFailure) else self._failed(record, error) from None
            return kept.store

    def _failed(self, record: _Record, error: BaseException) -> StoreFailure:
        state = _state(record)
        if self._logged.get(record.id) != state:
            self._logged[record.id] = state
            # The id comes first: the log distinguishes kinds of lines by it.
            _log.error(f"the {self._what} %s cannot be read: %s", record.id, reason(error, *paths_of(record)))
        return self._failure(record)

    def _failure(self, record: _Record) -> StoreFailure:
        return StoreFailure(
            f"the {self._what} {record.id} cannot be read at the moment; the log of the server says why", record.id
        )


class _File(Generic[_Record, _Store]):
    """A record in one state of its file: its store, or the state of all its files in which it could not be opened."""

    def __init__(self, key: tuple[Record, FileVersion, FileVersion]) -> None:
        self.key = key
        self.lock = threading.Lock()
        self.store: _Store | None = None
        self.failed: _State | None = None
        self.retry = 0.0


def _close_if_written_over(kept: _File[Any, Any], state: FileVersion) -> None:
    """Close the file of a store if it is the same file with other bytes in it, of which no reader may have more.

    HDF5 would take what it knows of the open file for what is in it now. The store of several looks at each by itself.
    """
    record, before = kept.key[:2]
    is_same = before.inode == state.inode or (isinstance(record, Matrix) and bool(record.shards))
    if kept.store is not None and is_same and before != state:
        getattr(kept.store, "close", lambda: None)()


def paths_of(record: Record) -> tuple[Path, ...]:
    """Return the files of a record that are looked at."""
    if isinstance(record, ReadsFile | Matrix):
        return record.paths
    if record.path is not None:
        return (record.path,)
    return tuple(track.path for track in record.tracks[:_MOST_LOOKED_AT])


def _version(record: Record) -> FileVersion:
    """Return the version of the file that shows if a record is to be opened again: of a matrix of several, of all."""
    if isinstance(record, Matrix) and record.shards:
        return version_at_all(record.shards)
    return version_at(record.path if record.path is not None else record.tracks[0].path)


def _state(record: Record) -> _State:
    return tuple(version_at(path) for path in paths_of(record))


def _is_gone(record: Record) -> bool:
    return NO_FILE in _state(record)
