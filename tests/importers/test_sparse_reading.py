"""Sparse matrices imported by several processes are what one process makes of them, and fail as it does."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from rnaget_server.compute import processes
from rnaget_server.compute.processes import Processes
from rnaget_server.errors import ImportFailure
from rnaget_server.importers import sparse_lines
from rnaget_server.importers.base import ReadOptions
from rnaget_server.importers.matrices import sparse_reading
from rnaget_server.importers.matrices.job import run_import
from rnaget_server.importers.matrices.request import MatrixRequest
from rnaget_server.importers.sparse_source import SourceLines
from rnaget_server.importers.sparse_spool import SparseSpool
from rnaget_server.importers.spool import TooLarge
from rnaget_server.stores.compressed import CompressedMatrix
from rnaget_server.stores.failures import UnfitFile
from rnaget_server.stores.h5ad import H5adFile
from rnaget_server.stores.mapped_run import MappedRun
from rnaget_server.stores.native.encoded_rows import RowsEncoder
from tests import forked
from tests.importers.conftest import Workshop
from tests.importers.foreign_files import write_h5seurat
from tests.importers.test_sparse import check_store

SAMPLES, FEATURES = 150, 300
SAMPLE_IDS = [f"s{number}" for number in range(SAMPLES)]
FEATURE_IDS = [f"f{number}" for number in range(FEATURES)]
RANDOM = np.random.default_rng(20_261_130)


@dataclass
class Started:
    """The number of times that processes were started."""

    times: int = 0


@pytest.fixture
def by_processes(monkeypatch: pytest.MonkeyPatch) -> Started:
    """Imports by two processes, in several parts, of however few cells.

    They are forks: `tests.compute.test_processes` has such as start in a new Python.
    """
    started, begin = Started(), Processes.__init__

    def counted(self: Processes, *arguments: Any) -> None:
        started.times += 1
        begin(self, *arguments)

    monkeypatch.setattr(processes, "get_context", forked.forks)
    monkeypatch.setattr(Processes, "__init__", counted)
    monkeypatch.setattr(sparse_reading, "PROCESSORS", 2)
    monkeypatch.setattr(sparse_reading, "_MANY_CELLS", 1)
    monkeypatch.setattr(sparse_reading, "BLOCK", 2_000)
    monkeypatch.setattr(sparse_reading, "MOST_LINES", 40)
    return started


@dataclass
class Cells:
    """The three parts of a sparse matrix as they are written, and the compressed axis."""

    indptr: np.ndarray[Any, Any]
    indices: np.ndarray[Any, Any]
    data: np.ndarray[Any, Any]
    form: str = "csr"

    def dense(self) -> np.ndarray[Any, Any]:
        """Return features × samples, repeated cells summed."""
        shape = (SAMPLES, FEATURES) if self.form == "csr" else (FEATURES, SAMPLES)
        native = (part.astype(part.dtype.newbyteorder("=")) for part in (self.data, self.indices, self.indptr))
        lines: np.ndarray[Any, Any] = scipy.sparse.csr_matrix(tuple(native), shape).astype(np.float64).toarray()
        return lines.T if self.form == "csr" else lines


def some_cells(form: str, index: str, value: str, values: Callable[[int, int], Any]) -> Cells:
    """Return cells in a third of all places, of which each line has values of its number."""
    lines, across = (SAMPLES, FEATURES) if form == "csr" else (FEATURES, SAMPLES)
    lengths = RANDOM.integers(0, across // 3 * 2, lines)
    lengths[7] = 0
    indices = np.concatenate([np.sort(RANDOM.choice(across, length, replace=False)) for length in lengths])
    data = np.concatenate([values(line, length) for line, length in enumerate(lengths)])
    return Cells(np.concatenate([[0], np.cumsum(lengths)]), indices.astype(index), data.astype(value), form)


def of_all_kinds(line: int, count: int) -> Any:
    """Return values each kind of which needs another type than those of the lines before."""
    if line in (40, 90):
        return RANDOM.choice([np.nan, np.inf, -np.inf, -0.0, 3.0], count)
    return [
        RANDOM.integers(1, 1 << 8, count),
        RANDOM.integers(1, 1 << 16, count),
        RANDOM.normal(0, 1000, count),
        RANDOM.integers(1 << 24, 1 << 40, count),
    ][line * 4 // SAMPLES]


def whole(line: int, count: int) -> Any:
    """Return whole numbers, at last those beyond what float32 holds."""
    return RANDOM.integers(1, [1 << 8, 1 << 16, 1 << 40][line * 3 // FEATURES], count)


def few(line: int, count: int) -> Any:
    return RANDOM.integers(1, 200, count)


def shuffled(cells: Cells, repeated: bool) -> Cells:
    """Return the cells of each line in another order; `repeated`: each other one at the place of the one before."""
    for start, end in zip(cells.indptr, cells.indptr[1:], strict=False):
        line = cells.indices[start:end]
        if repeated:
            line[1::2] = line[: len(line) // 2 * 2 : 2]
        RANDOM.shuffle(line)
    return cells


def write_h5ad(path: Path, cells: Cells, **options: Any) -> Path:
    with h5py.File(path, "w") as file:
        group = file.create_group("X")
        group.attrs.update({"encoding-type": f"{cells.form}_matrix", "shape": (SAMPLES, FEATURES)})
        for name in ("data", "indices", "indptr"):  # so that each is aligned
            group.create_dataset(name, data=getattr(cells, name), **(options if name != "indptr" else {}))
        for axis, ids in (("obs", SAMPLE_IDS), ("var", FEATURE_IDS)):
            file.create_group(axis).attrs.update({"_index": "_index", "column-order": []})
            file[f"{axis}/_index"] = np.array(ids, "S")
    return path


def write_10x(path: Path, cells: Cells, **options: Any) -> Path:
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        for name in ("indptr", "indices", "data"):
            group.create_dataset(name, data=getattr(cells, name), **(options if name != "indptr" else {}))
        group["shape"] = [FEATURES, SAMPLES]
        group["barcodes"] = np.array(SAMPLE_IDS, "S")
        for name in ("id", "name"):
            group[f"features/{name}"] = np.array(FEATURE_IDS, "S")
        group["features/feature_type"] = np.array(["Gene Expression"] * FEATURES, "S")
    return path


def write_seurat(path: Path, cells: Cells, **options: Any) -> Path:
    write_h5seurat(path, pd.DataFrame(cells.dense(), index=FEATURE_IDS, columns=SAMPLE_IDS))
    return path


GZIP = {"chunks": (700,), "compression": "gzip", "shuffle": True}
FLAT = {"csr of all kinds", "csc of whole numbers", "repeated"}
FILES: dict[str, tuple[Callable[..., Path], str, Callable[[], Cells], dict[str, Any]]] = {
    "csr of all kinds": (write_h5ad, "a.h5ad", lambda: some_cells("csr", "i4", "f8", of_all_kinds), {}),
    "csc of whole numbers": (write_h5ad, "a.h5ad", lambda: some_cells("csc", "i8", "i8", whole), {}),
    "repeated": (write_h5ad, "a.h5ad", lambda: shuffled(some_cells("csr", "i4", "f4", few), True), {}),
    "gzip, unsorted": (write_h5ad, "a.h5ad", lambda: shuffled(some_cells("csr", "i8", "i4", few), False), GZIP),
    "of the other byte order": (write_h5ad, "a.h5ad", lambda: some_cells("csc", ">i4", ">f8", of_all_kinds_or_few), {}),
    "10x": (write_10x, "a.h5", lambda: some_cells("csr", "i8", "i4", few), GZIP),
    "Seurat": (write_seurat, "a.h5seurat", lambda: some_cells("csr", "i4", "f4", few), {}),
}


def of_all_kinds_or_few(line: int, count: int) -> Any:
    return of_all_kinds(line, count) if line < SAMPLES else few(line, count)


def datasets(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Return all datasets of a store but the places of chunks, in which they may come in another order."""
    found: dict[str, np.ndarray[Any, Any]] = {}

    def note(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and not name.startswith("rnaget/chunks"):
            found[name] = item[()]

    with h5py.File(path) as file:
        file.visititems(note)
    return found


@pytest.mark.parametrize("name", FILES)
def test_processes_make_what_one_process_makes(tmp_path: Path, by_processes: Started, name: str) -> None:
    write, file, cells_of, options = FILES[name]
    cells = cells_of()
    path = write(tmp_path / file, cells, **options)
    one, several = Workshop(tmp_path / "one"), Workshop(tmp_path / "several")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sparse_reading, "_MANY_CELLS", 1 << 25)
        expected = one.run(path, units="counts")
    assert by_processes.times == 0
    with path.open("rb") as opened:
        # The number is of this process alone.
        outcome = several.run(Path(f"/dev/fd/{opened.fileno()}") if name == "10x" else path, units="counts")
    assert by_processes.times == 1
    assert outcome.remarks == expected.remarks
    if name == "csr of all kinds":
        assert {"negative", "infinite"} <= {word for remark in outcome.remarks for word in remark.split()}
    made, wanted = datasets(outcome.file), datasets(expected.file)
    assert made.keys() == wanted.keys()
    for place, array in wanted.items():
        assert (made[place].dtype, made[place].tobytes()) == (array.dtype, array.tobytes()), place
    dense = cells.dense()
    if name != "csc of whole numbers":
        dense = dense.astype(np.float32)
    check_store(several, dense, "counts")
    assert at_work() == []
    assert {path.name for path in outcome.file.parent.iterdir()} == {"m.h5", "study.yaml"}


