"""The samples of a series matrix file of GEO: its lines ``!Sample_…``, each with a cell for every sample."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.text.columns import free_name
from rnaget_server.importers.text.lines import TextLines
from rnaget_server.importers.text.table_body import LABEL_BYTES, not_utf8
from rnaget_server.storage.access import FileLimits
from rnaget_server.stores.hdf5_dataset import shown_bytes

_PREFIX = "!Sample_"
_ID = "geo_accession"
_TABLE = b"!series_matrix_table_begin"
_CHARACTERISTICS = "characteristics"


def is_series(head: bytes) -> bool:
    """Return whether a file begins as a series matrix of GEO does."""
    return head.lstrip(b"\xef\xbb\xbf\r\n").startswith((b"!Series_", b"!Sample_"))


def series_rows(path: Path, limits: FileLimits) -> tuple[list[list[str]], list[int]]:
    """Return a header and a row for each sample, with the line that names the samples.

    Characteristics such as ``tissue: liver`` become columns of their own; what is said several times of one sample is
    joined by ``; ``.

    Raises
    ------
    ImportFailure
        If it does not name its samples, or a line has more or fewer cells than there are samples.
    """
    columns: dict[str, list[str]] = {}
    names: dict[str, str] = {}
    line_of_ids, held, width = 0, 0, None
    for number, field, cells in _sample_lines(path):
        if width is None:
            width = len(cells)
        if len(cells) != width:
            raise ImportFailure(
                f"the line {_PREFIX}{field} has {len(cells)} cells, and those above are of {width} samples: "
                "download the file again",
                path,
                number,
            )
        line_of_ids = number if field == _ID else line_of_ids
        held += sum(map(len, cells)) + LABEL_BYTES * width
        if held > limits.column_bytes:
            raise ImportFailure(
                f"the lines of samples take more than {shown_bytes(limits.column_bytes)}: leave out lines that are "
                "not needed, or set RNAGET_MAX_COLUMN_BYTES",
                path,
                number,
            )
        for at, cell in enumerate(cells):
            _enter(columns, names, field, cell, at, width)
            if len(columns) * width * LABEL_BYTES > limits.column_bytes:
                raise ImportFailure("the samples have too many different characteristics", path, number)
    if _ID not in columns:
        raise ImportFailure(f"there is no line {_PREFIX}{_ID}, which names the samples of a series of GEO", path)
    headers = [_ID, *(name for name in columns if name != _ID)]
    rows = [list(row) for row in zip(*(columns[header] for header in headers), strict=True)]
    return [headers, *rows], [line_of_ids] * (len(rows) + 1)


def _sample_lines(path: Path) -> Iterator[tuple[int, str, list[str]]]:
    with TextLines(path) as lines:
        for numbers, block in lines.blocks():
            for number, line in zip(numbers, block, strict=True):
                if line.startswith(_TABLE):
                    return
                if not line.startswith(_PREFIX.encode()):
                    continue
                try:
                    (fields,) = csv.reader([line.decode()], delimiter="\t", strict=True)
                except UnicodeDecodeError:
                    raise not_utf8(path, number) from None
                except (csv.Error, ValueError):
                    raise ImportFailure(
                        'a quoted cell ("…") is not closed in its line, or text follows its last quote', path, number
                    ) from None
                yield number, fields[0].removeprefix(_PREFIX).strip(), [cell.strip() for cell in fields[1:]]


def _enter(columns: dict[str, list[str]], names: dict[str, str], field: str, cell: str, at: int, width: int) -> None:
    """Put a cell into the column of its field, or of the characteristic that it names itself."""
    key = field
    if field.startswith(_CHARACTERISTICS) and ":" in cell:
        label, _, value = cell.partition(":")
        if label.strip():
            key, cell = f"{_CHARACTERISTICS}\t{label.strip()}", value.strip()
    if key not in names:
        names[key] = free_name(key.partition("\t")[2] or key, columns)
        columns[names[key]] = [""] * width
    column = columns[names[key]]
    if cell and cell not in column[at].split("; "):
        column[at] = f"{column[at]}; {cell}" if column[at] else cell
