"""The look at all files of a sharded matrix when it is opened; what is found in many of them is kept in an index."""

from __future__ import annotations

import fcntl
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from rnaget_server.model.axis import Positions
from rnaget_server.storage.disk_cache import private_directory
from rnaget_server.stores.native.kept_contents import packed
from rnaget_server.stores.sharded.examine import Orders, Shard, check_units, examined
from rnaget_server.stores.sharded.files import OpenShards, ShardFile
from rnaget_server.stores.sharded.index import (
    LOCK,
    FileList,
    Identity,
    IndexPlace,
    ListedLabels,
    Row,
    identity_of,
    key_of,
    remove_unused,
    write_whole,
)
from rnaget_server.stores.sharded.labels import Labels, arrays_of, joined
from rnaget_server.stores.sharded.segments import FileSegment, IndexSegment, Segment, labels_of

_log = logging.getLogger(__name__)
FEW = 64
"""So many files need no index: all of them stay open."""

SEGMENT_BYTES = 64 << 20
"""About the bytes of a segment; a file whose labels are larger is a segment by itself."""

_SECONDS = 10.0
# The clock of the file system runs behind by some milliseconds, in which a file may change twice; in nanoseconds.
_CLOCK_TOLERANCE = 100_000_000
_Names = tuple[str, str]


@dataclass(frozen=True)
class Looked:
    """The result of a look at the files of a matrix.

    Attributes
    ----------
    shards
        The files.
    segments
        The same, by how their labels are read.
    unique
        Whether it is known that no sample id is in two files.
    confirm
        Takes note that it is so.
    """

    shards: Sequence[Shard]
    segments: Sequence[Segment]
    unique: bool = False
    confirm: Callable[[], None] = lambda: None


def look(files: Sequence[ShardFile], opened: OpenShards, names: _Names, place: IndexPlace | None) -> Looked:
    """Look at the files of a matrix; those that an index knows are not opened.

    Parameters
    ----------
    files
        The files.
    opened
        What opens them.
    names
        The attributes that hold the ids of features and of samples.
    place
        Where the index is kept, if there is to be one.

    Raises
    ------
    OSError
        If a file cannot be read, or does not fit the others; it is named.
    """
    directory = None if place is None or len(files) <= FEW else _usable(place)
    if place is None or directory is None:
        shards = [_examined(file, opened, names, False) for file in opened.ahead(files)]
        segments = [FileSegment(shard, opened) for shard in shards]
        return Looked(_fitting(shards, Orders(shards[0], opened, names[0])), segments)
    place = replace(place, directory=directory)
    listed = FileList.read(directory, names)
    if not listed.is_of(files):
        with _locked(directory / LOCK):
            listed = FileList.read(directory, names)  # which another process may have made meanwhile
            if not listed.is_of(files):
                listed = _Maker(place, opened, names, listed).made(files)
    shards = [row.shard(file, place.access) for row, file in zip(listed.rows, files, strict=True)]
    orders = Orders(shards[0], opened, names[0], listed.orders)
    shards = _fitting(shards, orders)

    def confirm() -> None:
        with _locked(directory / LOCK):
            if FileList.read(directory, names).is_of(files):  # and not of newer ones
                _keep(replace(listed, orders=orders.found, unique=True), place, names)

    is_known = listed.unique and len(orders.found) == len(listed.orders)
    return Looked(shards, _segments(listed, shards, place, opened, names[1]), is_known, confirm)


def _fitting(shards: Sequence[Shard], orders: Orders) -> list[Shard]:
    """Return files with the orders of their features; refuse those that do not fit the first."""
    for shard in shards:
        check_units(shards[0], shard)
    return [shard if (order := orders.of(shard)) is None else replace(shard, order=order) for shard in shards]


def _examined(file: ShardFile, opened: OpenShards, names: _Names, in_full: bool) -> Shard:
    with file.named():
        return examined(opened.store(file), file, *names, in_full)


def _segments(
    listed: FileList, shards: Sequence[Shard], place: IndexPlace, opened: OpenShards, sample_id: str
) -> list[Segment]:
    segments: list[Segment] = []
    at = 0
    for count, key in listed.segments:
        some = shards[at : at + count]
        at += count
        if key:
            path = place.directory / key
            mend = partial(_write, path, some, opened, sample_id)
            segments.append(IndexSegment(some, path, place.access.arrays, sample_id, mend))
        else:
            segments += [FileSegment(shard, opened) for shard in some]
    return segments


def _write(path: Path, shards: Sequence[Shard], opened: OpenShards, sample_id: str) -> None:
    """Write the segment of some files, which are read for it."""
    private_directory(path.parent)  # which may have been removed
    write_whole(path, None, arrays_of(joined(list(labels_of(shards, opened, sample_id)))))


