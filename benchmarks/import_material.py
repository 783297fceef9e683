"""Files to import, made from a seed and kept under ``.bench`` between runs: expression as text, and single cells."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import anndata
import h5py
import numpy as np
import orjson
import pandas as pd
import scipy.sparse
from isal import igzip
from numpy.typing import NDArray

from benchmarks.material import made_cells, sample_ids

GENES = 20_000
_STORED = 300
"""About how many genes each cell has."""

_SEED = 20_261_126
_BLOCK = 500
_CELLS_AT_ONCE = 20_000
_TENX_CHUNK = 80_000


def kept(path: Path, make: Callable[[Path], None]) -> Path:
    """Return a file, made if it is not there; half a file is none."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"partial-{path.name}")
        make(partial)
        partial.rename(path)
    return path


def _packed(path: Path) -> IO[bytes]:
    opened: IO[bytes] = igzip.open(path, "wb", compresslevel=2)  # type: ignore[no-untyped-call]
    return opened


def write_text(path: Path, shape: tuple[int, int], is_gct: bool, opened: Callable[[Path], IO[bytes]] = _packed) -> None:
    """Write a GCT, gzipped unless `opened` says otherwise, or a TSV of the same cells without descriptions.

    The first rows are drawn; those that follow are these rolled by numbers of cells that are drawn, which costs less.
    """
    rows, columns = shape
    labels = ["Name", "Description"] if is_gct else ["Name"]
    with opened(path) as text:
        if is_gct:
            text.write(f"#1.2\n{rows}\t{columns}\n".encode())
        text.write("\t".join([*labels, *sample_ids(columns)]).encode() + b"\n")
        for number, row in enumerate(_rows(rows, columns)):
            label = f"ENSG{number:011}.1\tGENE{number}" if is_gct else f"ENSG{number:011}.1"
            cells = b"," + orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1] + b","
            text.write(label.encode() + cells.replace(b".0,", b",")[:-1].replace(b",", b"\t") + b"\n")


def _rows(rows: int, columns: int) -> Iterator[NDArray[np.float32]]:
    drawn = made_cells((min(rows, _BLOCK), columns), 3)
    yield from drawn
    random = np.random.default_rng(_SEED)
    for number in range(len(drawn), rows):
        yield np.roll(drawn[number % len(drawn)], int(random.integers(columns)))


def made_single_cells(cells: int) -> anndata.AnnData:
    """Return cells × genes, sparse counts: those of the first cells are drawn, and repeated for the others."""
    drawn = _drawn(min(cells, _CELLS_AT_ONCE))
    times = -(-cells // drawn.shape[0])
    counts = scipy.sparse.vstack([drawn] * times, format="csr")[:cells] if times > 1 else drawn
    barcodes = pd.DataFrame(index=[f"CELL{number:07}-1" for number in range(cells)])
    names = [f"GENE{number}" for number in range(GENES)]
    genes = pd.DataFrame({"gene_ids": [f"ENSG{number:011}" for number in range(GENES)]}, names)
    return anndata.AnnData(counts, barcodes, genes)


def _drawn(cells: int) -> scipy.sparse.csr_matrix:
    random = np.random.default_rng(_SEED)
    level = np.cumsum(random.gamma(0.3, 1, GENES))
    lengths = random.poisson(_STORED, cells)
    genes = np.searchsorted(level, random.random(int(lengths.sum())) * level[-1]).astype(np.int32)
    counts = (random.poisson(0.6, len(genes)) + 1).astype(np.float32)
    matrix = scipy.sparse.csr_matrix((counts, genes, np.cumsum([0, *lengths])), (cells, GENES))
    matrix.sum_duplicates()
    return matrix


def write_tenx(path: Path, source: anndata.AnnData) -> None:
    """Write what Cell Ranger 3 writes: a matrix of features × barcodes, compressed along barcodes."""
    counts = source.X
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        group["shape"] = np.array(source.shape[::-1], np.int32)
        group["barcodes"] = source.obs_names.to_numpy().astype("S")
        group["indptr"] = counts.indptr.astype(np.int64)
        for name, part in (("data", counts.data.astype(np.int32)), ("indices", counts.indices.astype(np.int64))):
            chunk = (min(_TENX_CHUNK, len(part)),)
            group.create_dataset(name, data=part, chunks=chunk, compression="gzip", shuffle=True)
        features = group.create_group("features")
        features["id"], features["name"] = (
            values.to_numpy().astype("S") for values in (source.var["gene_ids"], source.var_names)
        )
        features["feature_type"] = np.array(["Gene Expression"] * source.n_vars, "S")
        features["genome"] = np.array(["GRCh38"] * source.n_vars, "S")
        features["_all_tag_keys"] = np.array(["genome"], "S")


def write_mtx(directory: Path, source: anndata.AnnData) -> None:
    """Write a directory as Cell Ranger 3 does: ``matrix.mtx.gz`` and its labels."""
    directory.mkdir(parents=True, exist_ok=True)
    entries = source.X.tocoo()
    with _packed(directory / "matrix.mtx.gz") as text:
        text.write(b"%%MatrixMarket matrix coordinate integer general\n")
        text.write(f"{source.n_vars} {source.n_obs} {entries.nnz}\n".encode())
        columns = {"gene": entries.col + 1, "cell": entries.row + 1, "count": entries.data.astype(int)}
        pd.DataFrame(columns).to_csv(text, sep=" ", header=False, index=False)
    with gzip.open(directory / "features.tsv.gz", "wt") as text:
        for id, name in zip(source.var["gene_ids"], source.var_names, strict=True):
            text.write(f"{id}\t{name}\tGene Expression\n")
    with gzip.open(directory / "barcodes.tsv.gz", "wt") as text:
        text.write("".join(f"{name}\n" for name in source.obs_names))
