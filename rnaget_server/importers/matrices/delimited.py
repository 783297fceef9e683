"""TSV and CSV: features as rows or, transposed, samples as rows."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.base import Importer, Progress, ReadOptions, SourceMatrix, TsvStyle
from rnaget_server.importers.matrices.axes import feature_axis, label_axis, split_samples
from rnaget_server.importers.sparse_spool import filling
from rnaget_server.importers.spool import Spool
from rnaget_server.importers.text.columns import describes_features, text_column
from rnaget_server.importers.text.fields import QuoteError, find_separator, shortened, split_fields
from rnaget_server.importers.text.lines import TextLines
from rnaget_server.importers.text.numbers import MISSING, is_number
from rnaget_server.importers.text.table_body import TableBody, check_ids, decoded
from rnaget_server.importers.text.template import LabelTemplate
from rnaget_server.stores.native.write_dense import AxisTable

_LOOKED_AT = 100
_WORD = re.compile(rb"[A-Za-z\x80-\xff]")
# What other programs write where a number was meant; and digits of other scripts, which are bytes above ASCII alone.
_NUMBER_LIKE = re.compile(rb"(?i)true|false|[+-]?inf(inity)?|#?n/?a!?|none|0x[0-9a-f]+|[^A-Za-z]+|[\d.,]+e[+-]?\d+")


@dataclass(frozen=True)
class Header:
    """The header line: its number, the separator, the headers of the label columns and of the cell columns."""

    line: int
    separator: bytes
    labels: tuple[str, ...]
    names: tuple[str, ...]
    comments: bool


class DelimitedImporter(Importer):
    """Wide text tables separated by tabs or commas."""

    takes_any_text = True

    def recognises(self, path: Path, head: bytes) -> bool:
        """Return whether this is text."""
        return b"\0" not in head

    def read(self, path: Path, options: ReadOptions, directory: Path, progress: Progress) -> SourceMatrix:
        """Return the matrix in the file.

        Raises
        ------
        ImportFailure
            If the table is not well formed.
        """
        with TextLines(path) as lines:
            header = read_header(lines, options)
            kind, other = ("sample", "feature") if options.transpose else ("feature", "sample")
            columns = header.names
            if options.column is None or options.transpose:  # composed labels are checked once they are split
                check_ids(columns, other, path, header.line)
            with filling(Spool(directory, len(columns), transposed=options.transpose), path) as spool:
                body = TableBody(path, header.separator, len(header.labels), columns, kind, options.limits.column_bytes)
                body.read(lines, spool, progress)
                return _assembled(path, header, body, spool, options)


def read_header(lines: TextLines, options: ReadOptions) -> Header:
    """Return the header line, distinguished from comments and from a header of R.

    Raises
    ------
    ImportFailure
        If there is no header, or no cell column besides the label columns.
    """
    comments, (number, line) = _first_lines(lines)
    rows = lines.peek(_LOOKED_AT)
    if not rows:
        raise ImportFailure("there is a header and nothing below it", lines.path, number)
    separator = find_separator(lines.path, line, rows)
    try:
        fields = decoded(split_fields(line, separator), lines.path, number)
    except QuoteError as error:
        raise ImportFailure(str(error), lines.path, number) from None
    cells = _split_rows(rows, separator)
    if cells and len(cells[0]) == len(fields) + 1:
        if not any(row[-1] for row in cells):
            raise ImportFailure(
                "every line ends with a separator and the header does not: remove it at the line ends",
                lines.path,
                number,
            )
        fields = ["", *fields]  # R's write.table names no column of row names
    labels = _label_columns(fields, cells, options)
    if len(fields) == 1:
        raise ImportFailure(
            "neither tabs nor commas separate the header: save the table with one of them", lines.path, number
        )
    if labels >= len(fields):
        raise ImportFailure(f"all {len(fields)} columns are label columns, and none holds numbers", lines.path, number)
    return Header(number, separator, _names(fields[:labels], lines.path, number), tuple(fields[labels:]), comments)


def _first_lines(lines: TextLines) -> tuple[bool, tuple[int, bytes]]:
    """Return whether comment lines stand in front, and the header line with its number."""
    comments = False
    while (first := lines.take()) is not None:
        number, line = first
        if not line.startswith(b"#"):
            return comments, first
        following = lines.peek(1)
        if following and not following[0].startswith(b"#") and _is_header(line, following[0]):
            return comments, (number, line.lstrip(b"#").lstrip())
        comments = True
    raise ImportFailure("the file holds no table" if comments else "the file is empty", lines.path)


def _is_header(comment: bytes, following: bytes) -> bool:
    """Return whether a ``#`` line is the header: it has the fields of the next line, which holds numbers."""
    for separator in (b"\t", b","):
        names, cells = comment.split(separator), following.split(separator)
        if len(names) == len(cells) > 1 and is_number(cells[-1]) and not is_number(names[-1]):
            return True
    return False


def _split_rows(rows: Sequence[bytes], separator: bytes) -> list[list[bytes]]:
    """Return the fields of the rows, up to one with bad quotes: that one is refused, by its line, once it is read."""
    cells: list[list[bytes]] = []
    with contextlib.suppress(QuoteError):
        for row in rows:
            cells.append(split_fields(row, separator))
    return cells


def _label_columns(fields: Sequence[str], rows: Sequence[Sequence[bytes]], options: ReadOptions) -> int:
    if options.label_columns is not None:
        return options.label_columns
    count = 1
    while count < len(fields):
        known = not options.transpose and (fields[count] == options.feature_name or describes_features(fields[count]))
        if not known and not _are_words([row[count] for row in rows if count < len(row)]):
            break
        count += 1
    return count


def _are_words(cells: Sequence[bytes]) -> bool:
    """Return whether a column without a telling header is text for sure; in doubt it is cells, and refused as such."""
    known = [cell.strip() for cell in cells if cell.strip() not in MISSING]
    return len(known) > 1 and all(_WORD.search(cell) and not _NUMBER_LIKE.fullmatch(cell) for cell in known)


def _names(labels: Sequence[str], path: Path, line: int) -> tuple[str, ...]:
    """Return the headers of the label columns; a nameless one beyond the id is called by its place."""
    names: list[str] = []
    for place, label in enumerate(labels):
        name = label.strip() or (f"column_{place + 1}" if place else "")
        if name in names:
            raise ImportFailure(f"two label columns have the header {shortened(name)}: rename one", path, line)
        names.append(name)
    return tuple(names)


def _assembled(path: Path, header: Header, body: TableBody, spool: Spool, options: ReadOptions) -> SourceMatrix:
    across = AxisTable("", {"": text_column(header.names)})
    if options.transpose:
        samples, features = label_axis(header.labels, body.columns), across
    else:
        features, samples = feature_axis(header.labels, body.columns, options), across
    tsv = TsvStyle()
    if options.column is not None:
        samples = split_samples(samples, LabelTemplate(options.column), options, path, header.line)
        labels = header.labels if header.labels[0] and not options.transpose else None
        tsv = TsvStyle(labels, options.column, header.comments)
    return SourceMatrix(features, samples, spool.finish(), tsv, tuple(_remarks(header, options)))


def _remarks(header: Header, options: ReadOptions) -> list[str]:
    separator = "tabs" if header.separator == b"\t" else "commas"
    rows = "samples" if options.transpose else "features"
    labels = ", ".join(label or "(no header)" for label in header.labels)
    return [f"text separated by {separator}, {rows} as rows; label columns: {labels}"]
