"""Tables that are stored by columns of one type each, wide or long: Parquet and Arrow."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.base import Progress, ReadOptions, SourceMatrix, TsvStyle
from rnaget_server.importers.file_failures import as_import_failures
from rnaget_server.importers.matrices.axes import split_samples
from rnaget_server.importers.matrices.columnar_values import (
    UnfitColumn,
    as_attribute,
    as_labels,
    as_numbers,
    is_number,
    is_text,
)
from rnaget_server.importers.matrices.long_columns import LongTable, long_hint
from rnaget_server.importers.matrices.long_spool import LongRows, LongSpool
from rnaget_server.importers.matrices.table_columns import choose_columns
from rnaget_server.importers.matrices.table_start import Columns, TableStart
from rnaget_server.importers.spool import Spool, SpooledCells, filling
from rnaget_server.importers.text.columns import find_name, text_column
from rnaget_server.importers.text.fields import shortened
from rnaget_server.importers.text.mistakes import SHOWN
from rnaget_server.importers.text.table_body import check_ids
from rnaget_server.importers.text.template import LabelTemplate
from rnaget_server.model.columns import as_texts
from rnaget_server.stores.native.write_dense import AxisTable

_LOOKED_AT = 100
_AT_ONCE = 64
_BLOCK_BYTES = 32 << 20
_BATCH = 1 << 16
_CELL = 8
_READING = 0.7
_UNNAMED = "__index_level_"  # as pandas calls an index without a name
_HEADER = 1


class ColumnarFile(Protocol):
    """A file of columns."""

    @property
    def schema(self) -> Any:
        """The names and types of the columns, as Arrow has them."""

    def column(self, name: str) -> Any:
        """Return a whole column."""

    def columns(self, names: Sequence[str]) -> Any:
        """Return some whole columns, as a table of Arrow."""

    def batches(self, names: Sequence[str], rows: int) -> Iterator[Any]:
        """Yield some columns in batches of at most about so many rows."""


_UNIQUE = (
    "ids must be unique, and not empty: rename them, or write the table as TSV or CSV, for which there is --duplicates "
    "first, sum or suffix"
)


@dataclass(frozen=True)
class ColumnarTable:
    """A table in such a file, to be read once.

    Parameters
    ----------
    path
        For messages.
    file
        The open file.
    what
        The name of the format.
    options
        How the table is read.
    """

    path: Path
    file: ColumnarFile
    what: str
    options: ReadOptions

    def read(self, directory: Path, progress: Progress) -> SourceMatrix:
        """Return the matrix in the table.

        Raises
        ------
        ImportFailure
            If the table is no matrix, or its values are no numbers.
        """
        with as_import_failures(self.path):
            names, left_out = self._names()
        start = self._start(names)
        try:
            columns = choose_columns(start, self.options)
        except LongTable as long:
            return self._long([names[column] for column in long.columns], directory, progress)
        self._take_texts_for_labels(names, columns)
        remark = f"left out, since they hold neither text nor numbers: {', '.join(left_out)}"
        return self._wide(start, names, columns, (remark,) if left_out else (), directory, progress)

    def _names(self) -> tuple[list[str], list[str]]:
        """Return the names of the columns, the index of pandas in front, and those that cannot be read."""
        schema = self.file.schema
        repeated = sorted(name for name in set(schema.names) if len(schema.get_all_field_indices(name)) > 1)
        if repeated:
            raise ImportFailure(f"two columns have the name {shortened(repeated[0])}: rename one", self.path)
        index = [name for name in _index_of(schema) if name in schema.names]
        names = [*index, *(name for name in schema.names if name not in index)]
        known = [name for name in names if is_text(schema.field(name).type) or is_number(schema.field(name).type)]
        if len(known) < 2:
            raise ImportFailure(
                f"this {self.what} table has fewer than two columns of text or numbers ({', '.join(names[:5])}): a "
                "matrix has a column of ids, and one for each sample",
                self.path,
            )
        return known, [name for name in names if name not in known]

    def _start(self, names: Sequence[str]) -> TableStart:
        """Return the first rows as a text table has them, for the choice of the columns."""
        with as_import_failures(self.path):
            texts: list[list[bytes]] = []
            for start in range(0, len(names), _AT_ONCE):  # the first rows of all at once may need much memory
                asked = names[start : start + _AT_ONCE]
                first = next((batch for batch in self.file.batches(asked, _LOOKED_AT) if batch.num_rows), None)
                if first is None:
                    raise ImportFailure("the table has no rows", self.path)
                first = first.slice(0, _LOOKED_AT)
                texts += [[text.encode() for text in as_labels(first.column(name))] for name in asked]
        headers = tuple("" if name.startswith(_UNNAMED) else name for name in names)
        return TableStart(self.path, _HEADER, headers, list(zip(*texts, strict=True)), tuple(range(len(names))))

    def _take_texts_for_labels(self, names: Sequence[str], columns: Columns) -> None:
        """Take columns of text for labels, also where their headers say otherwise."""
        schema = self.file.schema
        texts = [column for column in columns.cells if is_text(schema.field(names[column]).type)]
        taken = set(texts)
        columns.labels += texts
        columns.cells = [column for column in columns.cells if column not in taken]
        if not columns.cells:
            raise ImportFailure("no column besides the labels holds numbers", self.path)

    def _wide(
        self,
        start: TableStart,
        names: Sequence[str],
        columns: Columns,
        remarks: tuple[str, ...],
        directory: Path,
        progress: Progress,
    ) -> SourceMatrix:
        rows, across = ("sample", "feature") if self.options.transpose else ("feature", "sample")
        id, *others = columns.labels
        hint = long_hint(start, columns) if columns.is_long else ""
        with as_import_failures(self.path):
            ids = self._ids(names[id], rows, hint)
            labels = {start.headers[column] or names[column]: self._label(names[column]) for column in others}
        id_name = start.headers[id]
        table = AxisTable(id_name, {id_name: text_column(ids), **labels}, self._name_among(labels))
        cell_names = columns.samples or tuple(names[column] for column in columns.cells)
        if self.options.column is None or self.options.transpose:
            check_ids(cell_names, across, self.path, _HEADER)
        other, style = AxisTable("", {"": text_column(cell_names)}), TsvStyle()
        if self.options.column is not None and not self.options.transpose:
            other = split_samples(other, LabelTemplate(self.options.column), self.options, self.path, _HEADER)
            style = TsvStyle((id_name,) if id_name else None, self.options.column)
        cells = self._cells([names[column] for column in columns.cells], len(ids), directory, progress)
        features, samples = (other, table) if self.options.transpose else (table, other)
        listed = ", ".join([id_name or "(no header)", *labels])
        remark = f"{self.what}, {rows}s as rows; label columns: {listed}"
        return SourceMatrix(
            features, samples, cells, style, (remark, *columns.remarks, *remarks), columns.samples is not None
        )

    def _name_among(self, labels: dict[str, NDArray[Any]]) -> str | None:
        if self.options.transpose:
            return None
        given = self.options.feature_name
        name = given if given in labels else find_name(labels) if given is None else None
        if name is not None:
            labels[name] = text_column(as_texts(labels[name]))
        return name

    def _ids(self, name: str, kind: str, hint: str) -> list[str]:
        most = self.options.limits.column_bytes // _CELL
        ids: list[str] = []
        for batch in self.file.batches([name], _BATCH):
            ids += as_labels(batch.column(0))
            if len(ids) > most:
                raise ImportFailure(
                    f"the table has more than {most:,} rows: split it, or set max_column_bytes", self.path
                )
        first: dict[str, int] = {}
        mistakes = []
        for row, id in enumerate(ids, _HEADER):
            if not id.strip():
                mistakes.append((row, f"the {kind} id is empty"))
            elif first.setdefault(id, row) != row:
                mistakes.append((row, f"the {kind} id {shortened(id)} is here and in row {first[id]} already"))
        if mistakes:
            raise self._refusal(mistakes, name, hint)
        return ids

    def _refusal(self, mistakes: Sequence[tuple[int, str]], column: str, hint: str) -> ImportFailure:
        lines = [f"{message} (column {column}, row {row})" for row, message in mistakes[:SHOWN]]
        if len(mistakes) > SHOWN:
            lines.append(f"and {len(mistakes) - SHOWN} more such mistakes")
        return ImportFailure("\n".join([*lines, *filter(None, (hint or _UNIQUE,))]), self.path)

    def _label(self, name: str) -> NDArray[Any]:
        return as_attribute(self.file.column(name))

    def _cells(self, names: Sequence[str], rows: int, directory: Path, progress: Progress) -> SpooledCells:
        step = max(1, _BLOCK_BYTES // (rows * _CELL))
        with filling(Spool(directory, rows, transposed=not self.options.transpose), self.path) as spool:
            for first in range(0, len(names), step):
                asked = names[first : first + step]
                with as_import_failures(self.path):
                    table = self.file.columns(asked)
                block = np.empty((len(asked), rows))
                for number, name in enumerate(asked):
                    block[number] = self._numbers(table.column(name), name, 0)
                spool.append(block)
                progress((first + len(asked)) / len(names))
            return spool.finish()

    def _numbers(self, column: Any, name: str, before: int) -> NDArray[np.float64]:
        with as_import_failures(self.path):
            try:
                return as_numbers(column)
            except UnfitColumn as error:
                row = before + error.row + _HEADER
                raise ImportFailure(f"{error} (column {name}, row {row})", self.path) from None

    def _long(self, names: Sequence[str], directory: Path, progress: Progress) -> SourceMatrix:
        feature, sample, value, *others = names
        if not is_number(self.file.schema.field(value).type):
            raise ImportFailure(f"the column {value} of the values holds text: write it as numbers", self.path)
        headers = ["" if name.startswith(_UNNAMED) else name for name in (feature, sample, *others)]
        spool = LongSpool(self.path, directory, headers, self.options)
        try:
            row = _HEADER
            batches = self.file.batches(names, _BATCH)
            while True:
                with as_import_failures(self.path):
                    batch = next(batches, None)
                if batch is None:
                    break
                if batch.num_rows:
                    spool.add(self._long_rows(batch, names, row))
                    row += batch.num_rows
            matrix = spool.finish(progress)
            return matrix
        finally:
            spool.close()

    def _long_rows(self, batch: Any, names: Sequence[str], row: int) -> LongRows:
        with as_import_failures(self.path):
            features, samples, *others = (as_labels(batch.column(name)) for name in (*names[:2], *names[3:]))
        for name, ids in zip(names[:2], (features, samples), strict=True):
            if "" in ids:
                raise ImportFailure(f"the id is empty (column {name}, row {row + ids.index('')})", self.path)
        values = self._numbers(batch.column(names[2]), names[2], row - _HEADER)
        return LongRows(range(row, row + batch.num_rows), features, samples, values, others)


def _index_of(schema: Any) -> list[str]:
    """Return the columns that pandas writes an index to, which are the last in the file."""
    try:
        columns = json.loads((schema.metadata or {}).get(b"pandas", b"{}")).get("index_columns", [])
    except (ValueError, AttributeError):
        return []
    return [name for name in columns if isinstance(name, str)] if isinstance(columns, list) else []


def refuse_text_only(options: ReadOptions, path: Path, what: str) -> None:
    """Refuse the options that say how numbers and lines of text are to be read."""
    if options.header is not None or options.decimal is not None:
        raise ImportFailure(
            f"--header, --no-header and --decimal are for TSV and CSV: they do not apply to {what}, whose columns have "
            "names and types",
            path,
        )
