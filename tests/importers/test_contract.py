"""Every importer of matrices passes the contract, its files written by the programs of its users."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.io
import scipy.sparse

from rnaget_server.importers.base import ReadOptions
from rnaget_server.importers.matrices.delimited import DelimitedImporter
from rnaget_server.importers.matrices.gct import GctImporter
from rnaget_server.importers.matrices.h5ad import H5adImporter
from rnaget_server.importers.matrices.loom import LoomImporter
from rnaget_server.importers.matrices.mtx import MtxImporter
from rnaget_server.importers.matrices.tenx import TenXImporter
from rnaget_server.stores.native.write_dense import AxisTable, LayerSource, write_native
from rnaget_server.testing.importers import ExampleMatrix, ImporterContract
from rnaget_server.testing.matrices import InMemory


def frame_of(matrix: ExampleMatrix) -> pd.DataFrame:
    return pd.DataFrame(matrix.cells, pd.Index(matrix.features, name="gene"), matrix.samples)


def write_tsv(path: Path, matrix: ExampleMatrix) -> None:
    frame_of(matrix).to_csv(path, sep="\t")


def write_csv(path: Path, matrix: ExampleMatrix) -> None:
    frame_of(matrix).T.to_csv(path)


def write_gct(path: Path, matrix: ExampleMatrix) -> None:
    frame = frame_of(matrix).rename_axis("Name")
    frame.insert(0, "Description", "none")
    path.write_text("#1.2\n{}\t{}\n".format(*matrix.cells.shape) + frame.to_csv(sep="\t"))


def write_loom(path: Path, matrix: ExampleMatrix) -> None:
    with h5py.File(path, "w") as file:
        file["matrix"] = matrix.cells
        file["row_attrs/Gene"] = [id.encode() for id in matrix.features]
        file["col_attrs/CellID"] = [id.encode() for id in matrix.samples]
        for group in ("layers", "row_graphs", "col_graphs"):
            file.create_group(group)


def write_h5ad(path: Path, matrix: ExampleMatrix, sparse: bool = True) -> None:
    cells = scipy.sparse.csr_matrix(matrix.cells.T) if sparse else matrix.cells.T
    features, samples = pd.DataFrame(index=matrix.features), pd.DataFrame(index=matrix.samples)
    anndata.AnnData(cells, samples, features).write_h5ad(path)


def write_tenx(path: Path, matrix: ExampleMatrix) -> None:
    cells = scipy.sparse.csc_matrix(matrix.cells.astype(np.int32))
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        for name in ("data", "indices", "indptr"):
            group[name] = getattr(cells, name)
        group["shape"] = np.array(cells.shape, np.int32)
        group["barcodes"] = [id.encode() for id in matrix.samples]
        group["features/id"] = group["features/name"] = [id.encode() for id in matrix.features]
        for name, value in (("feature_type", b"Gene Expression"), ("genome", b"GRCh38")):
            group[f"features/{name}"] = [value] * len(matrix.features)


def write_mtx(path: Path, matrix: ExampleMatrix) -> None:
    scipy.io.mmwrite(path, scipy.sparse.coo_matrix(scipy.sparse.csc_matrix(matrix.cells)))
    for name, ids in (("features", matrix.features), ("barcodes", matrix.samples)):
        path.with_name(f"{name}.tsv").write_text("".join(f"{id}\n" for id in ids))


def write_store(path: Path, matrix: ExampleMatrix) -> None:
    features, samples = (AxisTable("id", {"id": np.array(ids, object)}) for ids in (matrix.features, matrix.samples))
    cells = matrix.cells
    write_native(path, features, samples, [LayerSource("TPM", InMemory(cells), cells.dtype, False)])


WRITERS: dict[str, Callable[[Path, ExampleMatrix], None]] = {
    "m.tsv": write_tsv,
    "m.gct": write_gct,
    "m.loom": write_loom,
    "m.h5ad": write_h5ad,
    "tenx.h5": write_tenx,
    "matrix.mtx": write_mtx,
    "native.h5": write_store,
}
TEXT = {"m.tsv", "m.gct", "matrix.mtx"}


class BuiltInContract(ImporterContract):
    """The contract, with the files of all other importers as those of other kinds."""

    name: str

    def write(self, directory: Path, matrix: ExampleMatrix) -> Path:
        WRITERS[self.name](directory / self.name, matrix)
        return directory / self.name

    def write_others(self, directory: Path, matrix: ExampleMatrix) -> list[Path]:
        others = super().write_others(directory, matrix)
        for name in WRITERS.keys() - {self.name} - (TEXT if self.importer.takes_any_text else set()):
            WRITERS[name](directory / name, matrix)
            others.append(directory / name)
        return others


class TestTsv(BuiltInContract):
    importer = DelimitedImporter
    name = "m.tsv"


class TestTransposedCsv(BuiltInContract):
    importer = DelimitedImporter
    name = "m.tsv"
    options = ReadOptions(transpose=True)

    def write(self, directory: Path, matrix: ExampleMatrix) -> Path:
        write_csv(directory / "m.csv", matrix)
        return directory / "m.csv"


class TestGct(BuiltInContract):
    importer = GctImporter
    name = "m.gct"


class TestLoom(BuiltInContract):
    importer = LoomImporter
    name = "m.loom"


class TestH5ad(BuiltInContract):
    importer = H5adImporter
    name = "m.h5ad"


class TestDenseH5ad(TestH5ad):
    def write(self, directory: Path, matrix: ExampleMatrix) -> Path:
        write_h5ad(directory / "m.h5ad", matrix, sparse=False)
        return directory / "m.h5ad"


class TestH5adAsItIs(TestH5ad):
    options = ReadOptions(as_is=True)


class TestTenX(BuiltInContract):
    importer = TenXImporter
    name = "tenx.h5"
    fractions = False


class TestTenXAsItIs(TestTenX):
    options = ReadOptions(as_is=True)


class TestMtx(BuiltInContract):
    importer = MtxImporter
    name = "matrix.mtx"


def test_a_contract_without_a_writer_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotImplementedError, match="in the format to test"):
        ImporterContract().write(tmp_path, ExampleMatrix([], [], np.empty((0, 0), np.float32)))
