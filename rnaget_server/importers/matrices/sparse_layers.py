"""A further unit of a matrix that is stored sparse: the same features and samples, in the same order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from rnaget_server.catalog.records import Matrix
from rnaget_server.compute.base import Result
from rnaget_server.errors import ImportFailure
from rnaget_server.importers.base import SourceMatrix
from rnaget_server.importers.matrices.layers import (
    check_samples,
    extend_axis,
    in_order,
    joined_embeddings,
    positions_of,
)
from rnaget_server.importers.sparse_spool import SpooledSparse
from rnaget_server.model.sparse import CompressedBlock, Direction
from rnaget_server.stores.native.encoded_rows import map_blocks
from rnaget_server.stores.native.sparse import NativeSparseStore
from rnaget_server.stores.native.write_dense import AxisTable
from rnaget_server.stores.native.write_sparse import SparseLayerSource


@dataclass(frozen=True)
class MergedSparseMatrix:
    """The matrix to write: both axes, every layer, the spool (to be closed), and remarks."""

    features: AxisTable
    samples: AxisTable
    layers: tuple[SparseLayerSource, ...]
    cells: SpooledSparse
    remarks: tuple[str, ...]


class StoredSparse:
    """The stored cells of a layer of a native sparse store."""

    def __init__(self, store: NativeSparseStore, units: str) -> None:
        self._cells = store.sparse(units)
        self.shape = store.shape

    @property
    def count(self) -> int:
        """Number of stored cells."""
        return self._cells.count()

    def map_blocks(self, direction: Direction, work: Callable[[CompressedBlock, int], Result]) -> Iterator[Result]:
        """Yield what is made of the cells block by block, in their order; see `SparseValues`."""
        return map_blocks(self._cells.compressed_along(direction), work)


def sparse_layer(units: str, cells: SpooledSparse) -> SparseLayerSource:
    """Return what was spooled as a layer to write."""
    return SparseLayerSource(units, cells, cells.stored_dtype, cells.whole)


def merge_sparse(
    matrix: Matrix, store: NativeSparseStore, source: SourceMatrix, cells: SpooledSparse, units: str
) -> MergedSparseMatrix:
    """Return the stored matrix with the source as its layer `units`, new or in the place of the old one.

    Attributes that are there keep their values.

    Raises
    ------
    ImportFailure
        If the features and samples are not the same ones in the same order.
    """
    feature_ids = store.features.column(matrix.feature_id)
    sample_ids = store.samples.column(matrix.sample_id)
    check_samples(matrix, sample_ids, source.samples.columns[source.samples.id])
    features = positions_of(feature_ids, source.features.columns[source.features.id])
    samples = positions_of(sample_ids, source.samples.columns[source.samples.id])
    if not (in_order(features, cells.shape[0]) and in_order(samples, cells.shape[1])):
        raise ImportFailure(
            f"the matrix {matrix.id} is stored sparse, and a further unit of it needs the same features and samples in "
            "the same order, as the layers of one file have them: import this under an id of its own"
        )
    remarks: list[str] = []
    names = matrix.feature_id, matrix.feature_name
    feature_axis = extend_axis(store.features, names, source.features, features, remarks)
    sample_axis = extend_axis(store.samples, (matrix.sample_id, None), source.samples, samples, remarks)
    sample_axis = replace(sample_axis, embeddings=joined_embeddings(store, source.samples, samples))
    old = {
        name: SparseLayerSource(name, StoredSparse(store, name), store.stored_dtype(name), store.whole(name))
        for name in store.units
    }
    layers = {**old, units: sparse_layer(units, cells)}
    return MergedSparseMatrix(feature_axis, sample_axis, tuple(layers.values()), cells, tuple(remarks))
