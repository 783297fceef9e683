"""Random slices of a large sparse matrix, every reply compared with scipy on the cells it was made of."""

from __future__ import annotations

import gzip
import io
import json
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import scipy.io
import zstandard
from numpy.typing import NDArray
from scipy.sparse import csr_matrix as Sparse

from benchmarks.cells_material import GENES, MATRIX, WIDE, Cells, gene_ids
from benchmarks.client import Client
from benchmarks.material import Material
from benchmarks.measure import Figures, Note, Row
from benchmarks.memory import formats_of
from benchmarks.servers import rnaget

_COUNTS = {"quick": 20_000}
_COUNT = 1_000_000
_TARGET = f"/rnaget/expressions/{MATRIX}/bytes?format="
_SEED = 20_261_128
_MOST_GENES, _MOST_CELLS, _MOST_OF_BOTH = 3, 300, 5_000
_POOL = 60
"""Genes that are asked for by themselves: for these, the source is read once."""

_CELLS_AT_ONCE = 20_000
_GROWTH = 64
_SHOWN = 3


@dataclass(frozen=True)
class _Asked:
    """A slice: its genes and cells by position, in order, and which of the two is said."""

    genes: NDArray[np.int64]
    cells: NDArray[np.int64]
    body: dict[str, list[str]]


class _Source:
    """The cells as they were made: rows as they are in the file, and some genes, in memory."""

    def __init__(self, path: Path, genes: NDArray[np.int64]) -> None:
        with h5py.File(path, locking=False) as file:
            places = {name: (file["X"][name].id.get_offset(), file["X"][name].dtype) for name in ("data", "indices")}
            self._indptr = file["X/indptr"][()].astype(np.int64)
        self._data, self._indices = (
            np.memmap(path, dtype, "r", offset, (int(self._indptr[-1]),)) for offset, dtype in places.values()
        )
        self.genes = genes
        steps = range(0, len(self._indptr) - 1, _CELLS_AT_ONCE)
        parts = [self._rows(np.arange(at, min(at + _CELLS_AT_ONCE, len(self._indptr) - 1)))[:, genes] for at in steps]
        self._by_gene = scipy.sparse.vstack(parts, "csc").T

    def cells_of(self, asked: _Asked) -> Sparse:
        """Return genes × cells."""
        if len(asked.cells) == len(self._indptr) - 1:
            return Sparse(self._by_gene[np.searchsorted(self.genes, asked.genes)])
        return Sparse(self._rows(asked.cells)[:, asked.genes].T)

    def _rows(self, cells: NDArray[np.int64]) -> Sparse:
        lengths = self._indptr[cells + 1] - self._indptr[cells]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        taken = np.arange(starts[-1]) + np.repeat(self._indptr[cells] - starts[:-1], lengths)
        return Sparse((self._data[taken], self._indices[taken], starts), (len(cells), GENES))


def rows(material: Material, seconds: float) -> Iterator[Row | Note]:
    """Yield how many replies were compared and how many differ, and by how much a worker grew."""
    count = _COUNTS.get(material.size.name, _COUNT)
    cells = Cells((material.directory.parent / "cells" / str(count)).absolute(), count)
    catalogue = cells.catalogue
    random = np.random.default_rng(_SEED)
    source = _Source(cells.h5ad, _some(random, GENES, _POOL, least=_POOL))
    compared: Counter[str] = Counter()
    differing: list[str] = []

    def ask(port: int, format: str, asked: _Asked) -> None:
        expected = source.cells_of(asked)
        difference = _difference(port, format, asked, cells, expected)
        compared[format] += 1
        if difference is not None:
            differing.append(f"{format} of {len(asked.genes):,} genes × {len(asked.cells):,} cells: {difference[:300]}")

    with rnaget(catalogue, material.directory.parent / "soak-cells.log") as server:
        kinds: list[Callable[[], _Asked]] = [partial(draw, random, cells, source) for draw in (_genes, _cells, _both)]
        if missing := set(formats_of(server, "expressions")) - _READERS.keys():
            yield Note(f"soak: nothing reads {', '.join(sorted(missing))}")
        for format in _READERS:
            for kind in _fitting(format, kinds, count):
                ask(server.port, format, kind())
        ends = time.monotonic() + seconds
        with server.watched() as peak:
            while time.monotonic() < ends:
                format = str(random.choice(list(_READERS)))
                fitting = _fitting(format, kinds, count)
                ask(server.port, format, fitting[int(random.integers(len(fitting)))]())
    formats = ", ".join(f"{number:,} {name}" for name, number in sorted(compared.items()))
    what = f"soak of {count:,} cells"
    yield Row(f"{what}: replies compared", formats, Figures((float(compared.total()),), ""))
    yield Row(f"{what}: replies that differ from scipy", "", Figures((float(len(differing)),), ""), most=0)
    yield Row(f"{what}: growth of the worker at its highest", "", Figures((peak.growth,), "MB"), most=_GROWTH)
    yield from (Note(f"soak: {one}") for one in differing[:_SHOWN])


