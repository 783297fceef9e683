"""Every importer of matrices passes the contract, its files written by the programs of its users."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pytest
import scipy.io
import scipy.sparse

from rnaget_server.importers.base import Importer, ReadOptions
from rnaget_server.importers.matrices.archs4 import Archs4Importer
from rnaget_server.importers.matrices.arrow import ArrowImporter
from rnaget_server.importers.matrices.delimited import DelimitedImporter
from rnaget_server.importers.matrices.excel import ExcelImporter
from rnaget_server.importers.matrices.gct import GctImporter
from rnaget_server.importers.matrices.gctx import GctxImporter
from rnaget_server.importers.matrices.h5ad import H5adImporter
from rnaget_server.importers.matrices.h5mu import H5muImporter
from rnaget_server.importers.matrices.h5seurat import H5SeuratImporter
from rnaget_server.importers.matrices.loom import LoomImporter
from rnaget_server.importers.matrices.mtx import MtxImporter
from rnaget_server.importers.matrices.parquet import ParquetImporter
from rnaget_server.importers.matrices.tenx import TenXImporter
from rnaget_server.importers.matrices.zarr import ZarrImporter
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


def long_of(matrix: ExampleMatrix) -> pd.DataFrame:
    return frame_of(matrix).reset_index().melt("gene", var_name="sample", value_name="TPM")


def write_long(path: Path, matrix: ExampleMatrix) -> None:
    long_of(matrix).to_csv(path, index=False)


def write_parquet(path: Path, matrix: ExampleMatrix) -> None:
    frame_of(matrix).to_parquet(path, row_group_size=7)


def write_feather(path: Path, matrix: ExampleMatrix) -> None:
    frame_of(matrix).reset_index().to_feather(path, chunksize=7)


def write_stream(path: Path, matrix: ExampleMatrix) -> None:
    table = pa.Table.from_pandas(frame_of(matrix))
    with pa.ipc.new_stream(str(path), table.schema) as stream:
        stream.write_table(table, max_chunksize=7)


def write_excel(path: Path, matrix: ExampleMatrix) -> None:
    frame_of(matrix).to_excel(path)


def write_gctx(path: Path, matrix: ExampleMatrix) -> None:
    """Write the layout of cmapPy's `write_gctx`."""
    with h5py.File(path, "w") as file:
        file.attrs["version"] = b"GCTX1.0"
        file.create_dataset("0/DATA/0/matrix", data=matrix.cells.T, compression="gzip", chunks=(2, 20))
        for side, ids in (("ROW", matrix.features), ("COL", matrix.samples)):
            file[f"0/META/{side}/id"] = np.array([id.encode() for id in ids])


def write_h5mu(path: Path, matrix: ExampleMatrix) -> None:
    cells = scipy.sparse.csr_matrix(matrix.cells.T)
    data = anndata.AnnData(cells, pd.DataFrame(index=matrix.samples), pd.DataFrame(index=matrix.features))
    with h5py.File(path, "w", userblock_size=512) as file:
        file.attrs["encoding-type"] = "MuData"
        anndata.io.write_elem(file.create_group("mod"), "rna", data)
        anndata.io.write_elem(file, "obs", pd.DataFrame(index=matrix.samples))
        anndata.io.write_elem(file, "var", pd.DataFrame(index=matrix.features))


def write_zarr(path: Path, matrix: ExampleMatrix) -> None:
    cells = scipy.sparse.csr_matrix(matrix.cells.T)
    data = anndata.AnnData(cells, pd.DataFrame(index=matrix.samples), pd.DataFrame(index=matrix.features))
    with anndata.settings.override(zarr_write_format=3 if path.name == "zarr.json" else 2):
        data.write_zarr(path.parent)


def write_archs4(path: Path, matrix: ExampleMatrix) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("data/expression", data=matrix.cells.astype(np.uint32), chunks=(40, 1), compression="gzip")
        file["meta/genes/ensembl_gene"] = [id.encode() for id in matrix.features]
        file["meta/genes/symbol"] = [b"A"] * len(matrix.features)
        file["meta/samples/geo_accession"] = [id.encode() for id in matrix.samples]