class _Maker:
    """Makes the index of a matrix, and takes from an older one what is as it was.

    Parameters
    ----------
    place
        Where it is kept.
    opened
        What opens files.
    names
        The attributes that hold the ids of features and of samples.
    old
        The older one.
    """

    def __init__(self, place: IndexPlace, opened: OpenShards, names: _Names, old: FileList) -> None:
        self._place = place
        self._opened = opened
        self._names = names
        self._old = old
        self._old_labels = ListedLabels(old, place, names[1])
        self._rows: list[Row] = []
        self._segments: list[tuple[int, str]] = []
        self._waiting: list[tuple[Row, ShardFile, Labels | None]] = []
        self._fresh: dict[Identity, int] = {}

    def made(self, files: Sequence[ShardFile]) -> FileList:
        """Return the list of these files, after it and its segments were written.

        What was found is kept also if some file cannot be read.

        Raises
        ------
        OSError
            If a file cannot be read; it is named.
        """
        known = {row.identity: row for row in self._old.rows}
        new = self._opened.ahead([file for file in files if identity_of(file) not in known])
        failure: BaseException | None = None
        said = time.monotonic()
        for number, file in enumerate(files):
            row, labels = known.get(identity_of(file)), None
            if row is None and failure is None:
                try:
                    row, labels = self._examined(next(new))
                except BaseException as error:
                    failure = error
            if row is not None:
                self._add(row, file, labels)
            if time.monotonic() - said > _SECONDS:
                said = time.monotonic()
                _log.info("%s: %d of %d files are in its index", self._place.what, number + 1, len(files))
        self._end_segment()
        listed = FileList(self._rows, self._segments, self._orders())
        _keep(replace(listed, rows=[self._settled(row) for row in self._rows]), self._place, self._names)
        if failure is not None:
            raise failure
        return listed

    def _orders(self) -> Mapping[str, Positions]:
        """Return the orders that still are those of the features of the first file."""
        firsts = [rows[0].facts.features for rows in (self._rows, self._old.rows) if rows]
        return self._old.orders if len(firsts) > 1 and firsts[0] == firsts[1] else {}

    def _examined(self, file: ShardFile) -> tuple[Row, Labels]:
        began = time.time_ns()
        with file.named():
            self._opened.store(file)
        # Before its labels are looked up, which the index has.
        contents = packed(self._place.access, file.path, file.version)
        shard = _examined(file, self._opened, self._names, True)
        (labels,) = labels_of([shard], self._opened, self._names[1])
        identity = identity_of(file)
        if abs(began - file.version.modified) < _CLOCK_TOLERANCE:
            self._fresh[identity] = began
        return Row(identity, shard.samples, shard.facts, labels.nbytes, contents), labels

    def _add(self, row: Row, file: ShardFile, labels: Labels | None) -> None:
        waiting = self._waiting
        if waiting:
            is_full = sum(row.nbytes for row, _, _ in waiting) + row.nbytes > SEGMENT_BYTES
            if is_full or row.facts.form != waiting[0][0].facts.form:
                self._end_segment()
        self._waiting.append((row, file, labels))

    def _end_segment(self) -> None:
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        rows = [row for row, _, _ in waiting]
        self._rows += rows
        key = key_of([(*row.identity, self._fresh.get(row.identity, 0)) for row in rows], self._names)
        if len(waiting) == 1 and rows[0].nbytes > SEGMENT_BYTES:
            key = ""
        elif not (self._place.directory / key).exists():
            try:
                write_whole(self._place.directory / key, None, arrays_of(joined(self._gathered(waiting))))
            except OSError as error:
                _log.warning("%s: its index cannot be kept: %s", self._place.what, error.strerror)
                key = ""
        self._segments.append((len(waiting), key))

    def _gathered(self, waiting: Sequence[tuple[Row, ShardFile, Labels | None]]) -> list[Labels]:
        """Return the labels of files: those at hand, those of the older index, or else those in the files."""
        found: list[Labels] = []
        at = 0
        while at < len(waiting):
            row, file, labels = waiting[at]
            count = 1
            if labels is None:
                kept = self._old_labels.find([row for row, _, _ in waiting[at:]])
                if kept is None:
                    (labels,) = labels_of([row.shard(file, self._place.access)], self._opened, self._names[1])
                else:
                    labels, count = kept
            found.append(labels)
            at += count
        return found

    def _settled(self, row: Row) -> Row:
        """Return a file for the list: one that has just been written to may change without another time."""
        return row if row.identity not in self._fresh else replace(row, identity=(row.identity[0], "", -1, -1, -1))


def _keep(listed: FileList, place: IndexPlace, names: _Names) -> None:
    """Write a list, and remove what it does not name; without room for it, it is made again the next time."""
    try:
        listed.write(place.directory, names)
        listed.remove_others(place.directory)
    except OSError as error:
        _log.warning("%s: its index cannot be kept: %s", place.what, error.strerror)


def _usable(place: IndexPlace) -> Path | None:
    try:
        directory = private_directory(place.directory)
        (directory / LOCK).touch()
        remove_unused(directory)
        return directory
    except OSError as error:
        _log.warning("cache_directory cannot be used for the index of %s: %s", place.what, error.strerror)
        return None


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep other processes from making the same index meanwhile, which would only take longer."""
    with ExitStack() as held:
        with suppress(OSError):  # a file system without locks, or the directory is gone
            fcntl.flock(held.enter_context(path.open("ab")), fcntl.LOCK_EX)
        yield