def test_a_further_unit_by_processes(tmp_path: Path, by_processes: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = some_cells("csr", "i4", "f4", few), some_cells("csc", "i4", "f8", whole)
    workshop = Workshop(tmp_path / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sparse_reading, "PROCESSORS", 1)
        workshop.run(write_h5ad(tmp_path / "a.h5ad", first), units="few")
    assert by_processes.times == 0
    workshop.run(write_h5ad(tmp_path / "b.h5ad", second), units="whole")
    assert by_processes.times == 1
    check_store(workshop, first.dense().astype(np.float32), "few")
    check_store(workshop, second.dense(), "whole")


def beyond(cells: Cells) -> Cells:
    cells.indices[len(cells.indices) // 2] = FEATURES
    return cells


def too_large(cells: Cells) -> Cells:
    cells.data[len(cells.data) // 2] = -1e39
    return cells


DAMAGED: dict[str, tuple[Callable[[Cells], Cells], dict[str, Any], str]] = {
    "beyond": (beyond, {}, "the file is damaged or truncated (a sparse matrix has a cell beyond its shape)"),
    "too large": (too_large, GZIP, str(TooLarge(1e39))),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_files_are_refused_as_by_one_process(tmp_path: Path, by_processes: Started, name: str) -> None:
    damage, options, message = DAMAGED[name]
    path = write_h5ad(tmp_path / "a.h5ad", damage(some_cells("csr", "i4", "f8", few)), **options)
    texts = []
    for least in (1 << 25, 1):
        with pytest.MonkeyPatch.context() as patch, pytest.raises(ImportFailure) as caught:
            patch.setattr(sparse_reading, "_MANY_CELLS", least)
            Workshop(tmp_path / "data").run(path)
        texts.append(str(caught.value))
    assert by_processes.times == 1
    assert texts == [f"{path}: {message}"] * 2
    assert at_work() == []
    assert os.listdir(tmp_path) == ["a.h5ad"]


def test_a_file_that_is_cut_off_is_refused_as_by_one_process(tmp_path: Path, by_processes: Started) -> None:
    path = write_h5ad(tmp_path / "a.h5ad", some_cells("csr", "i4", "f8", few))
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(ImportFailure, match=r"a\.h5ad: the HDF5 file is damaged \(.*truncated file"):
        Workshop(tmp_path / "data").run(path)
    assert os.listdir(tmp_path) == ["a.h5ad"]


def cut_short(path: Path) -> None:
    os.truncate(path, 4096)


def at_work() -> list[BaseProcess]:
    """Return the processes of imports, which end with this one, as servers of other tests do not."""
    return [process for process in multiprocessing.active_children() if process.daemon]


def one_killed(path: Path) -> None:
    """End a process as the system does that looks at what was cut off from a file in memory."""
    process = at_work()[0]
    assert process.pid is not None
    os.kill(process.pid, signal.SIGBUS)
    process.join()


# A process that has not yet opened the file cannot, or finds it changed; one that has refuses it, or is ended when it
# looks at what is gone.
CUT_SHORT = r"a\.h5ad: the file (is damaged or truncated|was changed while it was read)|a process that"

MISHAPS: dict[str, tuple[Callable[[Path], None], float, str]] = {
    # When the first part is read, and when all are and the store is to be written.
    "cut short": (cut_short, 0.0, CUT_SHORT),
    "cut short late": (cut_short, 0.5, CUT_SHORT),
    "killed": (one_killed, 0.5, "broke off: a process that worked on a part has ended early: the file was cut"),
}


@pytest.mark.parametrize("name", MISHAPS)
def test_a_mishap_on_the_way_leaves_nothing(tmp_path: Path, by_processes: Started, name: str) -> None:
    happen, moment, message = MISHAPS[name]
    path = write_h5ad(tmp_path / "a.h5ad", some_cells("csr", "i4", "f8", few))
    happened: list[float] = []

    def progress(share: float) -> None:
        if by_processes.times and share > 0 and share >= moment and not happened:
            happened.append(share)
            happen(path)

    request = MatrixRequest(data=tmp_path / "data", project="p", study="s", id="m", units="u", source=path)
    with pytest.raises(ImportFailure, match=message):
        run_import(request, progress)
    assert len(happened) == 1
    assert at_work() == []
    assert os.listdir(tmp_path) == ["a.h5ad"]


WRONG: dict[str, tuple[str, dict[str, str], str]] = {
    "a sample twice": ("obs", {}, "_names holds 's1' more than once, and ids must be unique"),
    "a feature twice": ("var", {}, "_names holds 'f1' more than once, and ids must be unique"),
    "no such ids": ("", {"sample_id": "no"}, "--sample-id names a column of the table given by --samples"),
    "no such name": ("", {"feature_name": "no"}, "--feature-name: there is no column 'no'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_labels_are_refused_before_all_cells_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    axis, options, message = WRONG[name]
    path = write_h5ad(tmp_path / "a.h5ad", some_cells("csr", "i4", "f8", few))
    if axis:
        with h5py.File(path, "a") as file:
            file[f"{axis}/_index"][7] = file[f"{axis}/_index"][1]
    monkeypatch.setattr(sparse_lines, "MOST_LINES", 1)
    shares: list[float] = []

    def progress(share: float) -> None:
        shares.append(share)
        time.sleep(0.05)  # in all longer than labels take

    request = MatrixRequest(
        data=tmp_path / "data",
        project="p",
        study="s",
        id="m",
        units="u",
        source=path,
        options=ReadOptions(**options),  # type: ignore[arg-type]
    )
    with pytest.raises(ImportFailure, match=message):
        run_import(request, progress)
    assert max(shares) < 0.5  # of reading and writing


def test_processes_load_no_more_than_they_need() -> None:
    """Each of them would take some 0.2 s for the catalogue."""
    modules = f"{SparseSpool.__module__}, {SourceLines.__module__}, {RowsEncoder.__module__}"
    script = f"import sys, {modules}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], text=True, capture_output=True, check=True)
    assert SourceLines.__module__ in done.stdout.split()
    assert {"pydantic", "yaml", "rnaget_server.catalog"}.isdisjoint(done.stdout.split())


def test_the_cells_of_files_are_flat_or_not(tmp_path: Path) -> None:
    for number, (name, (write, _, cells_of, options)) in enumerate(FILES.items()):
        if write is write_h5ad:
            matrix = matrix_of(write(tmp_path / f"{number}.h5ad", cells_of(), **options))
            assert matrix.place.is_flat == (name in FLAT), name  # type: ignore[union-attr]


def matrix_of(path: Path) -> CompressedMatrix:
    matrix = H5adFile(path).matrix("X").compressed
    assert matrix is not None and matrix.place is not None
    return matrix


def test_the_place_of_a_matrix_is_that_file_alone(tmp_path: Path) -> None:
    path = write_h5ad(tmp_path / "a.h5ad", some_cells("csr", "i4", "f8", few))
    matrix = matrix_of(path)
    opened = matrix.place.open()  # type: ignore[union-attr]
    assert all(isinstance(run, MappedRun) for run in opened._runs)
    assert not any(isinstance(run, MappedRun) for run in matrix._runs)
    assert np.array_equal(opened.lengths, matrix.lengths)
    shutil.copy(path, tmp_path / "copy.h5ad")
    (tmp_path / "copy.h5ad").replace(path)
    with pytest.raises(UnfitFile, match="was changed while it was read"):
        matrix.place.open()  # type: ignore[union-attr]


def test_the_place_of_a_matrix_has_soft_links_where_the_format_has_its_data(tmp_path: Path) -> None:
    """Layers that share their indices are found so by other processes, too."""
    path = write_h5ad(tmp_path / "a.h5ad", some_cells("csr", "i4", "f8", few))
    with h5py.File(path, "a") as file:
        file["layers/counts"] = file["X"]
        file.move("X/indices", "layers/indices")
        file["X/indices"] = h5py.SoftLink("/layers/indices")
    matrix = matrix_of(path)
    opened = matrix.place.open()  # type: ignore[union-attr]
    for piece, same in zip(
        opened.pieces(None, None, np.dtype("f4")), matrix.pieces(None, None, np.dtype("f4")), strict=True
    ):
        assert np.array_equal(piece.indices, same.indices) and np.array_equal(piece.data, same.data)
