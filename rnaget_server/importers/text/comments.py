"""Comment lines in front of a text table, and headers behind the mark of a comment."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.text.columns import describes_features
from rnaget_server.importers.text.fields import (
    COMMA,
    NUMBER_CELL,
    SEMICOLON,
    TAB,
    QuoteError,
    shortened,
    split_fields,
    tabs_for_blanks,
)
from rnaget_server.importers.text.headerless import is_id_header
from rnaget_server.importers.text.lines import TextLines

_MARKS = (TAB, COMMA, SEMICOLON)
# So many names above one column more are no key and value by chance.
_SURE = 3


def first_lines(lines: TextLines, header: bool | None = None) -> tuple[bool, tuple[int, bytes]]:
    """Return whether comment lines come first, and the header line with its number.

    Parameters
    ----------
    lines
        The lines of the file, from its beginning.
    header
        Whether the table has a header, if the provider says so.

    Raises
    ------
    ImportFailure
        If there is no line besides comments, or the last comment can be a header.
    """
    comments = False
    while (first := lines.take()) is not None:
        number, line = first
        if not line.startswith(b"#"):
            return comments, first
        following = lines.peek(1)
        if header is not False and following and not following[0].startswith(b"#"):
            text = line.lstrip(b"#").lstrip(b" ")
            if _is_header(text, following[0]) or _is_header_of_r(lines.path, number, line, following[0]):
                return comments, (number, text)
        comments = True
    raise ImportFailure("the file holds no table" if comments else "the file is empty", lines.path)


def _is_header(text: bytes, following: bytes) -> bool:
    """Return whether a ``#`` line is the header: it has the fields of the next line, and names above its numbers."""
    pairs = [(text, following, separator) for separator in _MARKS]
    if not any(separator in following for separator in _MARKS):
        pairs = [(tabs_for_blanks(text), tabs_for_blanks(following), TAB)]
    for first, second, separator in pairs:
        with contextlib.suppress(QuoteError):
            names, cells = split_fields(first, separator), split_fields(second, separator)
            if len(names) == len(cells) > 1 and _are_names(names, cells):
                return True
    return False


def _is_header_of_r(path: Path, number: int, line: bytes, following: bytes) -> bool:
    """Return whether a ``#`` line names every column of the next line but the first, which holds the ids.

    Raises
    ------
    ImportFailure
        If it can be a comment as well.
    """
    text = line.lstrip(b"#").strip(b" ")
    for separator in _MARKS:
        with contextlib.suppress(QuoteError):
            names, cells = _without_end(split_fields(text, separator)), _without_end(split_fields(following, separator))
            if not (1 < len(names) == len(cells) - 1 and _are_names_of_cells(names, cells, separator)):
                continue
            if len(names) >= _SURE and not line.startswith(b"# "):
                return True
            raise ImportFailure(
                f"the line {shortened(line)} can be a comment or the names of all columns but the first: write "
                "gene_id and a separator in front of the first name if it is the header, or remove the line",
                path,
                number,
            )
    return False


def _without_end(fields: list[bytes]) -> list[bytes]:
    """Return fields without the empty ones at the end, which spreadsheet programs leave."""
    while fields and not fields[-1].strip():
        fields = fields[:-1]
    return fields


def _are_names_of_cells(names: Sequence[bytes], cells: Sequence[bytes], separator: bytes) -> bool:
    """Return whether these are names of samples, and of attributes, above an id, numbers and text."""
    if separator != TAB and any(b" " in name for name in names):
        return False  # a sentence
    return (
        all(name.strip() and not NUMBER_CELL.fullmatch(name) for name in names)
        and len(set(names)) == len(names)
        and not is_id_header(cells[0].decode("utf-8", "replace"))
        and any(NUMBER_CELL.fullmatch(cell) for cell in cells[1:])
        and all(
            NUMBER_CELL.fullmatch(cell) or describes_features(name.decode("utf-8", "replace"))
            for name, cell in zip(names, cells[1:], strict=True)
        )
    )


def _are_names(names: Sequence[bytes], cells: Sequence[bytes]) -> bool:
    """Return whether the first fields are names of columns, and the second are a row below them."""
    if is_id_header(cells[0].decode("utf-8", "replace")):
        return False
    at = [column for column, cell in enumerate(cells) if column and NUMBER_CELL.fullmatch(cell)]
    named = is_id_header(names[0].decode("utf-8", "replace"))
    return bool(at) and (named or any(not NUMBER_CELL.fullmatch(names[column]) for column in at))
