"""Consecutive files of a sharded matrix whose labels are read as one: a large file, or many small ones by an index."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import numpy as np

from rnaget_server.model.axis import Axis
from rnaget_server.model.joined_axis import Bounds, Lend
from rnaget_server.storage.arrays import ArrayCache
from rnaget_server.storage.checked_arrays import CheckedArrays
from rnaget_server.stores.base import Points
from rnaget_server.stores.sharded.examine import Shard
from rnaget_server.stores.sharded.files import OpenShards
from rnaget_server.stores.sharded.labels import KeptLabels, Labels

# What an axis knows of its attributes is kept for so many of a matrix.
_MOST_AXES = 8


class Segment(ABC):
    """Consecutive files whose labels are read as one.

    Parameters
    ----------
    shards
        The files.
    """

    def __init__(self, shards: Sequence[Shard]) -> None:
        self.shards = shards
        self.size = sum(shard.samples for shard in shards)

    @abstractmethod
    def axis(self) -> Axis:
        """Return the samples."""

    @abstractmethod
    def embedding(self, name: str) -> Points:
        """Return the points of an embedding."""

    @contextmanager
    def named(self) -> Iterator[None]:
        """Name the file in what is raised of it, if it is of one alone."""
        if len(self.shards) > 1:
            yield
            return
        with self.shards[0].file.named():
            yield


class FileSegment(Segment):
    """A file, which has its labels itself."""

    def __init__(self, shard: Shard, opened: OpenShards) -> None:
        super().__init__((shard,))
        self._file = shard.file
        self._opened = opened

    def axis(self) -> Axis:
        """Return the samples."""
        return self._opened.store(self._file).samples

    def embedding(self, name: str) -> Points:
        """Return the points of an embedding."""
        return self._opened.store(self._file).embedding(name)


class IndexSegment(Segment):
    """Files whose labels are in a file of an index.

    Parameters
    ----------
    shards
        The files.
    path
        The file of the index.
    arrays
        Where what is read is kept for a while.
    sample_id
        The attribute that holds the ids.
    mend
        Makes the file again, where it is damaged or gone.
    """

    def __init__(
        self, shards: Sequence[Shard], path: Path, arrays: ArrayCache, sample_id: str, mend: Callable[[], None]
    ) -> None:
        super().__init__(shards)
        self._path = path
        self._arrays = arrays
        self._sample_id = sample_id
        self._mend = mend
        self._kept: KeptLabels | None = None

    def axis(self) -> Axis:
        """Return the samples."""
        return self._labels().axis()

    def embedding(self, name: str) -> Points:
        """Return the points of an embedding."""
        return self._labels().embedding(name)

    def _labels(self) -> KeptLabels:
        if self._kept is None:
            file = CheckedArrays(self._path, self._arrays, self._mend)
            self._kept = KeptLabels(file, self.size, self.shards[0].facts, self._sample_id)
        return self._kept


def lend_axes(segments: Sequence[Segment]) -> Lend[Axis]:
    """Return what lends the samples of a segment; it does not refer to the store, which closes when it is let go."""

    # Those of files are kept with them.
    @lru_cache(_MOST_AXES)
    def of_index(number: int) -> Axis:
        return segments[number].axis()

    @contextmanager
    def lend(number: int, /) -> Iterator[Axis]:
        segment = segments[number]
        with segment.named():
            yield of_index(number) if isinstance(segment, IndexSegment) else segment.axis()

    return lend


def labels_of(shards: Sequence[Shard], opened: OpenShards, sample_id: str) -> Iterator[Labels]:
    """Yield the labels of files, which are opened for it."""
    for shard in shards:
        with shard.file.named():
            store = opened.store(shard.file)
            yield Labels.of(store.samples, sample_id, {name: store.embedding(name) for name in shard.facts.embeddings})


def bounds_of(sizes: Sequence[int]) -> Bounds:
    """Return where each of several parts begins, and where the last one ends."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes, dtype=np.int64)])
