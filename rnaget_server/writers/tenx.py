"""10x Genomics ``.h5`` files, as Cell Ranger 3 and later write them: features × barcodes, compressed by barcode."""

from __future__ import annotations

from functools import partial
from typing import Any

import h5py
import numpy as np

from rnaget_server.model.slice import Labels, LayerInfo, Slice
from rnaget_server.model.sparse import SparseCells
from rnaget_server.stores.layout import link_name
from rnaget_server.stores.tenx import FEATURE_TYPE
from rnaget_server.writers.base import Body, Writer
from rnaget_server.writers.by_samples import cells_by_samples
from rnaget_server.writers.fixed_texts import write_column, write_texts
from rnaget_server.writers.h5ad_cells import HELD, CsrArrays
from rnaget_server.writers.mtx import ONLY_TYPE
from rnaget_server.writers.skeleton import Gap, allocate, streamed

_GENOME = "genome"
_WHOLE = ((np.int32, 1 << 31), (np.int64, 1 << 53))


class TenXWriter(Writer):
    """Writes the main layer, with all attributes of features; of samples the ids alone."""

    media_types = ("application/vnd.hdfgroup.hdf5", "application/x-hdf5")
    extension = "h5"
    aliases = ("tenx",)
    groups = ("exports",)

    def write(self, slice: Slice) -> Body:
        """Return the slice as a 10x file and its exact length; the cells are read several times."""
        return streamed(partial(_lay_out, slice), HELD + 8 * sum(slice.shape))


def _lay_out(slice: Slice, file: h5py.File) -> list[Gap]:
    file.attrs["filetype"] = "matrix"
    file.attrs["version"] = 2
    matrix = file.create_group("matrix")
    matrix["shape"] = np.array(slice.shape, np.int32)
    write_texts(matrix, "barcodes", slice.samples, slice.samples.id)
    _write_features(matrix.create_group("features"), slice.features)
    layer, samples = slice.layers[0], slice.shape[1]
    cells = cells_by_samples(layer, samples)
    dtype, count, arrays = _dtype(layer, cells), cells.count(), CsrArrays(cells, samples, slice.shape[0])
    places = allocate(matrix, "data", dtype, (count,), arrays.data(dtype))[1]
    whole = np.dtype(np.int64)
    places += allocate(matrix, "indices", whole, (count,), arrays.indices(whole))[1]
    return places + allocate(matrix, "indptr", whole, (samples + 1,), arrays.indptr(whole))[1]


def _write_features(group: h5py.Group, features: Labels) -> None:
    """Write what readers expect first: the id for a name, genes, and no genome where there are none."""
    write_texts(group, "id", features, features.id)
    write_texts(group, "name", features, features.name or features.id)
    for name, default in ((FEATURE_TYPE, ONLY_TYPE), (_GENOME, "")):
        known = name in features.attributes and name not in (features.id, features.name)
        if known:
            write_texts(group, name, features, name)
        else:
            group.create_dataset(name, data=np.full(features.size, default.encode(), f"S{max(1, len(default))}"))
    # Readers look up here which other columns are of use to them.
    group.create_dataset("_all_tag_keys", data=np.array([_GENOME.encode()]))
    for name in features.attributes:
        if name not in (features.id, features.name, FEATURE_TYPE, _GENOME):
            write_column(group, link_name(group, name), features, name)


def _dtype(layer: LayerInfo, cells: SparseCells) -> np.dtype[Any]:
    """Return the type of the stored cells: whole numbers, as of Cell Ranger, if all are and none is missing."""
    if not layer.whole:
        return layer.dtype
    largest = np.float64(0)
    for piece in cells.compressed_along("samples"):
        if len(piece.data):
            largest = np.maximum(largest, np.abs(piece.data).max())  # stays NaN
    return next((np.dtype(kind) for kind, limit in _WHOLE if largest < limit), layer.dtype)
