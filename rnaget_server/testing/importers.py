"""The contract of an importer of matrices as tests. Inherit, name the importer, and write its files."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from rnaget_server.catalog.edit import CatalogEdit
from rnaget_server.catalog.load import load
from rnaget_server.datasets.opening import open_store
from rnaget_server.errors import ImportFailure
from rnaget_server.importers.base import Importer, ReadOptions, ServedFile, SourceMatrix, importer_for
from rnaget_server.importers.detect import read_head
from rnaget_server.importers.matrices.job import plan_part, run_import
from rnaget_server.importers.matrices.request import MatrixRequest
from rnaget_server.importers.sparse_spool import SpooledSparse
from rnaget_server.model.columns import as_texts
from rnaget_server.model.sparse import CompressedBlock, Direction, SparseCells
from rnaget_server.plugins import IMPORTERS, STORES, Registry
from rnaget_server.testing.stores import check_sparse

_FEATURES, _SAMPLES = 40, 7


@dataclass(frozen=True)
class ExampleMatrix:
    """The matrix that a source file must hold: ids, and cells (features × samples)."""

    features: list[str]
    samples: list[str]
    cells: NDArray[np.float32]


def example_matrix(fractions: bool) -> ExampleMatrix:
    """Return a matrix with empty rows and columns, and ids that are not ASCII."""
    random = np.random.default_rng(11)
    cells = random.integers(0, 1000, (_FEATURES, _SAMPLES)) / (8 if fractions else 1)
    cells[random.random(cells.shape) < 0.5] = 0
    cells[[0, 5]] = 0
    cells[:, 3] = 0
    features = [f"ENSG{number:011d}.{number % 3}" for number in range(_FEATURES - 1)]
    return ExampleMatrix([*features, "β-2M"], [f"S {n}" for n in range(_SAMPLES)], cells.astype(np.float32))


class ImporterContract:
    """An importer of expression matrices passes all of these."""

    importer: ClassVar[type[Importer]]
    """The importer to test."""

    options: ClassVar[ReadOptions] = ReadOptions()
    """The options to read its files with."""

    fractions: ClassVar[bool] = True
    """False if the format holds only whole numbers."""

    def write(self, directory: Path, matrix: ExampleMatrix) -> Path:
        """Write a source file by other means than this package, in a directory that has no files yet."""
        raise NotImplementedError("write the example matrix in the format to test")

    def write_others(self, directory: Path, matrix: ExampleMatrix) -> list[Path]:
        """Write files of other kinds; extend these by formats that are like the one to test."""
        hdf5 = directory / "other.h5"
        with h5py.File(hdf5, "w") as file:
            file["cells"] = matrix.cells
        others = [hdf5]
        if not self.importer.takes_any_text:
            others.append(directory / "other.txt")
            others[-1].write_text("id\ta\ng\t1\n")
        return others

    @pytest.fixture
    def matrix(self) -> ExampleMatrix:
        """Return the matrix to write."""
        return example_matrix(self.fractions)

    @pytest.fixture
    def others(self, tmp_path: Path, matrix: ExampleMatrix) -> list[Path]:
        """Return the files of other kinds."""
        return self.write_others(tmp_path, matrix)

    @pytest.fixture
    def source(self, tmp_path: Path, matrix: ExampleMatrix) -> Path:
        """Return the source file to test."""
        directory = tmp_path / "source"
        directory.mkdir()
        return self.write(directory, matrix)

    def test_recognises_its_own_file(self, source: Path) -> None:
        """The file is recognised, and no other importer takes it first."""
        head = read_head(source)
        assert self.importer().recognises(source, head)
        if self.importer in Registry(IMPORTERS).all().values():
            assert type(importer_for(source, head)) is self.importer

    def test_recognises_no_other_kind(self, others: list[Path]) -> None:
        """Files of other kinds are left to other importers."""
        for other in others:
            assert not self.importer().recognises(other, read_head(other)), other.name

    def test_reads_labels_and_cells(self, tmp_path: Path, source: Path, matrix: ExampleMatrix) -> None:
        """Ids and cells are those of the file, in its order; a file that is served as it is has its shape described."""
        read = self._read(source, tmp_path)
        if isinstance(read, ServedFile):
            assert read.shape == matrix.cells.shape
            assert read.first_feature == matrix.features[0]
            assert read.feature_id in read.feature_attributes
            assert read.sample_id in read.sample_attributes
            return
        assert as_texts(read.features.columns[read.features.id]) == matrix.features
        assert as_texts(read.samples.columns[read.samples.id]) == matrix.samples
        cells = read.cells
        assert cells.shape == matrix.cells.shape
        if isinstance(cells, SpooledSparse):
            check_sparse(_as_served(cells), matrix.cells)
        else:
            assert np.array_equal(cells.rows(0, _FEATURES), matrix.cells)
            assert np.array_equal(cells.columns(2, 5), matrix.cells[:, 2:5])
        assert cells.whole is not self.fractions
        cells.close()

    def test_refuses_a_truncated_file(self, tmp_path: Path, source: Path) -> None:
        """A file that ends too early is an `ImportFailure` that names it, and temporary files are gone then."""
        directory = tmp_path / "spool"
        directory.mkdir()
        source.write_bytes(truncated(source.read_bytes()))
        with pytest.raises(ImportFailure) as failure:
            self._read(source, directory)
        assert str(failure.value).startswith(str(source))
        assert list(directory.iterdir()) == []

    def test_its_part_can_be_pickled(self, tmp_path: Path, source: Path, matrix: ExampleMatrix) -> None:
        """The data file can be written by a copy of its part, as in another process."""
        request = self._request(source, tmp_path / "data")
        edit = CatalogEdit(request.data, request.project, request.study)
        part = plan_part(request, edit, None)
        copy = pickle.loads(pickle.dumps(part))
        assert copy == part
        copy.target.parent.mkdir(parents=True)
        written = copy.write(lambda _: None)
        assert written.first_feature == matrix.features[0]
        assert pickle.loads(pickle.dumps(written)) == written
        assert list(copy.target.parent.iterdir()) == [part.target]

    def test_the_catalogue_serves_it(self, tmp_path: Path, source: Path, matrix: ExampleMatrix) -> None:
        """After an import, the store in the catalogue has the ids and the cells of the file."""
        shares: list[float] = []
        request = self._request(source, tmp_path / "data")
        run_import(request, shares.append)
        assert shares == sorted(shares)
        catalog, problems = load(request.data)
        assert catalog is not None and not problems
        record = catalog.matrices["m"]
        store = open_store(record, Registry(STORES))
        assert as_texts(store.features.column(record.feature_id)) == matrix.features
        assert as_texts(store.samples.column(record.sample_id)) == matrix.samples
        assert np.array_equal(np.concatenate(list(store.blocks("TPM"))), matrix.cells)

    def _read(self, source: Path, directory: Path) -> SourceMatrix | ServedFile:
        read_head(source)
        return self.importer().read(source, self.options, directory, lambda _: None)

    def _request(self, source: Path, data: Path) -> MatrixRequest:
        return MatrixRequest(
            data=data, project="p", study="s", id="m", units="TPM", source=source, options=self.options
        )


def truncated(content: bytes) -> bytes:
    """Return the first two thirds of a file; text ends within the first field of a line."""
    start = content[: len(content) * 2 // 3]
    return start if b"\0" in content else start[: start.rindex(b"\n") + 2]


def _as_served(cells: SpooledSparse) -> SparseCells:
    """Return spooled cells whose values are all of the type of the layer."""

    def along(direction: Direction) -> Iterator[CompressedBlock]:
        return cells.map_blocks(direction, lambda block, _: replace(block, data=block.data.astype(cells.dtype)))

    return SparseCells(lambda: cells.count, along)
