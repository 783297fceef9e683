"""A 10x Genomics ``.h5`` file served as it is: features × barcodes, compressed by barcode.

Cell Ranger 3 and later write one group ``matrix``, with a group of feature columns. Cell Ranger 2 wrote a group for
each genome, with ``genes`` and ``gene_names``; a file of one genome is served.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.model.axis import Axis, Positions
from rnaget_server.model.columns import Column, Numbers
from rnaget_server.model.sparse import SparseCells
from rnaget_server.storage.access import FileAccess
from rnaget_server.stores.base import Points
from rnaget_server.stores.compressed import open_compressed
from rnaget_server.stores.dtypes import check_cells, check_column, output_dtype
from rnaget_server.stores.failures import UnfitFile
from rnaget_server.stores.h5ad_frame import Categories, text_column
from rnaget_server.stores.hdf5_dataset import Dataset
from rnaget_server.stores.hdf5_file import File, Group, closes_on_failure
from rnaget_server.stores.sparse_layer import SparseLayer

FEATURE_ID, FEATURE_NAME, FEATURE_TYPE, SAMPLE_ID = "feature_id", "feature_name", "feature_type", "barcode"
_GENOME = "genome"
_MATRIX = "matrix"
_OWN_NAMES = {"id": FEATURE_ID, "name": FEATURE_NAME}


class TenXStore:
    """A matrix in a 10x file. Features have `FEATURE_ID`, `FEATURE_NAME` and further columns, samples `SAMPLE_ID`."""

    @closes_on_failure
    def __init__(
        self, path: Path, units: str | None = None, access: FileAccess | None = None, genome: str | None = None
    ) -> None:
        file = self._file = File(path, access=access)
        file.check_links()
        groups = _groups(file)
        if len(groups) > 1 and genome not in groups:
            raise UnfitFile(
                f"has the genomes {', '.join(groups)}, each a matrix of its own: import the matrix of one of them by "
                f"--genome, as --genome {next(iter(groups))} (without --as-is)"
            )
        name = genome if genome in groups else next(iter(groups))
        group = groups[name]
        self.units: tuple[str, ...] = (units or _MATRIX,)
        features, samples = (int(size) for size in group.dataset("shape").whole())
        self.shape: tuple[int, int] = (features, samples)
        file.check_axis(features, "feature")
        file.check_axis(samples, "sample")
        self.compressed = open_compressed(group, features)
        self._data = group.dataset("data")
        check_cells(self._data)
        columns = _feature_columns(group, features)
        barcodes = group.dataset("barcodes").shape
        if self.compressed.major_size != samples or barcodes != (samples,) or FEATURE_ID not in columns:
            raise OSError("the parts of the 10x matrix do not fit its shape")
        self.features = _feature_axis(columns, features, None if name == _MATRIX else name)
        self.samples = Axis(samples, (SAMPLE_ID,), lambda _: text_column(group.dataset("barcodes").texts()))
        self._layer = SparseLayer({"samples": self.compressed})
        self._dtype = output_dtype(self._data)

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Return whether the file has the groups of a 10x matrix."""
        with File(path) as file:
            return bool(_groups(file))

    def close(self) -> None:
        """Close the file for all that read it."""
        self._file.close()

    def dtype(self, units: str) -> np.dtype[Any]:
        """Return float32, or float64 for whole numbers beyond 2**24; the first time, such numbers are looked for."""
        return self._dtype()

    def whole(self, units: str) -> bool:
        """Return whether the cells are stored as whole numbers."""
        return bool(self._data.dtype.kind in "iub")

    @property
    def embeddings(self) -> tuple[str, ...]:
        """No names: the file has no embeddings."""
        return ()

    def embedding(self, name: str) -> Points:
        """Raise KeyError, for there are none."""
        raise KeyError(name)

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


def _groups(file: File) -> dict[str, Group]:
    """Return the matrices of the file: ``matrix``, or those of the genomes."""
    return {
        name: group
        for name, group in file.items()
        if isinstance(group, Group)
        and {"barcodes", "data", "indices", "indptr", "shape"} <= set(group)
        and ({"genes", "gene_names"} <= set(group) or (name == _MATRIX and isinstance(group.get("features"), Group)))
    }


def _feature_columns(group: Group, size: int) -> dict[str, Dataset]:
    if "genes" in group:
        items = [(FEATURE_ID, group.get("genes")), (FEATURE_NAME, group.get("gene_names"))]
    else:
        own = group.group("features")
        order = [*(name for name in _OWN_NAMES if name in own), *(name for name in own if name not in _OWN_NAMES)]
        items = [(_OWN_NAMES.get(name, name), own.get(name)) for name in order]
    columns = {
        name: column
        for name, column in items
        if isinstance(column, Dataset) and column.shape == (size,) and not name.startswith("_")
    }
    for column in columns.values():
        check_column(column)
    return columns


def _feature_axis(columns: dict[str, Dataset], size: int, genome: str | None) -> Axis:
    names = list(columns) if genome is None else [*columns, _GENOME]

    def read(name: str) -> Column:
        if name not in columns:
            return Categories(np.array([genome], object), np.zeros(size, np.int8))
        column = columns[name]
        if column.is_text:
            return text_column(column.texts())
        return Numbers(column.whole().astype(np.float64 if column.dtype.kind == "f" else np.int64))

    return Axis(size, names, read)
