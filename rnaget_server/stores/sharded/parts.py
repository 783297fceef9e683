"""The part of a selection that is in each file of a sharded matrix."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.axis import Positions
from rnaget_server.model.joined_axis import Bounds, split
from rnaget_server.model.sparse import Array, CompressedBlock, SparseCells
from rnaget_server.stores.base import MatrixStore
from rnaget_server.stores.compressed import canonical, indptr_of
from rnaget_server.stores.placing import place
from rnaget_server.stores.sharded.examine import Shard
from rnaget_server.stores.sharded.files import OpenShards


@dataclass(frozen=True)
class Part:
    """The selected samples of one file, and their columns in the selection.

    Attributes
    ----------
    shard
        The file.
    opened
        Where it is open.
    samples
        Which of its samples; None for all.
    columns
        Where these are in the selection.
    """

    shard: Shard
    opened: OpenShards
    samples: Positions | None
    columns: slice

    @property
    def width(self) -> int:
        """Number of samples."""
        return int(self.columns.stop - self.columns.start)

    def read(self, units: str, features: Positions | None, to: NDArray[Any]) -> None:
        """Put the cells of features (ascending; None: all) into an array of features × samples."""
        with self.shard.file.named():
            place(self._store, units, self._own(features), self.samples, to)

    def rows(self, units: str, features: Positions | None, dtype: np.dtype[Any]) -> CompressedBlock:
        """Return the stored cells of features, compressed along these."""
        with self.shard.file.named():
            own = self._own(features)
            if self.shard.order is None or own is None:
                return joined(list(self._sparse(units, own).compressed_along("features")), dtype)
            order = np.argsort(own)
            return _reordered(joined(list(self._sparse(units, own[order]).compressed_along("features")), dtype), order)

    def columns_of(
        self, units: str, features: Positions | None, dtype: np.dtype[Any], without: Array | None = None
    ) -> Iterator[CompressedBlock]:
        """Yield the stored cells of features compressed along the samples."""
        with self.shard.file.named():
            own = self._own(features)
            order = None if self.shard.order is None or own is None else np.argsort(own)
            cells = self._sparse(units, own if own is None or order is None else own[order])
            if without is not None and cells.without is not None:
                pieces = cells.without("samples", without)
            else:
                pieces = cells.compressed_along("samples")
            for piece in pieces:
                indptr, indices, data = piece.indptr, piece.indices, piece.data
                if order is not None:
                    indptr, indices, data = canonical(indptr, order[indices], data)
                yield CompressedBlock(indptr, indices, data.astype(dtype, copy=False))

    def count(self, units: str, features: Positions | None) -> int:
        """Return how many cells are stored."""
        with self.shard.file.named():
            own = self._own(features)
            return self._sparse(units, own if own is None else np.sort(own)).count()

    @property
    def _store(self) -> MatrixStore:
        return self.opened.store(self.shard.file)

    def _own(self, features: Positions | None) -> Positions | None:
        """Return where features of the matrix are in the file, in the order of the matrix."""
        order = self.shard.order
        return features if order is None else order if features is None else order[features]

    def _sparse(self, units: str, features: Positions | None) -> SparseCells:
        cells = self._store.sparse(units, features, self.samples)
        if cells is None:
            raise OSError("the cells are not stored as they were")
        return cells


def parts_of(shards: Sequence[Shard], opened: OpenShards, bounds: Bounds, samples: Positions | None) -> list[Part]:
    """Return what samples (ascending; None: all) take of each file."""
    parts = []
    for number, inside, places in split(bounds, samples):
        if not isinstance(places, slice):
            raise ValueError("the samples of a selection ascend")
        shard = shards[number]
        whole = inside is None or len(inside) == shard.samples
        parts.append(Part(shard, opened, None if whole else inside, places))
    return parts


def joined(pieces: Sequence[CompressedBlock], dtype: np.dtype[Any]) -> CompressedBlock:
    """Return consecutive pieces as one."""
    if len(pieces) == 1:
        return CompressedBlock(pieces[0].indptr, pieces[0].indices, pieces[0].data.astype(dtype, copy=False))
    if not pieces:
        return CompressedBlock(np.zeros(1, np.int64), np.empty(0, np.int32), np.empty(0, dtype))
    return CompressedBlock(
        indptr_of(np.concatenate([np.diff(piece.indptr) for piece in pieces])),
        np.concatenate([piece.indices for piece in pieces]),
        np.concatenate([piece.data for piece in pieces]).astype(dtype, copy=False),
    )


def side_by_side(blocks: Sequence[CompressedBlock], starts: Sequence[int], index: np.dtype[Any]) -> CompressedBlock:
    """Return blocks of the same rows as one: the columns of each begin at its start."""
    if len(blocks) == 1 and not starts[0]:
        return blocks[0]
    if len(blocks[0].indptr) == 2:  # one gene, for which the places below take longer than all else
        indices = np.concatenate(
            [block.indices + index.type(start) for block, start in zip(blocks, starts, strict=True)]
        )
        return CompressedBlock(np.array([0, len(indices)]), indices, np.concatenate([block.data for block in blocks]))
    lengths = np.stack([np.diff(block.indptr) for block in blocks], axis=1)
    ends = np.cumsum(lengths).reshape(lengths.shape)
    begins = ends - lengths
    stored = int(ends[-1, -1]) if ends.size else 0
    indices, data = np.empty(stored, index), np.empty(stored, blocks[0].data.dtype)
    for number, (block, start) in enumerate(zip(blocks, starts, strict=True)):
        to = np.repeat(begins[:, number] - block.indptr[:-1], lengths[:, number]) + np.arange(len(block.indices))
        indices[to] = block.indices + index.type(start)
        data[to] = block.data
    return CompressedBlock(indptr_of(lengths.sum(axis=1)), indices, data)


def _reordered(block: CompressedBlock, order: NDArray[np.int64]) -> CompressedBlock:
    """Return the rows of a block in places of their own: the row ``i`` in the place ``order[i]``."""
    lengths = np.diff(block.indptr)
    wanted = np.empty(len(order), np.int64)
    wanted[order] = np.arange(len(order))
    indptr = indptr_of(lengths[wanted])
    take = np.repeat(block.indptr[:-1][wanted] - indptr[:-1], lengths[wanted]) + np.arange(indptr[-1])
    return CompressedBlock(indptr, block.indices[take], block.data[take])
