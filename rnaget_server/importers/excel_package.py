"""The parts of a spreadsheet file, looked at before they are parsed: bounded sizes, and formulas with their results."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from rnaget_server.storage.access import FileLimits
from rnaget_server.stores.failures import UnfitFile
from rnaget_server.stores.hdf5_dataset import shown_bytes

_WORKBOOK = "xl/workbook.xml"
_SHEET = re.compile(r"xl/worksheets/[^/]+\.xml", re.IGNORECASE)
_MOST_PARTS = 10_000
_READ = 1 << 20
_START = 4096
_OVERLAP = 16 << 10
_DTD = re.compile(rb"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)
# A formula of a cell that no program has worked out: nothing, or an empty value, follows it.
_WITHOUT_RESULT = re.compile(
    rb'<(?:\w+:)?c\b[^>]*?\br="([A-Z]{1,3}\d{1,7})"[^>]*>\s*<(?:\w+:)?f\b(?:[^>]*/>|[^>]*>[^<]*</(?:\w+:)?f>)\s*'
    rb"(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v>\s*</(?:\w+:)?v>)?\s*</(?:\w+:)?c>"
)


def check_package(path: Path, limits: FileLimits) -> None:
    """Look at every part of a spreadsheet file.

    Raises
    ------
    UnfitFile
        If a part is far larger than the file, what is held in memory is too large, it has definitions of a document
        type, or formulas without results.
    zipfile.BadZipFile
        If it is no zip archive, or damaged.
    """
    with zipfile.ZipFile(path) as package:
        parts = package.infolist()
        if _WORKBOOK not in {part.filename for part in parts}:
            raise UnfitFile(f"is a zip archive and no spreadsheet, for it has no {_WORKBOOK}")
        if len(parts) > _MOST_PARTS:
            raise UnfitFile(f"has more than {_MOST_PARTS:,} parts: save the sheet of the table alone")
        for part in parts:
            if part.filename.endswith((".xml", ".rels")):
                _check_part(package, part, limits)


def _check_part(package: zipfile.ZipFile, part: zipfile.ZipInfo, limits: FileLimits) -> None:
    is_sheet = _SHEET.fullmatch(part.filename) is not None
    most = limits.column_bytes if not is_sheet else max(limits.column_bytes, limits.expansion * part.compress_size)
    if part.file_size > most:
        raise UnfitFile(
            f"has {part.filename} of {shown_bytes(part.file_size)}, more than is read: save the table alone as "
            "tab-separated text, and import that"
        )
    with package.open(part) as file:
        before = file.read(_START)
        if _DTD.search(before):
            raise UnfitFile(
                f"has definitions of a document type in {part.filename}, which no spreadsheet program writes"
            )
        while is_sheet and before:
            found = _WITHOUT_RESULT.search(before)
            if found is not None:
                raise UnfitFile(
                    f"has a formula without its result in the cell {found[1].decode()} ({part.filename}): open it in a "
                    "spreadsheet program and save it there"
                )
            block = file.read(_READ)
            before = before[-_OVERLAP:] + block if block else b""