def _fitting(format: str, kinds: list[Callable[[], _Asked]], count: int) -> list[Callable[[], _Asked]]:
    """Return the kinds of slices for a format: of very many cells not all, if it has a column for each."""
    return kinds[1:] if count > WIDE.get(format, count) else kinds


def _genes(random: np.random.Generator, cells: Cells, source: _Source) -> _Asked:
    genes = source.genes[_some(random, len(source.genes), _MOST_GENES)]
    return _Asked(genes, np.arange(cells.count), {"featureIDList": gene_ids(genes)})


def _cells(random: np.random.Generator, cells: Cells, source: _Source) -> _Asked:
    chosen = _some(random, cells.count, _MOST_CELLS)
    return _Asked(np.arange(GENES), chosen, {"sampleIDList": cells.ids(chosen)})


def _both(random: np.random.Generator, cells: Cells, source: _Source) -> _Asked:
    genes, chosen = _some(random, GENES, _MOST_CELLS), _some(random, cells.count, _MOST_OF_BOTH)
    return _Asked(genes, chosen, {"featureIDList": gene_ids(genes), "sampleIDList": cells.ids(chosen)})


def _some(random: np.random.Generator, size: int, most: int, least: int = 1) -> NDArray[np.int64]:
    return np.sort(random.choice(size, random.integers(least, most + 1), replace=False))


def _difference(port: int, format: str, asked: _Asked, cells: Cells, expected: Sparse) -> str | None:
    """Return in what a reply differs from what it must be, None if it is right."""
    try:
        with Client(port) as client:
            data = bytes(client.post(f"{_TARGET}{format}", json.dumps(asked.body).encode()).body)
        genes, samples = gene_ids(asked.genes), cells.ids(asked.cells)
        with tempfile.TemporaryDirectory() as directory:
            found = _READERS[format](data, genes, samples, Path(directory))
    except Exception as error:  # any error is a finding, and the soak goes on
        return f"{type(error).__name__}: {error}"
    if found.shape != expected.shape:
        return f"shape {found.shape}, not {expected.shape}"
    differing = (found != expected).nnz
    return f"{differing:,} cells differ" if differing else None


def _same(found: Any, expected: list[str]) -> None:
    if list(found) != expected:
        raise ValueError(f"ids {list(found)[:3]} … ({len(found):,}), not {expected[:3]} … ({len(expected):,})")


def _h5ad(data: bytes, genes: list[str], samples: list[str], directory: Path) -> Sparse:
    import anndata

    path = directory / "read.h5ad"
    path.write_bytes(data)
    found = anndata.read_h5ad(path)
    _same(found.var_names, genes)
    _same(found.obs_names, samples)
    return Sparse(found.X.T)


def _loom(data: bytes, genes: list[str], samples: list[str], directory: Path) -> Sparse:
    with h5py.File(io.BytesIO(data)) as file:
        for axis, expected in (("row_attrs", genes), ("col_attrs", samples)):
            texts = [file[axis][name].asstr()[()] for name in file[axis] if file[axis][name].dtype.kind in "SO"]
            if not any(len(values) == len(expected) and list(values) == expected for values in texts):
                raise ValueError(f"{axis} has not the ids")
        return Sparse(file["matrix"][()])


