"""Series matrix files of GEO: the table in them, and what their lines ``!Sample_…`` say of the samples."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.base import Importer, Progress, ReadOptions, SourceMatrix
from rnaget_server.importers.matrices.annotated import refuse_text_options
from rnaget_server.importers.matrices.delimited import read_table
from rnaget_server.importers.text.columns import typed_column
from rnaget_server.importers.text.fields import shortened
from rnaget_server.importers.text.lines import TextLines
from rnaget_server.importers.text.series_samples import is_series, series_rows
from rnaget_server.stores.native.write_dense import AxisTable

_ABOVE = (b"!Series_", b"!Sample_", b"!series_matrix_table_begin")
_END = b"!series_matrix_table_end"
_FILES = (b"!Series_supplementary_file", b"!Sample_supplementary_file")
_SERVER, _ADDRESS = "ftp://ftp.ncbi.nlm.nih.gov/", "https://ftp.ncbi.nlm.nih.gov/"
_LISTED = 5


class SeriesLines(TextLines):
    """The lines of the table, numbered as in the file."""

    can_be_cut = False
    is_whole = False

    def _add(self, lines: list[bytes]) -> None:
        super()._add(lines)
        kept = [at for at, line in enumerate(self._lines) if not line.startswith((*_ABOVE, _END))]
        if len(kept) < len(self._lines):
            self.is_whole = self.is_whole or any(line.startswith(_END) for line in self._lines)
            self._numbers = [self._numbers[at] for at in kept]
            self._lines = [self._lines[at] for at in kept]


class SeriesImporter(Importer):
    """Reads the table of a series, mostly of microarrays; that of a sequencing series is empty, and is refused."""

    takes = frozenset({"duplicates"})

    def recognises(self, path: Path, head: bytes) -> bool:
        """Return whether the file begins as a series matrix does."""
        return is_series(head)

    def read(self, path: Path, options: ReadOptions, directory: Path, progress: Progress) -> SourceMatrix:
        """Return the matrix in the file, with the attributes of its samples.

        Raises
        ------
        ImportFailure
            If the table is empty, cut off or not well formed, or its samples are not those that are described.
        """
        refuse_text_options(options, path, "a series matrix of GEO")
        rows, lines_of = series_rows(path, options.limits)
        lines = SeriesLines(path)
        with lines:
            if len(lines.peek(2)) < 2:
                raise ImportFailure(_nothing_in_it(path), path)
            source = read_table(lines, replace(options, header=True, label_columns=1), directory, progress)
        try:
            if not lines.is_whole:
                raise ImportFailure(f"the file ends without the line {_END.decode()}: download it again", path)
            samples = _samples(path, source.samples, rows, lines_of[0])
        except ImportFailure:
            source.cells.close()
            raise
        what = f"series matrix of GEO, with {len(samples.columns) - 1} attributes of its samples"
        return replace(source, samples=samples, remarks=(what, *source.remarks))


def _samples(path: Path, found: AxisTable, rows: list[list[str]], line: int) -> AxisTable:
    """Return the samples of the table, in its order, with what the lines above it say of them."""
    (id, *names), *described = rows
    by_id = {row[0]: row for row in described}
    ids = [str(name) for name in found.columns[found.id]]
    missing = [name for name in ids if name not in by_id]
    if missing:
        raise ImportFailure(
            f"the table has the sample {shortened(missing[0])}, and !Sample_{id} does not name it: download the file "
            "again",
            path,
            line,
        )
    columns = {id: found.columns[found.id]}
    for at, name in enumerate(names, 1):
        columns[name] = typed_column([by_id[sample][at] for sample in ids])
    return AxisTable(id, columns)


def _nothing_in_it(path: Path) -> str:
    """Return why there is no table, and which files to import in its place."""
    files = list(dict.fromkeys(_supplementary(path)))
    empty = "the table of this series matrix of GEO is empty, as that of sequencing data is: "
    if not files:
        return f"{empty}its data are supplementary files of the series, but none is named here: look at its page of GEO"
    more = f" and {len(files) - _LISTED} more" if len(files) > _LISTED else ""
    return (
        f"{empty}its data are supplementary files; import the one with the values, and give this file by --samples: "
        f"{', '.join(files[:_LISTED])}{more}"
    )


def _supplementary(path: Path) -> Iterator[str]:
    """Yield the addresses of supplementary files, those of the series first, as the importer takes them."""
    found: dict[bytes, list[str]] = {name: [] for name in _FILES}
    with TextLines(path) as lines:
        for _, block in lines.blocks():
            for line in block:
                name = next((name for name in _FILES if line.startswith(name)), None)
                if name is not None:
                    with contextlib.suppress(csv.Error):
                        (cells,) = csv.reader([line.decode("utf-8", "replace")], delimiter="\t")
                        found[name] += [cell for cell in cells[1:] if "://" in cell and cell.isprintable()]
    for name in _FILES:
        for address in found[name]:
            yield address.replace(_SERVER, _ADDRESS, 1) if address.startswith(_SERVER) else address
