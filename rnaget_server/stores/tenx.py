"""A 10x Genomics ``.h5`` file served as it is: features × barcodes, compressed by barcode.

Cell Ranger 3 and later write one group ``matrix``, with a group of feature columns. Cell Ranger 2 wrote a group for
each genome, with ``genes`` and ``gene_names``; a file of one genome is served.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from rnaget_server.stores.base import Axis, Positions, SparseCells
from rnaget_server.stores.columns import Column, Numbers
from rnaget_server.stores.compressed import Lines
from rnaget_server.stores.failures import UnfitFile
from rnaget_server.stores.h5ad_frame import Categories, stored_texts, text_column
from rnaget_server.stores.sparse_layer import SparseLayer
from rnaget_server.stores.whole_numbers import served_type

FEATURE_ID, FEATURE_NAME, SAMPLE_ID = "feature_id", "feature_name", "barcode"
_GENOME = "genome"
_MATRIX = "matrix"
_OWN_NAMES = {"id": FEATURE_ID, "name": FEATURE_NAME}


class TenXStore:
    """A matrix in a 10x file. Features have `FEATURE_ID`, `FEATURE_NAME` and further columns, samples `SAMPLE_ID`."""

    def __init__(
        self,
        path: Path,
        feature_id: str = FEATURE_ID,
        feature_name: str | None = FEATURE_NAME,
        sample_id: str = SAMPLE_ID,
        units: str | None = None,
    ) -> None:
        file = h5py.File(path, "r", locking=False)
        groups = _groups(file)
        if len(groups) > 1:
            raise UnfitFile(
                f"has the genomes {', '.join(groups)}, each a matrix of its own: write one of them to a file of its "
                "own, in Python by `scanpy.read_10x_h5(FILE, genome='NAME').write_h5ad('FILE.h5ad')`"
            )
        name, group = next(iter(groups.items()))
        self.units: tuple[str, ...] = (units or _MATRIX,)
        features, samples = (int(size) for size in group["shape"][()])
        self.shape: tuple[int, int] = (features, samples)
        self.lines = Lines(
            group["indptr"][()].astype(np.int64), group["indices"], group["data"], features, canonical=False
        )
        columns = _feature_columns(group, features)
        if self.lines.size != samples or group["barcodes"].shape != (samples,) or FEATURE_ID not in columns:
            raise OSError("the parts of the 10x matrix do not fit its shape")
        self.features = _feature_axis(columns, features, None if name == _MATRIX else name)
        self.samples = Axis(samples, (SAMPLE_ID,), lambda _: text_column(stored_texts(group["barcodes"])))
        self._layer = SparseLayer({"samples": self.lines})
        self._dtype = served_type(self.lines.values)

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Return whether the file has the groups of a 10x matrix."""
        with h5py.File(path, "r", locking=False) as file:
            return bool(_groups(file))

    def dtype(self, units: str) -> np.dtype[Any]:
        """Return float32, or float64 for whole numbers beyond 2**24; the first time, such numbers are looked for."""
        return self._dtype()

    def whole(self, units: str) -> bool:
        """Return whether the cells are stored as whole numbers."""
        return bool(self.lines.values.dtype.kind in "iub")

    def ranges(self, units: str) -> None:
        """Return None: the file has no ranges."""
        return None

    def blocks(
        self, units: str, features: Positions | None = None, samples: Positions | None = None
    ) -> Iterator[NDArray[Any]]:
        """Yield blocks of rows, gathered for many features at once."""
        return self._layer.blocks(self.dtype(units), features, samples)

    def sparse(self, units: str, features: Positions | None = None, samples: Positions | None = None) -> SparseCells:
        """Return the selection without its zeros."""
        return self._layer.sparse(self.dtype(units), features, samples)

    def held(self, units: str, features: Positions | None = None, samples: Positions | None = None) -> int:
        """Return what `blocks` and `sparse` hold of the selection between two blocks, at most; in bytes."""
        return self._layer.held(features, samples)


def _groups(file: h5py.File) -> dict[str, h5py.Group]:
    """Return the matrices of the file: ``matrix``, or those of the genomes."""
    return {
        name: group
        for name, group in file.items()
        if isinstance(group, h5py.Group)
        and {"barcodes", "data", "indices", "indptr", "shape"} <= set(group)
        and (
            {"genes", "gene_names"} <= set(group) or (name == _MATRIX and isinstance(group.get("features"), h5py.Group))
        )
    }


def _feature_columns(group: h5py.Group, size: int) -> dict[str, h5py.Dataset]:
    if "genes" in group:
        columns = {FEATURE_ID: group["genes"], FEATURE_NAME: group["gene_names"]}
    else:
        own = group["features"]
        order = [*(name for name in _OWN_NAMES if name in own), *(name for name in own if name not in _OWN_NAMES)]
        columns = {_OWN_NAMES.get(name, name): own[name] for name in order}
    return {
        name: column
        for name, column in columns.items()
        if isinstance(column, h5py.Dataset) and column.shape == (size,) and not name.startswith("_")
    }


def _feature_axis(columns: dict[str, h5py.Dataset], size: int, genome: str | None) -> Axis:
    names = list(columns) if genome is None else [*columns, _GENOME]

    def read(name: str) -> Column:
        if name not in columns:
            return Categories(np.array([genome], object), np.zeros(size, np.int8))
        if h5py.check_string_dtype(columns[name].dtype) is not None:
            return text_column(stored_texts(columns[name]))
        return Numbers(columns[name][()].astype(np.float64 if columns[name].dtype.kind == "f" else np.int64))

    return Axis(size, names, read)
