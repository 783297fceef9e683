"""An AnnData file served as it is: ``obs`` are the samples, ``var`` the features, ``X`` the main matrix.

It is stored the other way round than it is served: samples are the rows. Compressed by samples (CSR), a gene is
found by looking through all cells; the native sparse store, which the import makes, has both orientations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.axis import Positions
from rnaget_server.model.sparse import SparseCells
from rnaget_server.storage.access import FileAccess
from rnaget_server.stores import layout
from rnaget_server.stores.base import Points
from rnaget_server.stores.compressed import CompressedMatrix, open_compressed
from rnaget_server.stores.dtypes import check_cells, output_dtype
from rnaget_server.stores.embeddings import read_obsm, read_points
from rnaget_server.stores.failures import UnfitFile
from rnaget_server.stores.h5ad_encodings import attribute_text, encoding_of, is_null, printable
from rnaget_server.stores.h5ad_frame import Frame, read_frame
from rnaget_server.stores.hdf5_dataset import Dataset
from rnaget_server.stores.hdf5_file import File, Group, closes_on_failure
from rnaget_server.stores.sparse_layer import SparseLayer
from rnaget_server.stores.transposed import TransposedLayer

MAIN = "X"
RAW = "raw"
_OLD_RAW, _OLD_RAW_FEATURES, _OLD_RAW_CATEGORIES = "raw.X", "raw.var", "raw.cat"
_EMBEDDINGS = "obsm"
_INSIDE = (MAIN, RAW, layout.LAYERS, "obs", "var", _EMBEDDINGS, _OLD_RAW, _OLD_RAW_FEATURES)
_MODALITIES = "mod"
_DENSE = ("", "array")
_SPARSE = {"csr_matrix": "samples", "csc_matrix": "features"}


class H5adFile:
    """An open AnnData file: labels, and matrices by name. Opening reads neither columns nor cells.

    Parameters
    ----------
    path, access
        The file, and how it is read.
    modality
        The modality of a MuData file that is meant; None for an AnnData file.

    Raises
    ------
    UnfitFile
        If it is MuData, or its labels cannot be read.
    """

    @closes_on_failure
    def __init__(self, path: Path, access: FileAccess | None = None, modality: str | None = None) -> None:
        self.file = File(path, _INSIDE if modality is None else (_MODALITIES,), access)
        self.file.check_links()
        self._root = "" if modality is None else f"{_MODALITIES}/{modality}/"
        if modality is None:
            _refuse_mudata(self.file)
        self._uns = f"{self._root}uns"
        self.obs = read_frame(self.file, f"{self._root}obs", "sample", (self._uns,))
        self.var = read_frame(self.file, f"{self._root}var", "feature", (self._uns,))
        self.samples, self.features = self.obs.axis, self.var.axis
        self.embeddings = read_obsm(self.file, self._root + _EMBEDDINGS, self.samples.size)

    @property
    def names(self) -> tuple[str, ...]:
        """The matrices: ``X``, ``raw`` if there is one, and the names of the layers."""
        own = [name for name in (MAIN, RAW) if not is_null(self.file.get(self._place(name)))]
        return (*own, *(name for name in self._layers if name not in own))

    def points(self, name: str) -> Points:
        """Return the points of one of the embeddings."""
        return read_points(self.embeddings.items[name], self.file)

    @property
    def _layers(self) -> tuple[str, ...]:
        layers = self.file.get(self._root + layout.LAYERS)
        return tuple(layers) if isinstance(layers, Group) else ()

    @cached_property
    def raw_var(self) -> Frame:
        """The features of ``raw``, which may be more than those of ``X``."""
        if self._root + _OLD_RAW in self.file:
            categories = (self._root + _OLD_RAW_CATEGORIES, self._uns)
            return read_frame(self.file, self._root + _OLD_RAW_FEATURES, "feature", categories)
        return read_frame(self.file, f"{self._root}{RAW}/var", "feature", (self._uns,))

    def _place(self, name: str) -> str:
        if name == RAW:
            return self._root + (_OLD_RAW if self._root + _OLD_RAW in self.file else f"{RAW}/X")
        return self._root + (MAIN if name == MAIN else f"{layout.LAYERS}/{name}")

    def matrix(self, name: str) -> H5adMatrix:
        """Return one of the matrices.

        Raises
        ------
        UnfitFile
            If it is of an encoding that is not known, or holds no numbers.
        OSError
            If it does not fit the labels.
        """
        place = self._place(name)
        features = self.raw_var.axis if name == RAW else self.features
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
            self.values = item.dataset("data")
        else:
            if encoding_of(item) not in _DENSE:
                raise _unknown_encoding(item)
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

    @closes_on_failure
    def __init__(self, path: Path, units: str | None = None, access: FileAccess | None = None) -> None:
        opened = H5adFile(path, access)
        self._file = opened.file
        if MAIN not in opened.names:
            raise no_main(opened.names)
        self.remarks = (*opened.obs.remarks, *opened.var.remarks, *opened.embeddings.remarks)
        self._opened = opened
        self.features, self.samples = opened.features, opened.samples
        self.shape: tuple[int, int] = (self.features.size, self.samples.size)
        self._matrices = {units or MAIN: opened.matrix(MAIN)}
        for name in opened.names:
            if name not in (MAIN, RAW):
                self._matrices.setdefault(name, opened.matrix(name))

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Return whether the file has AnnData's labels, or is MuData, of which opening says what to do."""
        with File(path) as file:
            return ("obs" in file and "var" in file) or _is_mudata(file)

    def close(self) -> None:
        """Close the file for all that read it."""
        self._file.close()

    @property
    def units(self) -> tuple[str, ...]:
        """The units of the main matrix, then the names of the layers."""
        return tuple(self._matrices)

    @property
    def embeddings(self) -> tuple[str, ...]:
        """The names in ``obsm``, of those that have two or more numbers for each sample."""
        return tuple(self._opened.embeddings.items)

    def embedding(self, name: str) -> Points:
        """Return the first two components of each sample."""
        return self._opened.points(name)

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
    # anndata 0.7 and before wrote h5sparse's names.
    encoding = encoding_of(group) or f"{attribute_text(group, 'h5sparse_format')}_matrix"
    if encoding not in _SPARSE:
        raise _unknown_encoding(group)
    return encoding


