"""A matrix of many files against one file of the same cells: both native and sparse, read in this process.

Processor time is compared, which does not depend on what else the machine does; threads that read side by side count.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import process_time

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from benchmarks.material import Material
from benchmarks.measure import Figures, Note, Row, side_by_side
from rnaget_server.compute.base import Result
from rnaget_server.model.sparse import CompressedBlock, Direction
from rnaget_server.storage.access import FileAccess
from rnaget_server.storage.local import version_at
from rnaget_server.stores.base import MatrixStore
from rnaget_server.stores.native.sparse import NativeSparseStore
from rnaget_server.stores.native.write_dense import AxisTable
from rnaget_server.stores.native.write_sparse import SparseLayerSource, write_sparse
from rnaget_server.stores.sharded import IndexPlace, OpenShards, ShardedStore, ShardFile

_UNITS = "counts"
_SHARDS = 20
_CELLS = {"quick": 5_000}
_MOST_CELLS = 50_000
_GENES = 2_000
_STORED = 50
_SEED = 20_261_127
_TYPES = 54
_MANY = {"quick": 500}
_MOST_FILES = 10_000
_FEW_CELLS = 20


@dataclass(frozen=True)
class Stored:
    """Cells (samples × features) as the writer takes them."""

    cells: scipy.sparse.csr_matrix

    @property
    def shape(self) -> tuple[int, int]:
        """Features and samples."""
        samples, features = self.cells.shape
        return features, samples

    @property
    def count(self) -> int:
        """The number of stored cells."""
        return int(self.cells.nnz)

    def map_blocks(self, direction: Direction, work: Callable[[CompressedBlock, int], Result]) -> Iterator[Result]:
        """Yield what is made of all cells at once."""
        cells = self.cells if direction == "samples" else self.cells.T.tocsr()
        yield work(CompressedBlock(cells.indptr.astype(np.int64), cells.indices, cells.data), 0)


def rows(material: Material) -> Iterator[Row | Note]:
    """Yield what slices of twenty files cost against one file, and what many files cost."""
    count = _CELLS.get(material.size.name, _MOST_CELLS)
    directory = material.directory / f"sharded-{count}"
    paths = _written(directory, count)
    whole, cut = NativeSparseStore(directory / "whole.h5"), _opened(paths)
    random = np.random.default_rng(3)
    cells = np.sort(random.choice(_SHARDS * count, 1_000, replace=False))
    ids = [f"cell{number:09}" for number in cells[:100].tolist()]
    asks: dict[str, tuple[Callable[[MatrixStore, int], object], float]] = {
        "1 gene": (lambda store, number: _blocks(store, np.array([number])), 10),
        "20 genes": (lambda store, number: _blocks(store, np.arange(20) * 7 + number), 6),
        "1,000 scattered cells": (lambda store, _: _blocks(store, None, cells), 2),
        "100 genes of all cells, stored cells alone": (
            lambda store, number: _pieces(store, number),
            10 if count < _MOST_CELLS else 5,
        ),
        "100 ids looked up": (lambda store, _: store.samples.find("cell", ids), 0),
        "a filter by type": (lambda store, number: store.samples.where("type", [f"type {number}"]), 0),
        "groups by type": (lambda store, _: store.samples.factorized("type"), 0),
    }
    for what, (ask, most) in asks.items():
        found = side_by_side({"cut": _timed(ask, cut), "whole": _timed(ask, whole)}, material.size.repeats)
        title = f"{_SHARDS} files × {count:,} cells: {what}"
        yield Row(title, "one file", found["cut"], found["whole"], most=most or None)
    opening = side_by_side({"cut": lambda _: _taken(lambda: _opened(paths))}, material.size.slow_repeats)
    yield Row(f"{_SHARDS} files opened", "a bare figure", opening["cut"])
    yield from _many(material)


def _many(material: Material) -> Iterator[Row | Note]:
    count = _MANY.get(material.size.name, _MOST_FILES)
    directory = material.directory / f"many-{count}"
    if not directory.exists():
        directory.mkdir(parents=True)
        first = directory / "first.h5"
        for number in range(count):
            _write(first, number * _FEW_CELLS, _matrix(_FEW_CELLS, number))
            first.rename(directory / f"part-{number:05}.h5")
    paths = sorted(directory.glob("part-*.h5"))
    place = IndexPlace(directory / "index", FileAccess(), f"{count} files")
    shutil.rmtree(place.directory, ignore_errors=True)
    title = f"{count:,} files × {_FEW_CELLS} cells"
    made = _taken(lambda: _opened(paths, place))
    yield Row(f"{title}: opened, the index made", "a bare figure", Figures((made,)))
    place = replace(place, access=FileAccess())  # as in another process
    again = Figures(tuple(_taken(lambda: _opened(paths, place)) for _ in range(material.size.slow_repeats)))
    yield Row(f"{title}: opened by the index", "one second", again, most=1)
    size = sum(path.stat().st_size for path in place.directory.iterdir())
    yield Note(f"{title}: the index has {size:,} bytes, {size / (count * _FEW_CELLS):.0f} for each cell")
    store = _opened(paths, place)
    asks: dict[str, Callable[[], object]] = {
        "1 id looked up": lambda: store.samples.find("cell", ["cell000000100"]),
        "a filter by type": lambda: store.samples.where("type", ["type 3"]),
        "all cells of one file": lambda: _blocks(store, None, np.arange(_FEW_CELLS)),
        "1 gene": lambda: _blocks(store, np.array([5])),
        "another gene": lambda: _blocks(store, np.array([6])),
    }
    for what, ask in asks.items():
        yield Row(f"{title}: {what}", "a bare figure", Figures((_taken(ask),)))


def _timed(ask: Callable[[MatrixStore, int], object], store: MatrixStore) -> Callable[[int], float]:
    return lambda number: _taken(lambda: ask(store, number))


def _taken(call: Callable[[], object]) -> float:
    began = process_time()
    call()
    return process_time() - began


def _blocks(store: MatrixStore, features: NDArray[np.int64] | None, samples: NDArray[np.int64] | None = None) -> None:
    for _ in store.blocks(_UNITS, features, samples):
        pass


def _pieces(store: MatrixStore, number: int) -> None:
    cells = store.sparse(_UNITS, np.arange(number, number + 100))
    for _ in cells.compressed_along("features") if cells is not None else ():
        pass


def _opened(paths: list[Path], place: IndexPlace | None = None) -> ShardedStore:
    opened = partial(NativeSparseStore, access=FileAccess() if place is None else place.access)
    files = [ShardFile(path, version_at(path), _UNITS, opened) for path in paths]
    return ShardedStore(files, OpenShards(), "gene", "cell", place)


def _written(directory: Path, count: int) -> list[Path]:
    paths = [directory / f"part-{number:02}.h5" for number in range(_SHARDS)]
    if not directory.exists():
        partial = directory.with_name(f"partial-{directory.name}")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        parts = [_matrix(count, number) for number in range(_SHARDS)]
        for number, part in enumerate(parts):
            _write(partial / paths[number].name, number * count, part)
        _write(partial / "whole.h5", 0, scipy.sparse.vstack(parts, "csr"))
        partial.rename(directory)
    return paths


def _matrix(count: int, number: int) -> scipy.sparse.csr_matrix:
    random = np.random.default_rng((_SEED, number))
    drawn = np.sort(random.integers(0, _GENES, (count, _STORED)), axis=1)
    values = random.integers(1, 20, drawn.size).astype(np.float32)
    cells = scipy.sparse.csr_matrix(
        (values, drawn.ravel(), np.arange(0, drawn.size + 1, _STORED)), shape=(count, _GENES)
    )
    cells.sum_duplicates()
    return cells


def _write(path: Path, start: int, cells: scipy.sparse.csr_matrix) -> None:
    numbers = np.arange(start, start + cells.shape[0])
    genes = np.array([f"GENE{number:05}" for number in range(_GENES)], object)
    samples = {
        "cell": np.array([f"cell{number:09}" for number in numbers.tolist()], object),
        "type": np.array([f"type {number * number % _TYPES}" for number in numbers.tolist()], object),
    }
    layer = SparseLayerSource(_UNITS, Stored(cells), np.dtype(np.float32), True)
    write_sparse(path, AxisTable("gene", {"gene": genes}), AxisTable("cell", samples), [layer])
