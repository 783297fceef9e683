"""Arrow IPC files (Feather) and streams: a table with a column for each sample, or a row for each value."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.base import Importer, Progress, ReadOptions, SourceMatrix
from rnaget_server.importers.extras import needed
from rnaget_server.importers.file_failures import as_import_failures
from rnaget_server.importers.foreign import ARROW_FILE, is_arrow
from rnaget_server.importers.matrices.columnar import ColumnarTable, refuse_text_only

_END = b"\xff" * 4 + bytes(4)


class ArrowImporter(Importer):
    """Reads the columns of an Arrow file or stream some at a time."""

    def recognises(self, path: Path, head: bytes) -> bool:
        """Return whether this is an Arrow file or stream."""
        return is_arrow(head)

    def read(self, path: Path, options: ReadOptions, directory: Path, progress: Progress) -> SourceMatrix:
        """Return the matrix in the file.

        Raises
        ------
        ImportFailure
            If it is damaged, or its table is no matrix.
        """
        refuse_text_only(options, path, "Arrow")
        needed("pyarrow", path, "Arrow")
        with path.open("rb") as file:
            is_file = file.read(len(ARROW_FILE)) == ARROW_FILE
            if not is_file:
                _refuse_no_end(path, file)
        columns = _ArrowColumns(path, is_file)
        with as_import_failures(path):
            columns.schema  # noqa: B018  (refuses a file that is no Arrow)
        return ColumnarTable(path, columns, "Arrow", options).read(directory, progress)


def _refuse_no_end(path: Path, file: BinaryIO) -> None:
    """Refuse a stream without its mark of the end: one that is cut off between two batches looks whole otherwise."""
    file.seek(-len(_END), os.SEEK_END)
    if file.read() != _END:
        raise ImportFailure(
            "the stream does not end with Arrow's mark of the end, so that rows may be missing: see that the file is "
            "whole and its writer was closed, or, in Python, write pyarrow.ipc.open_stream(FILE).read_all() to a file",
            path,
        )


class _ArrowColumns:
    """The columns of a file or a stream, which is read once for each request for some of them.

    It is mapped to memory, so that the bytes of the columns that are not asked for are passed over.
    """

    def __init__(self, path: Path, is_file: bool) -> None:
        self._path = path
        self._is_file = is_file

    @cached_property
    def schema(self) -> Any:
        """The names and types of the columns."""
        import pyarrow as pa

        with pa.memory_map(str(self._path)) as source, self._opened(source, None) as reader:
            return reader.schema

    def column(self, name: str) -> Any:
        """Return a whole column."""
        return self.columns([name]).column(name)

    def columns(self, names: Sequence[str]) -> Any:
        """Return some whole columns."""
        import pyarrow as pa

        schema = pa.schema([self.schema.field(name) for name in names])
        return pa.Table.from_batches([batch.select(list(names)) for batch in self._batches(names)], schema)

    def batches(self, names: Sequence[str], rows: int) -> Iterator[Any]:
        """Yield some columns in batches of at most so many rows."""
        for batch in self._batches(names):
            for start in range(0, batch.num_rows, rows):
                yield batch.slice(start, rows).select(list(names))

    def _batches(self, names: Sequence[str]) -> Iterator[Any]:
        import pyarrow as pa

        with pa.memory_map(str(self._path)) as source, self._opened(source, names) as reader:
            numbers = range(reader.num_record_batches) if self._is_file else None
            batches = iter(reader) if numbers is None else (reader.get_batch(number) for number in numbers)
            for batch in batches:
                batch.validate(full=True)  # what a file says is not looked at otherwise
                yield batch

    def _opened(self, source: Any, names: Sequence[str] | None) -> Any:
        import pyarrow as pa

        fields = None if names is None else [self.schema.get_field_index(name) for name in names]
        options = pa.ipc.IpcReadOptions(included_fields=fields, use_threads=False)
        return (pa.ipc.open_file if self._is_file else pa.ipc.open_stream)(source, options=options)