def _unknown_encoding(item: Group | Dataset) -> UnfitFile:
    name = printable(encoding_of(item))
    return UnfitFile(
        f"has {printable(item.name.strip('/'))} in an encoding that is not known{name and f' ({name})'}: write it as "
        "csr_matrix, csc_matrix or array"
    )


def no_main(names: Sequence[str]) -> UnfitFile:
    """Return the refusal of a file without ``X``, which has these matrices."""
    if not names:
        return UnfitFile("has no matrix, neither X nor a layer: write it with one, in Python by `adata.X = …`")
    listed = ", ".join(printable(name) for name in names)
    return UnfitFile(f"has no X: import one of {listed} by `rnaget-server import --layer NAME`")


def modalities(path: Path) -> tuple[str, ...] | None:
    """Return the names of the modalities of a MuData file; None if it is none."""
    with File(path) as file:
        return tuple(file.group(_MODALITIES)) if _is_mudata(file) else None


def _is_mudata(file: File) -> bool:
    return isinstance(file.get(_MODALITIES), Group) and encoding_of(file) != "anndata" and MAIN not in file


def _refuse_mudata(file: File) -> None:
    if not _is_mudata(file):
        return
    names = [printable(name) for name in file.group(_MODALITIES)]
    one = "rna" if "rna" in names or not names else names[0]
    raise UnfitFile(
        f"is MuData, which has a matrix for each of its modalities ({', '.join(names) or 'none'}): import one of them "
        f"by `rnaget-server import --modality {one}`, or write it to a file of its own, in Python by `mdata = "
        f'mudata.read_h5mu(FILE); mdata["{one}"].write_h5ad("{one}.h5ad")`'
    )


def _open_sparse(group: Group) -> CompressedMatrix:
    encoding = _encoding(group)
    shape = group.attrs.get("shape", group.attrs.get("h5sparse_shape"))
    if np.shape(shape) != (2,):
        raise OSError(f"{group.name.strip('/')} does not say its shape")
    samples, features = (int(size) for size in shape)
    by_sample = _SPARSE[encoding] == "samples"
    matrix = open_compressed(group, features if by_sample else samples)
    if matrix.major_size != (samples if by_sample else features):
        raise OSError(f"the parts of {group.name.strip('/')} do not fit its shape")
    return matrix
