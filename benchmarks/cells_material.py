"""Single cells made from a seed and kept between runs: an AnnData file, and a catalogue that offers them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from time import perf_counter

import anndata
import h5py
import numpy as np
import pandas as pd
import scipy.sparse
from anndata.io import write_elem
from numpy.typing import NDArray

from benchmarks.import_runs import import_command
from rnaget_server.cli.new import write_new_catalog

GENES = 30_000
TYPES = 54
STORED = 1_000
"""About how many genes are drawn for each cell; some more than once, so that fewer are stored."""

MATRIX = "m"
"""The id of the matrix in the catalogue."""

WIDE = {"arrow": 30_000, "parquet": 5_000}
"""Formats with a column for each cell, and of how many cells they are asked for at most."""

_SEED = 20_261_127
_CELLS_AT_ONCE = 20_000


@dataclass(frozen=True)
class Cells:
    """The files of one number of cells."""

    directory: Path
    count: int
    seconds: dict[str, float] = field(default_factory=dict, compare=False)
    """What was made in this run, and how long that took."""

    @property
    def h5ad(self) -> Path:
        """As anndata writes it: cells as rows, contiguous, not compressed."""
        return self._kept("plain.h5ad", self._write_h5ad)

    @property
    def catalogue(self) -> Path:
        """A catalogue that offers the cells out of the store of this server."""
        source = self.h5ad  # made before, or its making would count as that of the catalogue
        return self._kept("catalogue", partial(self._import, source))

    def ids(self, positions: NDArray[np.int64]) -> list[str]:
        """Return the ids of some cells."""
        return [barcode(position) for position in positions.tolist()]

    def _kept(self, name: str, make: Callable[[Path], None]) -> Path:
        """Return what is made if it is not there; half of it is none."""
        path = self.directory / name
        if not path.exists():
            self.directory.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f"partial-{name}")
            shutil.rmtree(partial) if partial.is_dir() else partial.unlink(missing_ok=True)
            began = perf_counter()
            make(partial)
            self.seconds[name] = perf_counter() - began
            partial.rename(path)
        return path

    def _write_h5ad(self, path: Path) -> None:
        random = np.random.default_rng(_SEED)
        types = np.char.add("Type ", random.integers(0, TYPES, self.count).astype(str))
        cells = pd.DataFrame({"cell_type": pd.Categorical(types)}, self.ids(np.arange(self.count)))
        genes = pd.DataFrame({"gene_name": [f"GENE{number}" for number in range(GENES)]}, gene_ids(np.arange(GENES)))
        anndata.AnnData(obs=cells, var=genes).write_h5ad(path)
        level = np.cumsum(random.gamma(0.3, 1, GENES))
        lengths = []
        with TemporaryFile(dir=path.parent) as data, TemporaryFile(dir=path.parent) as indices:
            for start in range(0, self.count, _CELLS_AT_ONCE):
                some = _drawn(random, level, min(_CELLS_AT_ONCE, self.count - start))
                lengths.append(np.diff(some.indptr))
                data.write(some.data.data)
                indices.write(some.indices.data)
            data.flush()
            indices.flush()
            with h5py.File(path, "a") as file:
                write_elem(file, "X", scipy.sparse.csr_matrix((self.count, GENES), dtype=np.float32))
                matrix = file["X"]
                del matrix["data"], matrix["indices"], matrix["indptr"]
                matrix["data"], matrix["indices"] = np.memmap(data, np.float32, "r"), np.memmap(indices, np.int32, "r")
                matrix["indptr"] = np.cumsum([0, *np.concatenate(lengths)]).astype(np.int32)

    def _import(self, source: Path, path: Path) -> None:
        write_new_catalog(path, None)
        subprocess.run(import_command(source, path), check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def barcode(position: int) -> str:
    """Return the id of a cell: sixteen letters, as 10x tools write them, in no order."""
    scattered = position * 2_654_435_761 % (1 << 32)
    return "".join("ACGT"[scattered >> 2 * digit & 3] for digit in range(16)) + "-1"


def gene_ids(positions: NDArray[np.int64]) -> list[str]:
    """Return the ids of some genes."""
    return [f"ENSG{position:011}" for position in positions.tolist()]


def _drawn(random: np.random.Generator, level: NDArray[np.float64], cells: int) -> scipy.sparse.csr_matrix:
    lengths = random.poisson(STORED, cells)
    genes = np.searchsorted(level, random.random(int(lengths.sum())) * level[-1]).astype(np.int32)
    counts = (random.poisson(0.6, len(genes)) + 1).astype(np.float32)
    matrix = scipy.sparse.csr_matrix((counts, genes, np.cumsum([0, *lengths])), (cells, GENES))
    matrix.sum_duplicates()
    return matrix
