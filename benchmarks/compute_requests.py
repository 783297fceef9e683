"""Whole-matrix summaries by two workers against one process, and joins of thousands of matrices in this process."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
from numpy.typing import NDArray

from benchmarks.cells_material import MATRIX, Cells
from benchmarks.dask_cluster import Cluster
from benchmarks.material import Material
from benchmarks.measure import Figures, Note, Row, side_by_side
from rnaget_server.datasets.repository import Repository, open_repository
from rnaget_server.query import parse_matrix_query
from rnaget_server.settings import Settings
from rnaget_server.slicing import in_parts
from rnaget_server.slicing.matrices import slice_by_id, slice_by_search
from rnaget_server.stores.native.write_dense import AxisTable, LayerSource, write_native
from rnaget_server.testing.matrices import InMemory

_CELLS = {"quick": 200_000}
_MOST_CELLS = 1_000_000
_MATRICES = 2_000
_DIFFERENT = 20
_GENES = {"quick": 5_000}
_MOST_GENES, _SAMPLES = 20_000, 6
_SMALL = 100
_REPEATS = 5
_ARRAYS, _ARRAY_BYTES = 50, 1 << 20
_BY_TYPE = (("group_by", "cell_type"), ("summary", "mean,fraction"))


def rows(material: Material) -> Iterator[Row | Note]:
    """Yield what workers make of summaries of large matrices, what they cost small ones, and what a join costs."""
    count = _CELLS.get(material.size.name, _MOST_CELLS)
    yield from compared(material.directory.parent / "cells" / str(count), count, material.size.slow_repeats)
    yield from _joined(material)


def compared(directory: Path, count: int, repeats: int) -> Iterator[Row]:
    """Yield the rows for summaries of a number of cells, which are made in a directory if they are not there."""
    catalogue = Cells(directory.absolute(), count).catalogue
    what = f"{count:,} cells × 30,000 genes: means and fractions by type"
    with tempfile.TemporaryDirectory() as temporary:
        cluster = Cluster(Path(temporary))
        try:
            local, workers = (_opened(catalogue, compute) for compute in ("local", cluster.address))
            with closing(workers.compute):
                ways = {"workers": lambda _: _summarised(workers), "local": lambda _: _summarised(local)}
                found = side_by_side(ways, repeats)
                title = f"{what} of all genes, two workers"
                yield Row(title, "one process", found["workers"], found["local"], least=1.3)
                began = _busy(cluster)
                ways["workers"](0)
                between = _busy(cluster)
                ways["local"](0)
                taken = Figures((between - began,)), Figures((_busy(cluster) - between,))
                yield Row(f"processor time: {title}", "one process", *taken, most=1.3)
                few = side_by_side({"workers": lambda _: _few(workers), "local": lambda _: _few(local)}, _REPEATS)
                title = f"{what} of {_SMALL} genes, if workers made those too"
                yield Row(title, "one process", few["workers"], few["local"])
                _, *speeds = (_handed_over(workers) for _ in range(_REPEATS + 1))
                title = "arrays that workers hand over to the server: MB a second"
                yield Row(title, "a bare figure", Figures(tuple(speeds), ""))
        finally:
            cluster.stop()


def random_array(number: int) -> NDArray[np.float32]:
    """Return a MiB of cells that hardly can be compressed."""
    return np.random.default_rng(number).random(_ARRAY_BYTES // 4, np.float32)


def _handed_over(workers: Repository) -> float:
    began = perf_counter()
    size = sum(array.nbytes for array in workers.compute.map(random_array, range(_ARRAYS)))
    return size / 1e6 / (perf_counter() - began)


def _busy(cluster: Cluster) -> float:
    """Return the processor time of this process and of the workers."""
    of_workers: dict[str, float] = cluster.client.run(process_time)
    return process_time() + sum(of_workers.values())


def _opened(data: Path, compute: str = "local") -> Repository:
    return open_repository(Settings(data=data, cache_bytes=0, compute=compute, max_cells=0))


def _summarised(repository: Repository, *others: tuple[str, str]) -> None:
    """Have all cells summarised, by workers however few they are."""
    view = repository.visible_to()
    query = parse_matrix_query((*_BY_TYPE, *others), view.catalog.filter_names)
    usual, in_parts.LEAST_CELLS = in_parts.LEAST_CELLS, 0
    try:
        for layer in slice_by_id(view, MATRIX, query).slice.layers:
            for _ in layer.blocks():
                pass
    finally:
        in_parts.LEAST_CELLS = usual


def _few(repository: Repository) -> None:
    """Have few genes summarised."""
    _summarised(repository, ("featureIDList", ",".join(f"ENSG{number:011}" for number in range(_SMALL))))


def _joined(material: Material) -> Iterator[Row]:
    """Yield the processor time of a join of all cells of small matrices, part by part."""
    genes = _GENES.get(material.size.name, _MOST_GENES)
    directory = material.directory / f"joined-{_MATRICES}-{genes}"
    if not directory.exists():
        shutil.rmtree(partial := directory.with_name(f"partial-{directory.name}"), ignore_errors=True)
        _write(partial, genes)
        partial.rename(directory)
    repository = _opened(directory)
    view = repository.visible_to()
    began = process_time()
    slice = slice_by_search(view, parse_matrix_query((), view.catalog.filter_names)).slice
    opened = process_time() - began
    began, wall = process_time(), perf_counter()
    size = sum(block.nbytes for block in slice.layers[0].blocks())
    read = process_time() - began
    title = f"{_MATRICES:,} matrices of {genes:,} × {_SAMPLES} joined"
    yield Row(f"{title}: opened and selected", "a bare figure", Figures((opened,)))
    yield Row(f"{title}: their cells read", "a bare figure", Figures((read,)))
    yield Row(f"{title}: MB of cells a second", "a bare figure", Figures((size / 1e6 / (perf_counter() - wall),), ""))


def _write(directory: Path, count: int) -> None:
    study = directory / "p" / "s"
    study.mkdir(parents=True)
    random = np.random.default_rng(20_261_127)
    genes = AxisTable("gene", {"gene": np.array([f"ENSG{number:011}" for number in range(count)], object)})
    entries = []
    for number in range(_MATRICES):
        path = study / f"{number}.h5"
        if number < _DIFFERENT:
            ids = AxisTable("sample", {"sample": np.array([f"s{number}-{one}" for one in range(_SAMPLES)], object)})
            cells = random.lognormal(2, 2, (count, _SAMPLES)).round(2).astype(np.float32)
            write_native(path, genes, ids, [LayerSource("TPM", InMemory(cells), np.dtype(np.float32), False)])
        else:
            shutil.copy(study / f"{number % _DIFFERENT}.h5", path)
        entries.append(f"  - {{id: m{number}, file: {path.name}, units: TPM, feature_id: gene, sample_id: sample}}\n")
    (study / "study.yaml").write_text("id: s\nexpressions:\n" + "".join(entries))
    (study.parent / "project.yaml").write_text("id: p\n")
    (directory / "catalog.yaml").write_text("id: c\nname: C\n")
