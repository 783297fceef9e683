"""A matrix cut into files by samples, each of its own kind, and perhaps with its features in its own order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import anndata
import h5py
import numpy as np
import pandas as pd
import scipy.sparse
from numpy.typing import NDArray

from rnaget_server.model.text import encode
from rnaget_server.storage.local import version_at
from rnaget_server.stores.base import MatrixStore
from rnaget_server.stores.h5ad import H5adStore
from rnaget_server.stores.loom import LoomStore
from rnaget_server.stores.native.dense import NativeStore
from rnaget_server.stores.native.sparse import NativeSparseStore
from rnaget_server.stores.native.write_dense import AxisTable, LayerSource, write_native
from rnaget_server.stores.native.write_sparse import SparseLayerSource, write_sparse
from rnaget_server.stores.sharded import IndexPlace, OpenShards, ShardedStore, ShardFile
from rnaget_server.testing.matrices import InMemory, InMemorySparse

Layers = Sequence[tuple[str, NDArray[Any], bool]]
"""Units, cells, and whether these are whole numbers."""


def part_of(table: AxisTable, places: NDArray[np.int64]) -> AxisTable:
    """The labels of some members of an axis."""
    columns = {name: column[places] for name, column in table.columns.items()}
    return replace(table, columns=columns, embeddings={name: axis[places] for name, axis in table.embeddings.items()})


def write_part(path: Path, kind: str, features: AxisTable, samples: AxisTable, layers: Layers) -> Path:
    """Write one file."""
    path = path.with_suffix({"loom": ".loom", "csr": ".h5ad", "array": ".h5ad"}.get(kind, ".h5"))
    if kind == "dense":
        write_native(path, features, samples, [LayerSource(u, InMemory(c), c.dtype, whole) for u, c, whole in layers])
    elif kind == "sparse":
        sources = [SparseLayerSource(u, InMemorySparse(c), _least_type(c), whole) for u, c, whole in layers]
        write_sparse(path, features, samples, sources)
    elif kind == "loom":
        _write_loom(path, features, samples, layers)
    else:
        _write_h5ad(path, scipy.sparse.csr_matrix if kind == "csr" else np.asarray, features, samples, layers)
    return path


def _least_type(cells: NDArray[Any]) -> np.dtype[Any]:
    """The small type of whole numbers that holds all cells, or their own: a file has its own."""
    with np.errstate(invalid="ignore"):
        fitting = (kind for kind in (np.uint8, np.uint16) if np.array_equal(cells.astype(kind), cells))
        return next(map(np.dtype, fitting), cells.dtype)


def _write_loom(path: Path, features: AxisTable, samples: AxisTable, layers: Layers) -> None:
    with h5py.File(path, "w") as file:
        (_, main, _), *further = layers
        file.create_dataset("matrix", data=main)
        for units, cells, whole in further:
            file.create_dataset(f"layers/{units}", data=cells.astype(np.int64 if whole else cells.dtype))
        for group, table in (("row_attrs", features), ("col_attrs", samples)):
            for name, column in table.columns.items():
                is_text = column.dtype.kind == "O"
                file.create_dataset(f"{group}/{name}", data=[encode(text) for text in column] if is_text else column)
        file["col_attrs"].create_dataset("X_umap", data=samples.embeddings["X_umap"])


def _write_h5ad(
    path: Path, form: Callable[[Any], Any], features: AxisTable, samples: AxisTable, layers: Layers
) -> None:
    frames = [pd.DataFrame(dict(axis.columns)).set_index(axis.id) for axis in (samples, features)]
    (_, main, _), *further = layers
    data = anndata.AnnData(form(main.T), *frames, obsm={"X_umap": samples.embeddings["X_umap"]})
    for units, cells, whole in further:
        data.layers[units] = form(cells.T.astype(np.int64 if whole else cells.dtype))
    data.write_h5ad(path)


def cut(
    directory: Path,
    features: AxisTable,
    samples: AxisTable,
    layers: Layers,
    kinds: Sequence[str],
    borders: Sequence[int],
    orders: Sequence[NDArray[np.int64] | None] = (),
) -> list[Path]:
    """Write the samples between each two borders into a file of one of the kinds; return the files."""
    paths = []
    for number, kind in enumerate(kinds):
        places = np.arange(borders[number], borders[number + 1])
        order = orders[number] if orders else None
        rows = np.arange(len(next(iter(features.columns.values())))) if order is None else order
        cells = [(units, np.ascontiguousarray(matrix[rows][:, places]), whole) for units, matrix, whole in layers]
        parts = part_of(features, rows), part_of(samples, places)
        paths.append(write_part(directory / f"part-{number}", kind, *parts, cells))
    return paths


def open_part(path: Path, units: str) -> MatrixStore:
    """Open a file that `write_part` wrote."""
    for kind in (NativeStore, NativeSparseStore, H5adStore, LoomStore):
        if kind.recognises(path):
            return kind(path, units)
    raise ValueError(path)


def open_cut(
    paths: Sequence[Path],
    units: str,
    ids: tuple[str, str],
    opened: OpenShards | None = None,
    place: IndexPlace | None = None,
    open_file: Callable[[Path, str], MatrixStore] = open_part,
) -> ShardedStore:
    """Open files as one matrix."""
    files = [ShardFile(path, version_at(path), units, lambda path: open_file(path, units)) for path in paths]
    return ShardedStore(files, OpenShards() if opened is None else opened, *ids, place)
