"""Several matrix files as one store: the features of the first, and the samples of each in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.axis import Axis, Positions
from rnaget_server.model.joined_axis import JoinedAxis, JoinedIndex
from rnaget_server.model.sparse import SparseCells
from rnaget_server.stores.base import MatrixStore, Points, Ranges, selected
from rnaget_server.stores.sharded.cells import Selection
from rnaget_server.stores.sharded.examine import Attributes, Facts
from rnaget_server.stores.sharded.files import OpenShards, ShardFile, is_written_over
from rnaget_server.stores.sharded.index import IndexPlace
from rnaget_server.stores.sharded.look import look
from rnaget_server.stores.sharded.parts import parts_of
from rnaget_server.stores.sharded.segments import bounds_of, lend_axes
from rnaget_server.stores.sparse_layer import dense

_Read = TypeVar("_Read")


class ShardedStore:
    """A matrix of several files; see `MatrixStore`.

    Parameters
    ----------
    files
        The files, at least one.
    opened
        What opens them, and keeps some of them open.
    feature_id, sample_id
        The attributes that hold the ids.
    place
        Where an index of many files is kept; None if there is to be none.

    Raises
    ------
    OSError
        If a file cannot be read, or does not fit the others; it is named.
    """

    def __init__(
        self,
        files: Sequence[ShardFile],
        opened: OpenShards,
        feature_id: str,
        sample_id: str,
        place: IndexPlace | None = None,
    ) -> None:
        self._files = files
        self._opened = opened
        looked = look(files, opened, (feature_id, sample_id), place)
        self._shards, self._segments = looked.shards, looked.segments
        # Kept open for the features, which are its.
        self._first = opened.store(files[0])
        self.features = self._first.features
        self.units = tuple(self._first.units)
        attributes = Attributes(self._shards)
        self.samples: Axis = JoinedAxis(
            bounds_of([segment.size for segment in self._segments]),
            attributes.types,
            lend_axes(self._segments),
            attributes.incomplete,
        )
        self._bounds = bounds_of([shard.samples for shard in self._shards])
        self.shape = (self._first.shape[0], self.samples.size)
        first, *others = dict.fromkeys(shard.facts.embeddings for shard in self._shards)
        self.embeddings = tuple(name for name in first if all(name in names for names in others))
        self._sparse = frozenset(self.units).intersection(*{shard.facts.sparse for shard in self._shards})
        self._dtypes: dict[str, np.dtype[Any]] = {}
        self._wholes: dict[str, bool] = {}
        self._ranges: dict[str, Ranges | None] = {}
        if not looked.unique:
            self._check_unique(sample_id)
            looked.confirm()

    @property
    def remarks(self) -> tuple[str, ...]:
        """Lines that name what the files have and is not served."""
        found = self._of_each(lambda facts: facts.remarks, lambda store: tuple(getattr(store, "remarks", ())))
        return tuple(dict.fromkeys(remark for remarks in found for remark in remarks))

    def close(self) -> None:
        """Close those files that were written over; those that were replaced stay what they were."""
        self._opened.close_written_over(self._files)
        if is_written_over(self._files[0]):  # which may be open for this store alone
            getattr(self._first, "close", lambda: None)()

    def dtype(self, units: str) -> np.dtype[Any]:
        """Return the type that the cells of all files fit in."""
        if units not in self._dtypes:
            found = self._of_each(
                lambda facts: np.dtype(facts.dtypes[facts.units.index(units)]), lambda store: store.dtype(units)
            )
            self._dtypes[units] = np.result_type(*dict.fromkeys(found))
        return self._dtypes[units]

    def whole(self, units: str) -> bool:
        """Return whether every cell of every file is known to be a whole number."""
        if units not in self._wholes:
            found = self._of_each(lambda facts: facts.whole[facts.units.index(units)], lambda store: store.whole(units))
            self._wholes[units] = all(found)
        return self._wholes[units]

    def embedding(self, name: str) -> Points:
        """Return the points of one of the embeddings, which all files have."""
        if name not in self.embeddings:
            raise KeyError(name)
        found = []
        for segment in self._segments:
            with segment.named():
                found.append(segment.embedding(name))
        return np.concatenate(found)

    def ranges(self, units: str) -> Ranges | None:
        """Return the ranges of the features in all files; None if a file has none."""
        if units not in self._ranges:
            self._ranges[units] = self._joined_ranges(units)
        return self._ranges[units]

    def blocks(
        self, units: str, features: Positions | None = None, samples: Positions | None = None
    ) -> Iterator[NDArray[Any]]:
        """Yield blocks of rows of the selection, read side by side."""
        selection = self._selection(units, features, samples)
        if self._is_sparse(units) and selection.width:
            return dense(selection.compressed_along("features"), selection.width, selection.dtype)
        return selection.blocks()

    def sparse(
        self, units: str, features: Positions | None = None, samples: Positions | None = None
    ) -> SparseCells | None:
        """Return the selection without its zeros; None, if any file has the layer dense."""
        return self._selection(units, features, samples).sparse() if self._is_sparse(units) else None

    def held(self, units: str, features: Positions | None = None, samples: Positions | None = None) -> int:
        """Return what is held of the selection between two blocks, at most; in bytes."""
        return self._selection(units, features, samples).held(self._is_sparse(units))

    def _selection(self, units: str, features: Positions | None, samples: Positions | None) -> Selection:
        height = selected((self.shape[0], 1), features, None)
        parts = parts_of(self._shards, self._opened, self._bounds, samples)
        return Selection(parts, units, self.dtype(units), features, height, self._opened)

    def _is_sparse(self, units: str) -> bool:
        return units in self._sparse

    def _of_each(self, known: Callable[[Facts], _Read], read: Callable[[MatrixStore], _Read]) -> Iterator[_Read]:
        """Yield what is known of each file, or read where that was not looked at."""
        for shard in self._shards:
            if shard.facts.dtypes:
                yield known(shard.facts)
                continue
            with shard.file.named():
                found = read(self._opened.store(shard.file))
            yield found

    def _joined_ranges(self, units: str) -> Ranges | None:
        minimum = np.full(self.shape[0], np.nan, self.dtype(units))
        maximum, nans = minimum.copy(), np.zeros(self.shape[0], np.int64)
        for shard in self._shards:
            with shard.file.named():
                ranges = self._opened.store(shard.file).ranges(units)
            if ranges is None:
                return None
            order = slice(None) if shard.order is None else shard.order
            minimum = np.fmin(minimum, ranges.minimum[order])
            maximum = np.fmax(maximum, ranges.maximum[order])
            nans += ranges.nans[order]
        return Ranges(minimum, maximum, nans)

    def _check_unique(self, sample_id: str) -> None:
        """Refuse ids that two files have; that none has an id twice was seen when it was looked at."""
        index = self.samples.index(sample_id)
        several = (segment for segment in self._segments if len(segment.shards) > 1)
        within = (segment.axis().index(sample_id).repeated for segment in several)
        id = next((twice for twice in within if twice is not None), None)
        if id is None and isinstance(index, JoinedIndex):
            id = index.repeated_between
        if id is None:
            return
        places = np.sort(index.locate([id])[0])
        same = places[self.samples.column(sample_id, places) == id]
        names = [self._files[int(number)].name for number in np.searchsorted(self._bounds, same, "right") - 1]
        raise OSError(f"the sample id {id!r} is in {names[0]} and in {names[1]}: ids must be unique")
