"""A peer in a process of its own, run as a file: reads cells and genes into memory, and says how long each took.

``python cells_peers.py PEER FILE DIRECTORY TYPES``: makes of the AnnData file what the peer reads, in the directory, if
it is not there, and answers each line of JSON on its input (``["cells", [positions]]``, ``["genes", …]`` or ``["means",
…]``) by one: seconds by the clock, seconds of the processor, and the number of stored cells. The first line says how
long the making took. It imports nothing of this package: it may be run by the Python of another environment.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

_CELLS_AT_ONCE = 100_000


class AnnData:
    """The file itself, backed."""

    def __init__(self, file: Path, directory: Path) -> None:
        import anndata

        self._data = anndata.read_h5ad(file, backed="r")

    def cells(self, positions: Sequence[int]) -> Any:
        """Return some cells as a matrix of scipy."""
        return self._data[positions].to_memory().X

    def genes(self, positions: Sequence[int]) -> Any:
        """Return some genes as a matrix of scipy."""
        return self._data[:, positions].to_memory().X


class Zarr:
    """The same as anndata writes zarr, backed."""

    def __init__(self, file: Path, directory: Path) -> None:
        import anndata
        import zarr
        from anndata.io import sparse_dataset

        path = directory / "cells.zarr"
        _make(path, lambda partial: anndata.read_h5ad(file).write_zarr(partial))
        self._matrix = sparse_dataset(zarr.open_group(str(path), mode="r")["X"])

    def cells(self, positions: Sequence[int]) -> Any:
        """Return some cells as a matrix of scipy."""
        return self._matrix[np.asarray(positions)]

    def genes(self, positions: Sequence[int]) -> Any:
        """Return some genes as a matrix of scipy."""
        return self._matrix[:, np.asarray(positions)]


class BPCells:
    """Both orientations, as its documentation advises for reads of both kinds."""

    def __init__(self, file: Path, directory: Path) -> None:
        import anndata
        from bpcells.experimental import DirMatrix

        by_cell, by_gene = directory / "bpcells-cells", directory / "bpcells-genes"
        _make(by_cell, lambda partial: DirMatrix.from_h5ad(str(file), str(partial)))

        def transpose(partial: Path) -> None:
            source = anndata.read_h5ad(file, backed="r")
            parts = []
            for start in range(0, source.n_obs, _CELLS_AT_ONCE):
                some = source.X[start : start + _CELLS_AT_ONCE].astype(np.uint32).tocsc()
                parts.append(DirMatrix.from_scipy_sparse(some, f"{partial}-{start}"))
            if len(parts) == 1:
                Path(f"{partial}-0").rename(partial)
                return
            DirMatrix.from_vstack(parts, str(partial))
            for part in partial.parent.glob(f"{partial.name}-*"):
                shutil.rmtree(part)

        _make(by_gene, transpose)
        self._by_cell, self._by_gene = DirMatrix(str(by_cell)).T, DirMatrix(str(by_gene))
        if self._by_cell.shape != self._by_gene.shape:
            self._by_cell = self._by_cell.T

    def cells(self, positions: Sequence[int]) -> Any:
        """Return some cells as a matrix of scipy."""
        return self._by_cell[list(positions), :]

    def genes(self, positions: Sequence[int]) -> Any:
        """Return some genes as a matrix of scipy."""
        return self._by_gene[:, list(positions)]


class TileDBSOMA:
    """An experiment as its importer makes one."""

    def __init__(self, file: Path, directory: Path) -> None:
        import tiledbsoma
        import tiledbsoma.io

        path = directory / "cells.soma"
        _make(path, lambda partial: tiledbsoma.io.from_h5ad(str(partial), str(file), measurement_name="RNA"))
        self._experiment = tiledbsoma.Experiment.open(str(path))
        self._matrix = self._experiment.ms["RNA"].X["data"]

    def cells(self, positions: Sequence[int]) -> Any:
        """Return some cells as a matrix of scipy."""
        return self._read((positions, slice(None)), 0, positions)

    def genes(self, positions: Sequence[int]) -> Any:
        """Return some genes as a matrix of scipy."""
        return self._read((slice(None), positions), 1, positions)

    def _read(self, where: tuple[Any, Any], axis: int, positions: Sequence[int]) -> Any:
        table = self._matrix.read(where).tables().concat()
        places = [table["soma_dim_0"].to_numpy(), table["soma_dim_1"].to_numpy()]
        places[axis] = np.searchsorted(positions, places[axis])
        shape = list(self._matrix.shape)
        shape[axis] = len(positions)
        return scipy.sparse.csr_matrix((table["soma_data"].to_numpy(), places), shape)


PEERS = {"anndata": AnnData, "zarr": Zarr, "bpcells": BPCells, "tiledbsoma": TileDBSOMA}


def _make(path: Path, make: Any) -> None:
    """Make what is not there; half of it is none."""
    if not path.exists():
        partial = path.with_name(f"partial-{path.name}")
        shutil.rmtree(partial, ignore_errors=True)
        make(partial)
        partial.rename(path)


def _means(peer: Any, positions: Sequence[int], types: Any) -> Any:
    """Return the mean of each gene over the cells of each type."""
    return types @ scipy.sparse.csr_matrix(peer.genes(positions))


def _write(matrix: Any, cells: Any, genes: Any) -> None:
    """Write an h5ad file into memory."""
    import anndata
    import h5py

    with h5py.File.in_memory() as file:
        anndata.io.write_elem(file, "/", anndata.AnnData(scipy.sparse.csr_matrix(matrix), cells, genes))


def main() -> None:
    """Answer until the input ends."""
    name, file, directory, codes = sys.argv[1:]
    began = time.perf_counter()
    peer = PEERS[name](Path(file), Path(directory))
    print(json.dumps(time.perf_counter() - began), flush=True)
    import anndata

    labels, every = anndata.read_h5ad(file, backed="r"), slice(None)
    groups = np.load(codes)
    sizes = np.bincount(groups)
    weights = (1 / sizes[groups], (groups, np.arange(len(groups))))
    types = scipy.sparse.csr_matrix(weights, (len(sizes), len(groups)))
    for line in sys.stdin:
        kind, positions, product = json.loads(line)
        clock, processor = time.perf_counter(), time.process_time()
        read = _means(peer, positions, types) if kind == "means" else getattr(peer, kind)(positions)
        if product == "h5ad":
            chosen = {kind: positions}
            _write(read, labels.obs.iloc[chosen.get("cells", every)], labels.var.iloc[chosen.get("genes", every)])
        taken = time.perf_counter() - clock, time.process_time() - processor
        print(json.dumps([*taken, read.nnz]), flush=True)


if __name__ == "__main__":
    main()
