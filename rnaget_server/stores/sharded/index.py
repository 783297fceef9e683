"""The index of the files of a sharded matrix, kept on the disk by the state of each file.

A list names the files, what each has, and the segments: files of the index with the labels of many consecutive files.
A file that is as it was when the list was made is not opened.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server import __version__
from rnaget_server.model.axis import Positions
from rnaget_server.storage.access import FileAccess
from rnaget_server.storage.arrays import ArrayCache
from rnaget_server.storage.checked_arrays import CheckedArrays, write_arrays
from rnaget_server.storage.files import PREFIX, commit, new_temporary
from rnaget_server.storage.local import version_at
from rnaget_server.stores.base import MatrixStore
from rnaget_server.stores.native.kept_contents import unpack
from rnaget_server.stores.sharded.examine import Facts, Shard
from rnaget_server.stores.sharded.files import ShardFile
from rnaget_server.stores.sharded.labels import KeptLabels, Labels

_LIST = "list"
_VERSION = 3
_KEY_BYTES = 20
_SECONDS_KEPT = 600
_SECONDS_UNUSED = 30 * 24 * 3600
_SECONDS_BETWEEN = 24 * 3600
_LOOKED = "looked"

LOCK = "lock"
"""The file of an index that is locked while it is made; its time is that of the last opening."""

Identity = tuple[str | int, ...]
"""The path of a file, what its main matrix is in, and what changes with its bytes: inode, size and time."""


@dataclass(frozen=True)
class IndexPlace:
    """The place where the index of a matrix is kept.

    Attributes
    ----------
    directory
        A directory for it alone; made if need be.
    access
        How the files of the matrix are opened, with the memory for what is read of them and of the index.
    what
        What the matrix is called in the log.
    """

    directory: Path
    access: FileAccess
    what: str


def identity_of(file: ShardFile) -> Identity:
    """Return what a file is known by. The number of its device is another after the next start of some machines."""
    return str(file.path), file.units, *file.version[1:]


def key_of(identities: Sequence[Identity], names: tuple[str, str]) -> str:
    """Return the name of the segment of some files, by the attributes that hold the ids, too."""
    text = repr((_VERSION, __version__, names, identities)).encode("utf-8", "surrogateescape")
    return hashlib.blake2b(text, digest_size=_KEY_BYTES).hexdigest()


@dataclass(frozen=True)
class Row:
    """A file in the list.

    Attributes
    ----------
    identity
        What it is known by.
    samples, facts, nbytes
        What it has; see `Shard`.
    contents
        What it is opened by without HDF5; see `kept_contents`.
    """

    identity: Identity
    samples: int
    facts: Facts
    nbytes: int
    contents: bytes = b""

    def shard(self, file: ShardFile, access: FileAccess) -> Shard:
        """Return the file, which is opened by what is known of it."""
        opened = replace(file, open=partial(_open_known, file, access, self.contents)) if self.contents else file
        return Shard(opened, self.samples, self.facts, self.nbytes)


def _open_known(file: ShardFile, access: FileAccess, contents: bytes, path: Path) -> MatrixStore:
    unpack(access, path, file.version, contents)
    return file.open(path)


@dataclass(frozen=True)
class FileList:
    """The list of the files of a matrix, and the segments that have their labels.

    Attributes
    ----------
    rows
        The files.
    segments
        How many files each segment has, and its name; an empty one is that of a file by itself.
    orders
        The orders in which files have the features of the first, by the digest of the ids.
    unique
        Whether no sample id is in two files.
    """

    rows: Sequence[Row] = ()
    segments: Sequence[tuple[int, str]] = ()
    orders: Mapping[str, Positions] = field(default_factory=dict)
    unique: bool = False

    def is_of(self, files: Sequence[ShardFile]) -> bool:
        """Return whether it is of these files in the state that they are in, and there was room for its segments."""
        is_whole = len(files) == len(self.rows) and all(key or count == 1 for count, key in self.segments)
        return is_whole and all(row.identity == identity_of(file) for row, file in zip(self.rows, files, strict=True))

    @classmethod
    def read(cls, directory: Path, names: tuple[str, str]) -> FileList:
        """Return the list in a directory for these attributes that hold ids; an empty one if none can be read."""
        path = directory / _LIST
        state = version_at(path)
        try:
            file = CheckedArrays(path, ArrayCache(0))
            facts = file.facts
            if facts["version"] != [_VERSION, __version__, *names]:
                return cls()
            kinds = [_facts(kind) for kind in facts["kinds"]]
            contents = file["contents"]().tobytes()
            ends = accumulate(length for *_, length in facts["files"])
            rows = [
                Row(tuple(known), count, kinds[kind], size, contents[end - length : end])
                for (*known, count, kind, size, length), end in zip(facts["files"], ends, strict=True)
            ]
            segments = [(count, key) for count, key in facts["segments"]]
            orders = {digest: file[f"order{number}"]() for number, digest in enumerate(facts["orders"])}
        except (OSError, ValueError, TypeError, LookupError):  # none is there, or it is damaged
            return cls()
        if version_at(path) != state:  # the orders may be those of the one that took its place
            return cls()
        return cls(rows, segments, orders, facts["unique"])

    def write(self, directory: Path, names: tuple[str, str]) -> None:
        """Put it in the place of the list in a directory.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        kinds: dict[Facts, int] = {}
        files = [
            [*row.identity, row.samples, kinds.setdefault(row.facts, len(kinds)), row.nbytes, len(row.contents)]
            for row in self.rows
        ]
        facts = {
            "version": [_VERSION, __version__, *names],
            "kinds": [asdict(kind) for kind in kinds],
            "files": files,
            "segments": self.segments,
            "orders": list(self.orders),
            "unique": self.unique,
        }
        orders = {f"order{n}": order for n, order in enumerate(self.orders.values())}
        contents = np.frombuffer(b"".join(row.contents for row in self.rows), np.uint8)
        write_whole(directory / _LIST, facts, {"contents": contents, **orders})

    def remove_others(self, directory: Path) -> None:
        """Remove segments that it does not name, unless a worker may still have a matrix open with them.

        What workers that were killed have left is removed as well.

        Raises
        ------
        OSError
            If that cannot be done.
        """
        named = {key for _, key in self.segments}
        for path in directory.iterdir():
            is_segment = len(path.name) == 2 * _KEY_BYTES and path.name not in named
            if is_segment or path.name.startswith(PREFIX):
                with suppress(FileNotFoundError):  # which another worker has given its name by now
                    if time.time() - path.stat().st_mtime > _SECONDS_KEPT:
                        path.unlink()


