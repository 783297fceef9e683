"""Every writer of matrices passes the contract, read back by what its users read with."""

from __future__ import annotations

import numpy as np
import pytest

from rnaget_server.errors import ResultTooLarge
from rnaget_server.testing.slices import feature_labels, layer_of, sample_labels, slice_of
from rnaget_server.testing.writers import WriterContract
from rnaget_server.writers import excel
from rnaget_server.writers.arrow import ArrowWriter
from rnaget_server.writers.compressed_tsv import TsvGzWriter, TsvZstWriter
from rnaget_server.writers.csv import CsvGzWriter, CsvWriter
from rnaget_server.writers.excel import ExcelWriter
from rnaget_server.writers.gct import GctGzWriter, GctWriter
from rnaget_server.writers.h5ad import H5adWriter
from rnaget_server.writers.json import JsonWriter
from rnaget_server.writers.loom import LoomWriter
from rnaget_server.writers.mtx import MtxWriter
from rnaget_server.writers.parquet import ParquetWriter
from rnaget_server.writers.tsv import TsvWriter
from tests.writers import readers


class TestTsv(WriterContract):
    writer = TsvWriter
    read = staticmethod(readers.tsv)


class TestTsvGz(WriterContract):
    writer = TsvGzWriter
    read = staticmethod(readers.tsv_gz)


class TestTsvZst(WriterContract):
    writer = TsvZstWriter
    read = staticmethod(readers.tsv_zst)


class TestJson(WriterContract):
    writer = JsonWriter
    infinities = False
    read = staticmethod(readers.json_object)


class TestLoom(WriterContract):
    writer = LoomWriter
    read = staticmethod(readers.loom)


class TestH5ad(WriterContract):
    writer = H5adWriter
    read = staticmethod(readers.h5ad)


class TestSparseH5ad(TestH5ad):
    sparse = True


class TestParquet(WriterContract):
    writer = ParquetWriter
    read = staticmethod(readers.parquet)


class TestArrow(WriterContract):
    writer = ArrowWriter
    read = staticmethod(readers.arrow)


class TestCsv(WriterContract):
    writer = CsvWriter
    read = staticmethod(readers.csv)


class TestCsvGz(WriterContract):
    writer = CsvGzWriter
    read = staticmethod(readers.csv_gz)


class TestGct(WriterContract):
    writer = GctWriter
    read = staticmethod(readers.gct)


class TestGctGz(WriterContract):
    writer = GctGzWriter
    read = staticmethod(readers.gct_gz)


class TestMtx(WriterContract):
    writer = MtxWriter
    read = staticmethod(readers.mtx)

    def test_starts_before_all_is_read(self) -> None:
        """The labels come first; all cells are counted before the first, since the file begins with their number."""
        slice = self._slice(np.ones((2000, 30), np.float32), True)
        names = [name for name, _ in MtxWriter().files(slice)]
        assert names == ["features.tsv.gz", "barcodes.tsv.gz", "matrix.mtx.gz"]


class TestSparseMtx(TestMtx):
    sparse = True


class TestExcel(WriterContract):
    writer = ExcelWriter
    read = staticmethod(readers.xlsx)

    @pytest.fixture(autouse=True)
    def _sheets_of_any_size(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(excel, "_MOST_CELLS", 1 << 40)


def test_a_sheet_that_excel_cannot_open_is_refused() -> None:
    slice = slice_of(
        feature_labels(["a"]), sample_labels([str(n) for n in range(16_384)]), layer_of(np.ones((1, 16_384)))
    )
    with pytest.raises(ResultTooLarge, match="at most 1,048,576 rows and 16,384 columns"):
        ExcelWriter().check(slice)
