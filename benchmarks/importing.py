"""Imports against what the libraries that users know need to read the same, without writing: time, memory, kills."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from time import perf_counter

import anndata

from benchmarks.import_material import kept, made_single_cells, write_mtx, write_tenx, write_text
from benchmarks.import_runs import faults_of_kills, imported, run
from benchmarks.material import Material
from benchmarks.measure import Figures, Row, side_by_side

_GTEX_SAMPLES = 17_382
_KILLS = 5
# Features of the matrix as wide as GTEx, for speed and for memory; cells, compared with readers and with a writer.
_SIZES = {
    "quick": (500, 1_000, 5_000, 20_000),
    "default": (1_124, 11_240, 50_000, 200_000),
    "gtex": (1_124, 56_200, 50_000, 1_000_000),
}
_TABLE = "import pandas, sys; pandas.read_csv(sys.argv[1], sep='\\t', skiprows={}, index_col={})"
_H5AD = "import anndata, sys; anndata.read_h5ad(sys.argv[1])"
# As `scanpy.read_10x_mtx` and `scanpy.read_10x_h5` do; scanpy itself is not needed for it.
_MTX = """
import anndata.io, pandas, sys
cells = anndata.io.read_mtx(sys.argv[1] + '/matrix.mtx.gz').T
genes = pandas.read_csv(sys.argv[1] + '/features.tsv.gz', header=None, sep='\\t', names=['id', 'name', 'type'])
cells.var = genes.set_index('name')
cells.obs_names = pandas.read_csv(sys.argv[1] + '/barcodes.tsv.gz', header=None)[0].values
cells.X = cells.X.tocsr()
"""
_TENX = """
import anndata, h5py, numpy, pandas, scipy.sparse, sys
with h5py.File(sys.argv[1]) as file:
    group = file['matrix']
    data, indices, indptr, shape = (group[name][()] for name in ('data', 'indices', 'indptr', 'shape'))
    barcodes, ids, names = (group[name][()].astype(str) for name in ('barcodes', 'features/id', 'features/name'))
cells = scipy.sparse.csr_matrix((data.astype('float32'), indices, indptr), shape[::-1])
anndata.AnnData(cells, pandas.DataFrame(index=barcodes), pandas.DataFrame({'gene_ids': ids}, index=names))
"""


def rows(material: Material) -> Iterator[Row]:
    """Yield the rows of text, of single cells, and of imports that are killed; every side is a command of its own."""
    directory = material.directory / "importing"
    few, tall, some, many = _SIZES[material.size.name]
    yield from _text(material, directory, (few, _GTEX_SAMPLES))
    yield from _memory(directory, (few, tall))
    yield from _single_cells(material, directory, some)
    yield from _million(directory, many)


def _text(material: Material, directory: Path, wide: tuple[int, int]) -> Iterator[Row]:
    shape = material.size.text_shape
    for kind, size, code in (
        ("GCT", shape, _TABLE.format(2, [0, 1])),
        ("TSV", shape, _TABLE.format(0, 0)),
        ("GCT", wide, _TABLE.format(2, [0, 1])),
    ):
        name = "{}-{}-{}".format(kind.lower(), *size)
        source = kept(directory / f"{name}.{kind.lower()}.gz", partial(write_text, shape=size, is_gct=kind == "GCT"))
        what = "import of a {} of {:,} × {:,}, gzip".format(kind, *size)
        yield _compared(what, "pandas, only parsing", source, code, 0.8, material.size.slow_repeats)


def _memory(directory: Path, heights: tuple[int, int]) -> Iterator[Row]:
    for height in heights:
        shape = height, _GTEX_SAMPLES
        name = "gct-{}-{}.gct.gz".format(*shape)
        source = kept(directory / name, partial(write_text, shape=shape, is_gct=True))
        began = perf_counter()
        peak = Figures((imported(source, directory),), "MB")
        seconds = perf_counter() - began
        yield Row("memory of the import of a GCT of {:,} × {:,}".format(*shape), "", peak, most=1000)
    faults = Figures((float(faults_of_kills(source, directory, seconds, _KILLS)),), "")
    yield Row(f"faults after {_KILLS} kills of that import", "", faults, most=0)


def _single_cells(material: Material, directory: Path, cells: int) -> Iterator[Row]:
    def h5ad(path: Path, compression: str | None = None) -> None:
        made_single_cells(cells).write_h5ad(path, compression=compression)

    def tenx(path: Path) -> None:
        write_tenx(path, made_single_cells(cells))

    def mtx(path: Path) -> None:
        write_mtx(path, made_single_cells(cells))

    makers: dict[str, tuple[str, Callable[[Path], None], str, str]] = {
        "AnnData": (f"cells-{cells}.h5ad", h5ad, "anndata.read_h5ad", _H5AD),
        "AnnData, gzip": (f"cells-gzip-{cells}.h5ad", partial(h5ad, compression="gzip"), "the same", _H5AD),
        "10x": (f"tenx-{cells}.h5", tenx, "what scanpy.read_10x_h5 does", _TENX),
        "MatrixMarket, gzip": (f"mtx-{cells}", mtx, "anndata.io.read_mtx", _MTX),
    }
    for kind, (name, make, peer, code) in makers.items():
        source = kept(directory / name, make)
        yield _compared(f"import of {cells:,} cells, {kind}", peer, source, code, 0.7, material.size.slow_repeats)


def _compared(what: str, peer: str, source: Path, code: str, least: float, repeats: int) -> Row:
    ways: dict[str, Callable[[int], object]] = {
        "ours": lambda _: imported(source, source.parent) and None,
        "peer": lambda _: run([sys.executable, "-c", code, source]) and None,
    }
    taken = side_by_side(ways, repeats)
    return Row(what, peer, taken["ours"], taken["peer"], least=least)


def _million(directory: Path, cells: int) -> Iterator[Row]:
    """Yield how long many cells take to import, against the time in which anndata writes them."""
    written: dict[str | None, float] = {}

    def write(path: Path) -> None:
        source = made_single_cells(cells)
        for compression in ("gzip", None):
            written[compression] = _write(source, path, compression)

    with tempfile.TemporaryDirectory(dir=directory) as temporary:
        source = Path(temporary, "many.h5ad")
        write(source)
        began = perf_counter()
        peak = imported(source, directory)
        ours = Figures((perf_counter() - began,))
    for compression, seconds in written.items():
        peer = "anndata.write_h5ad" + (f", {compression}" if compression else "")
        yield Row(f"import of {cells:,} cells, AnnData", peer, ours, Figures((seconds,)), most=2)
    yield Row(f"memory of the import of {cells:,} cells", "", Figures((peak,), "MB"), most=2000)


def _write(source: anndata.AnnData, path: Path, compression: str | None) -> float:
    began = perf_counter()
    source.write_h5ad(path, compression=compression)
    return perf_counter() - began
