"""The rows of a sheet of an Excel workbook (.xlsx), as text."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.detect import HEAD_BYTES
from rnaget_server.importers.excel_package import check_package
from rnaget_server.importers.extras import needed
from rnaget_server.importers.foreign import is_xlsx
from rnaget_server.importers.text.fields import shortened
from rnaget_server.importers.text.table_body import LABEL_BYTES
from rnaget_server.storage.access import FileLimits
from rnaget_server.stores.failures import UnfitFile
from rnaget_server.stores.hdf5_dataset import shown_bytes

_EXACT = 2**53
_MISSING = {"#N/A": "NA", "#N/A N/A": "NA", "#NULL!": ""}
_ERRORS = frozenset(("#REF!", "#DIV/0!", "#NAME?", "#VALUE!", "#NUM!"))


def is_workbook(path: Path) -> bool:
    """Return whether a file is an Excel workbook (.xlsx, .xlsm)."""
    try:
        with path.open("rb") as file:
            return is_xlsx(file.read(HEAD_BYTES))
    except OSError:
        return False


def sheet_rows(path: Path, limits: FileLimits) -> tuple[list[list[str]], list[int], tuple[str, ...]]:
    """Return the rows of the first sheet that is not empty, their numbers, and a remark if there are other sheets.

    Whole numbers have no point, dates are written as 2020-01-31, and truth is TRUE or FALSE.

    Raises
    ------
    ImportFailure
        If openpyxl is not installed, the workbook is damaged or too large, or a cell holds an error.
    """
    openpyxl = needed("openpyxl", path, "Excel")
    book = None
    file = path.open("rb")  # by its name, openpyxl refuses one without a suffix
    try:
        check_package(path, limits)
        book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
        sheets = list(book.worksheets)
        for sheet in sheets:
            sheet.reset_dimensions()
            rows, numbers = _rows(path, sheet, limits)
            if rows:
                others = [other.title for other in sheets if other is not sheet]
                remark = f"of the workbook {path.name} the sheet {shortened(sheet.title)} was read"
                return rows, numbers, (f"{remark}; it has {len(others)} more",) if others else ()
    except ImportFailure:
        raise
    except UnfitFile as error:
        raise ImportFailure(f"the workbook {error}", path) from None
    except Exception as error:  # openpyxl raises what its parsers do
        raise ImportFailure(f"the workbook is damaged ({type(error).__name__}): save it again", path) from None
    finally:
        if book is not None:
            book.close()
        file.close()
    raise ImportFailure("every sheet of the workbook is empty", path)


def _too_large(path: Path, limits: FileLimits) -> ImportFailure:
    return ImportFailure(
        f"the workbook holds more than {shown_bytes(limits.column_bytes)} of text: leave out what is not needed, or "
        "set RNAGET_MAX_COLUMN_BYTES",
        path,
    )


def _rows(path: Path, sheet: Any, limits: FileLimits) -> tuple[list[list[str]], list[int]]:
    """Return the rows that are not blank, as wide as the widest, and their numbers."""
    rows: list[list[str]] = []
    numbers: list[int] = []
    held = width = 0
    for number, cells in enumerate(sheet.iter_rows(values_only=True), 1):
        row = list(_texts(path, sheet.title, number, cells))
        while row and not row[-1]:
            row.pop()
        if not row:
            continue
        held += LABEL_BYTES * len(row) + sum(map(len, row))
        width = max(width, len(row))
        rows.append(row)
        numbers.append(number)
        if held > limits.column_bytes or width * len(rows) * LABEL_BYTES > limits.column_bytes:
            raise _too_large(path, limits)
    return [row + [""] * (width - len(row)) for row in rows], numbers


def _texts(path: Path, sheet: str, number: int, cells: tuple[Any, ...]) -> Iterator[str]:
    for place, value in enumerate(cells):
        text = _text(value)
        if text in _ERRORS:
            raise ImportFailure(
                f"the cell {_letters(place)}{number} of the sheet {shortened(sheet)} holds the error {text}: correct "
                "or empty it",
                path,
                number,
            )
        yield _MISSING.get(text, text)


def _text(value: Any) -> str:
    return str(value).upper() if isinstance(value, bool) else text_of(value).strip()


def text_of(value: Any) -> str:
    """Return a cell as text: numbers so that they are read again as they are, dates as in ISO 8601."""
    if value is None:
        return ""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < _EXACT else repr(value)
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat(" ")
    return str(value)


def _letters(place: int) -> str:
    """Return the letters of a column: A, B, … Z, AA."""
    letters = ""
    place += 1
    while place:
        place, letter = divmod(place - 1, 26)
        letters = chr(ord("A") + letter) + letters
    return letters
