"""Parquet files: a table with a column for each sample, or one row for each feature and sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rnaget_server.importers.base import Importer, Progress, ReadOptions, SourceMatrix
from rnaget_server.importers.extras import needed
from rnaget_server.importers.file_failures import as_import_failures
from rnaget_server.importers.foreign import PARQUET
from rnaget_server.importers.matrices.columnar import ColumnarTable, refuse_text_only
from rnaget_server.storage.access import FileLimits
from rnaget_server.stores.failures import UnfitFile
from rnaget_server.stores.hdf5_dataset import shown_bytes

_MOST_THRIFT = 256 << 20


class ParquetImporter(Importer):
    """Reads the columns of a Parquet file some at a time."""

    def recognises(self, path: Path, head: bytes) -> bool:
        """Return whether this is Parquet."""
        return head.startswith(PARQUET) and b"\0" in head

    def read(self, path: Path, options: ReadOptions, directory: Path, progress: Progress) -> SourceMatrix:
        """Return the matrix in the file.

        Raises
        ------
        ImportFailure
            If it is damaged, or its table is no matrix.
        """
        refuse_text_only(options, path, "Parquet")
        parquet = needed("pyarrow.parquet", path, "Parquet")
        with as_import_failures(path):
            file = parquet.ParquetFile(
                path,
                pre_buffer=False,
                thrift_string_size_limit=_MOST_THRIFT,
                thrift_container_size_limit=_MOST_THRIFT,
                page_checksum_verification=True,  # of pages that have one
            )
        with file:
            with as_import_failures(path):
                columns = _ParquetColumns(file)
                columns.check(path.stat().st_size, options.limits)
            return ColumnarTable(path, columns, "Parquet", options).read(directory, progress)


class _ParquetColumns:
    """The columns of an open file."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.schema: Any = file.schema_arrow

    def column(self, name: str) -> Any:
        """Return a whole column."""
        return self.columns([name]).column(name)

    def columns(self, names: Sequence[str]) -> Any:
        """Return some whole columns."""
        return self._file.read(columns=list(names), use_threads=False)

    def batches(self, names: Sequence[str], rows: int) -> Iterator[Any]:
        """Yield some columns in batches of so many rows."""
        for batch in self._file.iter_batches(rows, columns=list(names), use_threads=False):
            yield batch.select(list(names))

    def check(self, size: int, limits: FileLimits) -> None:
        """Refuse columns that are said to be far larger than the file can hold."""
        metadata = self._file.metadata
        for group in range(metadata.num_row_groups):
            part = metadata.row_group(group)
            if part.num_rows < 0:
                raise UnfitFile("says that it has fewer than no rows")
            if part.total_byte_size > max(limits.column_bytes, limits.expansion * size):
                raise UnfitFile(
                    f"says that it has {shown_bytes(part.total_byte_size)}, more than {limits.expansion:,} times its "
                    "own size: see that it is whole, or set max_expansion"
                )