class ListedLabels:
    """The labels in the segments of a list, by the files that the list has.

    Parameters
    ----------
    listed
        The list.
    place
        Where its segments are.
    sample_id
        The attribute that holds the ids.
    """

    def __init__(self, listed: FileList, place: IndexPlace, sample_id: str) -> None:
        self._place = place
        self._sample_id = sample_id
        self._rows = listed.rows
        self._starts: dict[Identity, tuple[int, int, str]] = {}
        self._segments: dict[str, Sequence[Row]] = {}
        self._last: tuple[str, Labels] | None = None
        at = 0
        for count, key in listed.segments:
            self._segments[key] = rows = listed.rows[at : at + count]
            start = 0
            for number, row in enumerate(rows if key else ()):
                self._starts[row.identity] = number, start, key
                start += row.samples
            at += count

    def find(self, rows: Sequence[Row]) -> tuple[Labels, int] | None:
        """Return the labels of some of the first of these files, and how many those are; None if they are not there."""
        first = self._starts.get(rows[0].identity)
        if first is None:
            return None
        number, start, key = first
        count = 0
        for row, other in zip(rows, self._segments[key][number:], strict=False):
            if row.identity != other.identity:
                break
            count += 1
        try:
            labels = self._whole(key)
        except OSError:  # damaged, or gone
            return None
        return labels.part(start, start + sum(row.samples for row in rows[:count])), count

    def _whole(self, key: str) -> Labels:
        if self._last is None or self._last[0] != key:
            rows = self._segments[key]
            file = CheckedArrays(self._place.directory / key, self._place.access.arrays)
            size = sum(row.samples for row in rows)
            self._last = key, KeptLabels(file, size, rows[0].facts, self._sample_id).whole()
        return self._last[1]


def remove_unused(directory: Path) -> None:
    """Remove the indexes next to one that nobody has opened for a month: mostly of matrices that are gone.

    A process that still has such a matrix open makes what it needs again. Of thousands, each is looked at once a day.
    """
    looked = directory.parent / _LOOKED
    if _is_older(looked, 0) and not _is_older(looked, _SECONDS_BETWEEN):
        return
    with suppress(OSError):  # without room for it, they are looked at again the next time
        looked.touch()
    for other in directory.parent.iterdir():
        lock = other / LOCK
        if other == directory or len(other.name) != 2 * _KEY_BYTES or not _is_older(lock, _SECONDS_UNUSED):
            continue
        with suppress(OSError), lock.open("ab") as held:  # another process makes it now, or removes it
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_older(lock, _SECONDS_UNUSED):
                shutil.rmtree(other)


def _is_older(path: Path, seconds: float) -> bool:
    try:
        return time.time() - path.stat().st_mtime > seconds
    except OSError:
        return False


def write_whole(path: Path, facts: Any, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a file of an index, whole or not at all.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    temporary = new_temporary(path)
    try:
        with temporary.open("wb") as file:
            write_arrays(file, facts, arrays)
        commit(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _facts(kind: Mapping[str, Any]) -> Facts:
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in kind.items()}
    return Facts(**{**values, "attributes": tuple((name, type) for name, type in kind["attributes"])})