def _tsv(data: bytes, genes: list[str], samples: list[str], directory: Path) -> Sparse:
    head, *lines = [line.split("\t") for line in data.decode().splitlines() if not line.startswith("#")]
    _same(head[-len(samples) :], samples)
    _same([line[0] for line in lines], genes)
    return Sparse(np.array([line[-len(samples) :] for line in lines], np.float32))


def _long(frame: pd.DataFrame, genes: list[str], samples: list[str]) -> Sparse:
    """Return what a long table holds; an id that was not asked for has no place."""
    found = (pd.Index(frame[name].astype(str)) for name in ("feature", "sample"))
    places = [pd.Index(ids).get_indexer(index) for ids, index in zip((genes, samples), found, strict=True)]
    return Sparse((frame["value"].to_numpy(np.float32), places), (len(genes), len(samples)))


def _tsv_long(data: bytes, genes: list[str], samples: list[str], directory: Path) -> Sparse:
    return _long(pd.read_csv(io.BytesIO(data), sep="\t"), genes, samples)


def _tsv_gz(data: bytes, genes: list[str], samples: list[str], directory: Path) -> Sparse:
    return _tsv(gzip.decompress(data), genes, samples, directory)


def _tsv_zst(data: bytes, genes: list[str], samples: list[str], directory: Path) -> Sparse:
    return _tsv(zstandard.ZstdDecompressor().decompressobj().decompress(data), genes, samples, directory)


def _json(data: bytes, genes: list[str], samples: list[str], directory: Path) -> Sparse:
    found = json.loads(data)
    for axis, expected in (("features", genes), ("samples", samples)):
        _same(found[axis]["attributes"][found[axis]["id"]], expected)
    if isinstance(found["values"], dict):
        arrays = (np.array(found["values"][name]) for name in ("data", "indices", "indptr"))
        return Sparse(tuple(arrays), tuple(found["shape"]))
    return Sparse(np.array(found["values"], np.float32))


def _wide(frame: pd.DataFrame, genes: list[str], samples: list[str]) -> Sparse:
    _same(frame.iloc[:, 0], genes)
    return Sparse(frame[samples].to_numpy(np.float32))


def _parquet(data: bytes, genes: list[str], samples: list[str], directory: Path) -> Sparse:
    return _wide(pd.read_parquet(io.BytesIO(data)), genes, samples)


def _arrow(data: bytes, genes: list[str], samples: list[str], directory: Path) -> Sparse:
    import pyarrow as pa

    return _wide(pa.ipc.open_stream(data).read_pandas(), genes, samples)


def _parquet_long(data: bytes, genes: list[str], samples: list[str], directory: Path) -> Sparse:
    return _long(pd.read_parquet(io.BytesIO(data)), genes, samples)


def _arrow_long(data: bytes, genes: list[str], samples: list[str], directory: Path) -> Sparse:
    import pyarrow as pa

    return _long(pa.ipc.open_stream(data).read_pandas(), genes, samples)


def _mtx(data: bytes, genes: list[str], samples: list[str], directory: Path) -> Sparse:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        archive.extractall(directory)
    for name, expected in (("features", genes), ("barcodes", samples)):
        _same(pd.read_csv(directory / f"{name}.tsv.gz", sep="\t", header=None)[0], expected)
    return Sparse(scipy.io.mmread(directory / "matrix.mtx.gz"))


_READERS: dict[str, Callable[[bytes, list[str], list[str], Path], Sparse]] = {
    "h5ad": _h5ad,
    "h5ad&compression=gzip": _h5ad,
    "loom": _loom,
    "loom&compression=gzip": _loom,
    "tsv": _tsv,
    "tsv.gz": _tsv_gz,
    "tsv.zst": _tsv_zst,
    "json": _json,
    "json.sparse": _json,
    "parquet": _parquet,
    "arrow": _arrow,
    "tsv.long": _tsv_long,
    "parquet.long": _parquet_long,
    "arrow.long": _arrow_long,
    "mtx": _mtx,
}