def write_h5seurat(path: Path, matrix: ExampleMatrix) -> None:
    """Write the layout of SeuratDisk's `SaveH5Seurat`."""
    cells = scipy.sparse.csc_matrix(matrix.cells)
    with h5py.File(path, "w") as file:
        file.attrs["active.assay"] = "RNA"
        for name in ("data", "indices", "indptr"):
            file[f"assays/RNA/counts/{name}"] = getattr(cells, name)
        file["assays/RNA/counts"].attrs["dims"] = cells.shape
        file["assays/RNA/features"] = [id.encode() for id in matrix.features]
        file["cell.names"] = [id.encode() for id in matrix.samples]
        file.create_group("meta.data")


WRITERS: dict[str, Callable[[Path, ExampleMatrix], None]] = {
    "m.tsv": write_tsv,
    "m.gct": write_gct,
    "m.loom": write_loom,
    "m.h5ad": write_h5ad,
    "tenx.h5": write_tenx,
    "matrix.mtx": write_mtx,
    "native.h5": write_store,
    "long.csv": write_long,
    "m.parquet": write_parquet,
    "m.feather": write_feather,
    "m.arrows": write_stream,
    "m.xlsx": write_excel,
    "m.gctx": write_gctx,
    "m.h5mu": write_h5mu,
    "2.zarr/.zgroup": write_zarr,
    "3.zarr/zarr.json": write_zarr,
    "archs4.h5": write_archs4,
    "m.h5seurat": write_h5seurat,
}
TEXT = {"m.tsv", "long.csv", "m.gct", "matrix.mtx", "2.zarr/.zgroup", "3.zarr/zarr.json"}


OF_NAME: dict[str, type[Importer]] = {
    "m.feather": ArrowImporter,
    "m.arrows": ArrowImporter,
    "2.zarr/.zgroup": ZarrImporter,
    "3.zarr/zarr.json": ZarrImporter,
}


class BuiltInContract(ImporterContract):
    """The contract, with the files of all other importers as those of other kinds."""

    name: str

    def write(self, directory: Path, matrix: ExampleMatrix) -> Path:
        WRITERS[self.name](directory / self.name, matrix)
        return directory / self.name

    def write_others(self, directory: Path, matrix: ExampleMatrix) -> list[Path]:
        others = super().write_others(directory, matrix)
        alike = {name for name in WRITERS if issubclass(OF_NAME.get(name, Importer), self.importer)}
        for name in WRITERS.keys() - alike - {self.name} - (TEXT if self.importer.takes_any_text else set()):
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


class TestLong(BuiltInContract):
    importer = DelimitedImporter
    name = "long.csv"


class TestParquet(BuiltInContract):
    importer = ParquetImporter
    name = "m.parquet"


class TestLongParquet(TestParquet):
    def write(self, directory: Path, matrix: ExampleMatrix) -> Path:
        long_of(matrix).to_parquet(directory / "long.parquet", row_group_size=50)
        return directory / "long.parquet"


class TestTransposedParquet(TestParquet):
    options = ReadOptions(transpose=True)

    def write(self, directory: Path, matrix: ExampleMatrix) -> Path:
        frame_of(matrix).T.to_parquet(directory / "m.parquet")
        return directory / "m.parquet"


class TestFeather(BuiltInContract):
    importer = ArrowImporter
    name = "m.feather"


class TestArrowStream(BuiltInContract):
    importer = ArrowImporter
    name = "m.arrows"


class TestExcel(BuiltInContract):
    importer = ExcelImporter
    name = "m.xlsx"


class TestLongExcel(TestExcel):
    def write(self, directory: Path, matrix: ExampleMatrix) -> Path:
        long_of(matrix).to_excel(directory / "long.xlsx", index=False)
        return directory / "long.xlsx"


class TestGctx(BuiltInContract):
    importer = GctxImporter
    name = "m.gctx"


class TestH5mu(BuiltInContract):
    importer = H5muImporter
    name = "m.h5mu"


class TestZarr2(BuiltInContract):
    importer = ZarrImporter
    name = "2.zarr/.zgroup"


class TestZarr3(BuiltInContract):
    importer = ZarrImporter
    name = "3.zarr/zarr.json"


class TestArchs4(BuiltInContract):
    importer = Archs4Importer
    name = "archs4.h5"
    fractions = False


class TestH5Seurat(BuiltInContract):
    importer = H5SeuratImporter
    name = "m.h5seurat"


def test_a_contract_without_a_writer_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotImplementedError, match="in the format to test"):
        ImporterContract().write(tmp_path, ExampleMatrix([], [], np.empty((0, 0), np.float32)))
