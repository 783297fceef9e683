"""Every importer of matrices passes the contract, its files written by the programs of its users."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

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
from rnaget_server.importers.matrices.series import SeriesImporter
from rnaget_server.importers.matrices.tenx import TenXImporter
from rnaget_server.importers.matrices.zarr import ZarrImporter
from rnaget_server.testing.importers import ExampleMatrix, ImporterContract, example_matrix
from tests.importers import foreign_files as files


def frame_of(matrix: ExampleMatrix) -> pd.DataFrame:
    return pd.DataFrame(matrix.cells, pd.Index(matrix.features, name="gene"), matrix.samples)


def write_zarr(path: Path, frame: pd.DataFrame) -> None:
    files.write_zarr(path.parent, files.data_of(frame), 3 if path.name == "zarr.json" else 2)


WRITERS: dict[str, Callable[[Path, pd.DataFrame], object]] = {
    "m.tsv": files.write_tsv,
    "m.gct": files.write_gct,
    "series.txt": files.write_series,
    "m.loom": files.write_loom,
    "m.h5ad": files.write_h5ad,
    "tenx.h5": lambda path, frame: files.write_tenx(path, frame.astype(np.int32)),
    "matrix.mtx": files.write_mtx,
    "native.h5": files.write_store,
    "long.csv": files.write_long,
    "m.parquet": files.write_parquet,
    "m.feather": files.write_feather,
    "m.arrows": files.write_stream,
    "m.xlsx": files.write_excel,
    "m.gctx": files.write_gctx,
    "m.h5mu": lambda path, frame: files.write_h5mu(path, {"rna": files.data_of(frame)}),
    "2.zarr/.zgroup": write_zarr,
    "3.zarr/zarr.json": write_zarr,
    "archs4.h5": lambda path, frame: files.write_archs4(path, frame.astype(np.uint32)),
    "m.h5seurat": files.write_h5seurat,
}
TEXT = {"m.tsv", "long.csv", "m.gct", "series.txt", "matrix.mtx", "2.zarr/.zgroup", "3.zarr/zarr.json"}


OF_NAME: dict[str, type[Importer]] = {
    "m.feather": ArrowImporter,
    "m.arrows": ArrowImporter,
    "2.zarr/.zgroup": ZarrImporter,
    "3.zarr/zarr.json": ZarrImporter,
}


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A file of each kind."""
    directory = tmp_path_factory.mktemp("foreign")
    for name, write in WRITERS.items():
        write(directory / name, frame_of(example_matrix(fractions=True)))
    return {name: directory / name for name in WRITERS}


class BuiltInContract(ImporterContract):
    """The contract, with the files of all other importers as those of other kinds."""

    name: str

    def write(self, directory: Path, matrix: ExampleMatrix) -> Path:
        WRITERS[self.name](directory / self.name, frame_of(matrix))
        return directory / self.name

    @pytest.fixture
    def others(self, tmp_path: Path, matrix: ExampleMatrix, foreign: dict[str, Path]) -> list[Path]:
        alike = {name for name in WRITERS if issubclass(OF_NAME.get(name, Importer), self.importer)}
        left = foreign.keys() - alike - {self.name} - (TEXT if self.importer.takes_any_text else set())
        return [*self.write_others(tmp_path, matrix), *(foreign[name] for name in left)]


class TestTsv(BuiltInContract):
    importer = DelimitedImporter
    name = "m.tsv"


class TestTransposedCsv(BuiltInContract):
    importer = DelimitedImporter
    name = "m.tsv"
    options = ReadOptions(transpose=True)

    def write(self, directory: Path, matrix: ExampleMatrix) -> Path:
        files.write_csv(directory / "m.csv", frame_of(matrix))
        return directory / "m.csv"


class TestGct(BuiltInContract):
    importer = GctImporter
    name = "m.gct"


class TestSeries(BuiltInContract):
    importer = SeriesImporter
    name = "series.txt"


class TestLoom(BuiltInContract):
    importer = LoomImporter
    name = "m.loom"


class TestH5ad(BuiltInContract):
    importer = H5adImporter
    name = "m.h5ad"


class TestDenseH5ad(TestH5ad):
    def write(self, directory: Path, matrix: ExampleMatrix) -> Path:
        files.write_h5ad(directory / "m.h5ad", frame_of(matrix), sparse=False)
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
        files.long_of(frame_of(matrix)).to_parquet(directory / "long.parquet", row_group_size=50)
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
        files.long_of(frame_of(matrix)).to_excel(directory / "long.xlsx", index=False)
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
