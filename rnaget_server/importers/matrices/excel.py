"""Spreadsheets (``.xlsx``): the table on one sheet, wide or long, read as a text table is."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.base import Importer, Progress, ReadOptions, SourceMatrix
from rnaget_server.importers.excel_package import check_package
from rnaget_server.importers.extras import needed
from rnaget_server.importers.file_failures import as_import_failures
from rnaget_server.importers.foreign import is_xlsx
from rnaget_server.importers.matrices.delimited import read_table
from rnaget_server.importers.matrices.excel_rows import SheetLines, is_filled
from rnaget_server.importers.text.fields import shortened


class ExcelImporter(Importer):
    """Reads the only sheet with a table in it, or the one that ``--sheet`` names."""

    takes = frozenset({"sheet", "duplicates"})

    def recognises(self, path: Path, head: bytes) -> bool:
        """Return whether this is a spreadsheet of Excel."""
        return is_xlsx(head)

    def read(self, path: Path, options: ReadOptions, directory: Path, progress: Progress) -> SourceMatrix:
        """Return the matrix on the sheet.

        Raises
        ------
        ImportFailure
            If the file is damaged, it is not clear which sheet is meant, or the table on it is not well formed.
        """
        if options.decimal is not None:
            raise ImportFailure("--decimal does not apply to Excel, whose numbers are no text", path)
        # By its name, openpyxl refuses a file without a suffix.
        with path.open("rb") as file, closing(_book(path, file, options)) as book:
            with as_import_failures(path):
                name = _sheet(path, book, options.sheet)
            lines = SheetLines(path)
            lines.sheet = book[name]
            with lines:
                matrix = read_table(lines, options, directory, progress)
        first, *remarks = matrix.remarks
        skipped = f", after {lines.titles} lines of titles" if lines.titles else ""
        remark = f"Excel, sheet {name}{skipped}; {first.removeprefix('text separated by tabs, ')}"
        return SourceMatrix(
            matrix.features, matrix.samples, matrix.cells, matrix.tsv, (remark, *remarks), matrix.unnamed_samples
        )


def _book(path: Path, file: BinaryIO, options: ReadOptions) -> Any:
    openpyxl = needed("openpyxl", path, "Excel")
    with as_import_failures(path):
        check_package(path, options.limits)
        return openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)


def _sheet(path: Path, book: Any, given: str | None) -> str:
    """Return the name of the sheet that is meant."""
    names: list[str] = [sheet.title for sheet in book.worksheets]
    listed = ", ".join(shortened(name) for name in names) or "none"
    if given is not None:
        if given not in names:
            raise ImportFailure(f"--sheet: there is no sheet {shortened(given)}; there are {listed}", path)
        return given
    filled = [name for name in names if is_filled(book[name])]
    if len(filled) == 1:
        return filled[0]
    if not filled:
        raise ImportFailure(f"no sheet has a table (there are {listed})", path)
    listed = ", ".join(shortened(name) for name in filled)
    raise ImportFailure(f"several sheets have a table: name the one to take by --sheet, one of {listed}", path)
