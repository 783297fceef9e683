"""An AnnData file served as it is: ``obs`` are the samples, ``var`` the features, ``X`` the main matrix.

It is stored the other way round than it is served: samples are the rows. Compressed by samples (CSR), a gene is
found by looking through all cells; the native sparse store, which the import makes, has both orientations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.axis import Axis, Positions
from rnaget_server.model.sparse import SparseCells
from rnaget_server.storage.access import FileAccess
from rnaget_server.stores import layout
from rnaget_server.stores.compressed import CompressedMatrix, SparseLayer, open_compressed
from rnaget_server.stores.dtypes import check_cells, output_dtype
from rnaget_server.stores.failures import UnfitFile
from rnaget_server.stores.h5ad_frame import frame_axis
from rnaget_server.stores.hdf5_dataset import Dataset
from rnaget_server.stores.hdf5_file import File, Group
from rnaget_server.stores.transposed import TransposedLayer

MAIN = "X"
RAW = "raw"
_INSIDE = (MAIN, RAW, layout.LAYERS, "obs", "var")
_SPARSE = {"csr_matrix": "samples", "csc_matrix": "features"}


class H5adFile:
    """An open AnnData file: labels, and matrices by name. Opening reads neither columns nor cells.

    Raises
    ------
    UnfitFile
        If it is older than anndata 0.7.
    """

    def __init__(self, path: Path, access: FileAccess | None = None) -> None:
        self.file = File(path, _INSIDE, access)
        self.file.check_links()
        self.samples = frame_axis(self.file, "obs", "sample")
        self.features = frame_axis(self.file, "var", "feature")

    @property
    def names(self) -> tuple[str, ...]:
        """The matrices: ``X``, ``raw`` if there is one, and the names of the layers."""
        own = [name for name, place in ((MAIN, MAIN), (RAW, f"{RAW}/X")) if place in self.file]
        return (*own, *(name for name in self._layers if name not in own))

    @property
    def _layers(self) -> tuple[str, ...]:
        return tuple(self.file.group(layout.LAYERS)) if layout.LAYERS in self.file else ()

    def raw_features(self) -> Axis:
        """Return the features of ``raw``, which may be more than those of ``X``."""
        return frame_axis(self.file, f"{RAW}/var", "feature")

    def matrix(self, name: str) -> H5adMatrix:
        """Return one of the matrices.

        Raises
        ------
        UnfitFile
            If it is of an encoding that is not known, or holds no numbers.
        OSError
            If it does not fit the labels.
        """
        place = {MAIN: MAIN, RAW: f"{RAW}/X"}.get(name, f"{layout.LAYERS}/{name}")
        features = self.raw_features() if name == RAW else self.features
        item = self.file.get(place)
        if item is None:
            raise OSError(f"there is no {place}")
        matrix = H5adMatrix(item)
        if matrix.shape != (features.size, self.samples.size):
            raise OSError(f"{place} is of {matrix.shape}, and the labels of {(features.size, self.samples.size)}")
        return matrix


class H5adMatrix:
    """One matrix of an AnnData file, sparse or dense, as features × samples."""

    def __init__(self, item: Group | Dataset) -> None:
        self.layer: SparseLayer | TransposedLayer
        self.compressed: CompressedMatrix | None = None
        """The stored cells of a sparse one, along samples (CSR) or features (CSC)."""
        self.by_sample = True
        if isinstance(item, Group):
            self.compressed = _open_sparse(item)
            self.by_sample = _SPARSE[_encoding(item)] == "samples"
            self.layer = SparseLayer({"samples": self.compressed} if self.by_sample else {"features": self.compressed})
            self.values = self.compressed.data
        else:
            self.layer = TransposedLayer(item)
            self.values = item
        check_cells(self.values)
        if self.compressed is None and self.values.ndim != 2:
            raise UnfitFile(f"has no matrix in {item.name.strip('/')}, which is of {self.values.ndim} dimensions")
        self.dtype: Callable[[], np.dtype[Any]] = output_dtype(self.values)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of features and of samples."""
        return self.layer.shape

    @property
    def whole(self) -> bool:
        """True if the cells are stored as whole numbers."""
        return bool(self.values.dtype.kind in "iub")


class H5adStore:
    """A matrix in an AnnData file: ``X`` in the main units, the layers in units of their names."""

    def __init__(self, path: Path, units: str | None = None, access: FileAccess | None = None) -> None:
        opened = H5adFile(path, access)
        if MAIN not in opened.names:
            raise UnfitFile("has no X: import one of its layers by `rnaget-server import --layer NAME`")
        self._file = opened.file
        self.features, self.samples = opened.features, opened.samples
        self.shape: tuple[int, int] = (self.features.size, self.samples.size)
        self._matrices = {units or MAIN: opened.matrix(MAIN)}
        for name in opened.names:
            if name not in (MAIN, RAW):
                self._matrices.setdefault(name, opened.matrix(name))

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Return whether the file has AnnData's labels."""
        with File(path) as file:
            return "obs" in file and "var" in file

    def close(self) -> None:
        """Close the file for all that read it."""
        self._file.close()

    @property
    def units(self) -> tuple[str, ...]:
        """The units of the main matrix, then the names of the layers."""
        return tuple(self._matrices)

    def dtype(self, units: str) -> np.dtype[Any]:
        """Return float32, or float64 for whole numbers beyond 2**24; the first time, such numbers are looked for."""
        return self._matrices[units].dtype()

    def whole(self, units: str) -> bool:
        """Return whether the layer is stored as whole numbers."""
        return self._matrices[units].whole

    def ranges(self, units: str) -> None:
        """Return None: the file has no ranges."""
        return None

    def blocks(
        self, units: str, features: Positions | None = None, samples: Positions | None = None
    ) -> Iterator[NDArray[Any]]:
        """Yield blocks of rows; out of cells stored by samples, gathered for many features at once."""
        return self._matrices[units].layer.blocks(self.dtype(units), features, samples)

    def sparse(
        self, units: str, features: Positions | None = None, samples: Positions | None = None
    ) -> SparseCells | None:
        """Return the selection without its zeros; None where the layer is stored dense."""
        layer = self._matrices[units].layer
        return layer.sparse(self.dtype(units), features, samples) if isinstance(layer, SparseLayer) else None

    def held(self, units: str, features: Positions | None = None, samples: Positions | None = None) -> int:
        """Return what `blocks` and `sparse` hold of the selection between two blocks, at most; in bytes."""
        return self._matrices[units].layer.held(features, samples)


def _encoding(group: Group) -> str:
    encoding = layout.text_of(group.attrs.get("encoding-type", ""))
    if encoding not in _SPARSE:
        # anndata 0.7 and before wrote h5sparse's names.
        old = layout.text_of(group.attrs.get("h5sparse_format", ""))
        encoding = f"{old}_matrix"
    if encoding not in _SPARSE:
        raise UnfitFile(
            f"has {group.name.strip('/')} in an encoding that is not known: write it as csr_matrix, csc_matrix or array"
        )
    return encoding


def _open_sparse(group: Group) -> CompressedMatrix:
    shape = group.attrs["shape"] if "shape" in group.attrs else group.attrs["h5sparse_shape"]
    samples, features = (int(size) for size in shape)
    by_sample = _SPARSE[_encoding(group)] == "samples"
    matrix = open_compressed(group, features if by_sample else samples)
    if matrix.major_size != (samples if by_sample else features):
        raise OSError(f"the parts of {group.name.strip('/')} do not fit its shape")
    return matrix
