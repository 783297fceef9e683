"""The rows below the header: labels into lists, cells into the spool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.base import Progress
from rnaget_server.importers.spool import Spool
from rnaget_server.importers.text.fields import QuoteError, shortened, split_labels
from rnaget_server.importers.text.lines import TextLines
from rnaget_server.importers.text.numbers import BadCell, RaggedRow, parse_cells
from rnaget_server.storage.access import DEFAULT_LIMITS
from rnaget_server.stores.hdf5_dataset import shown_bytes

LABEL_BYTES = 32
"""The least memory that a label takes in addition to its characters."""


@dataclass
class TableBody:
    """Reads the rows of a matrix.

    Parameters
    ----------
    path
        For messages.
    separator
        Of the fields.
    labels
        Number of label columns; the first holds the id.
    names
        Headers of the cell columns.
    kind
        The kind of the rows: ``feature`` or ``sample``.
    most_bytes
        Most bytes that the labels of all rows may take.
    """

    path: Path
    separator: bytes
    labels: int
    names: Sequence[str]
    kind: str
    most_bytes: int = DEFAULT_LIMITS.column_bytes
    columns: list[list[str]] = field(default_factory=list)
    _bytes: int = 0
    _seen: dict[str, int] = field(default_factory=dict)

    def read(self, lines: TextLines, spool: Spool, progress: Progress) -> None:
        """Read every row that is left; afterwards `columns` holds the label columns.

        Raises
        ------
        ImportFailure
            If a row has more or fewer fields than the header, a cell is no number, or an id is empty or
            repeated.
        """
        self.columns = [[] for _ in range(self.labels)]
        for numbers, block in lines.blocks():
            cells = [self._row(number, line) for number, line in zip(numbers, block, strict=True)]
            try:
                spool.append(parse_cells(cells, self.separator, len(self.names), single=not spool.whole))
            except BadCell as error:
                raise self._bad_cell(error, numbers[error.row]) from None
            except RaggedRow as error:
                raise self._ragged(self.labels + error.found, numbers[error.row]) from None
            if self._bytes > self.most_bytes:
                raise too_many_labels(self.path, self.kind, self.most_bytes, numbers[-1])
            progress(lines.share)
        if not self._seen:
            raise ImportFailure(f"there is no {self.kind} below the header", self.path)

    def _row(self, number: int, line: bytes) -> bytes:
        """Return the cells of a line, having kept its labels."""
        try:
            labels, cells = split_labels(line, self.separator, self.labels)
            texts = [label.decode("utf-8") for label in labels]
        except QuoteError as error:
            raise ImportFailure(str(error), self.path, number) from None
        except UnicodeDecodeError:
            raise not_utf8(self.path, number) from None
        if cells is None:
            raise self._ragged(len(labels), number)
        self._keep_id(texts[0], number)
        self._bytes += len(line) - len(cells) + LABEL_BYTES * len(texts)
        for column, text in zip(self.columns, texts, strict=True):
            column.append(text)
        return cells

    def _keep_id(self, id: str, number: int) -> None:
        if not id.strip():
            raise ImportFailure(f"the {self.kind} id (the first field) is empty", self.path, number)
        first = self._seen.setdefault(id, number)
        if first != number:
            raise ImportFailure(
                f"the {self.kind} id {shortened(id)} stands here and in line {first} already: "
                "ids must be unique, so leave one of the two out or rename it",
                self.path,
                number,
            )

    def _ragged(self, found: int, number: int) -> ImportFailure:
        expected = self.labels + len(self.names)
        return ImportFailure(f"this line has {found} fields, and the header {expected}", self.path, number)

    def _bad_cell(self, error: BadCell, number: int) -> ImportFailure:
        place = f"in the column {shortened(self.names[error.column])}"
        hint = ""
        if error.column == 0 and self.kind == "feature":
            hint = "; if that column describes the features, say so by --label-columns"
        return ImportFailure(f"the cell {shortened(error.text)} {place} {error.wrong}{hint}", self.path, number)


def too_many_labels(path: Path, kind: str, most: int, line: int) -> ImportFailure:
    """Return the error for labels that have no room in memory."""
    return ImportFailure(
        f"the labels of the {kind}s need more than {shown_bytes(most)} of memory: leave out label columns, split the "
        "file, or set RNAGET_MAX_COLUMN_BYTES",
        path,
        line,
    )


def not_utf8(path: Path, line: int) -> ImportFailure:
    """Return the error for bytes that are no UTF-8 text."""
    return ImportFailure("the text is not UTF-8: convert the file, as by `iconv -f LATIN1 -t UTF-8 FILE`", path, line)


def decoded(fields: Sequence[bytes], path: Path, line: int) -> list[str]:
    """Return the fields of a line as text.

    Raises
    ------
    ImportFailure
        If they are not UTF-8.
    """
    try:
        return [field.decode("utf-8") for field in fields]
    except UnicodeDecodeError:
        raise not_utf8(path, line) from None


def check_ids(ids: Sequence[str], kind: str, path: Path, line: int) -> None:
    """Check the ids in a header line.

    Raises
    ------
    ImportFailure
        If there are none, or one is empty or repeated.
    """
    if not ids:
        raise ImportFailure(f"the header names no {kind}: it has label columns alone", path, line)
    seen: dict[str, int] = {}
    for column, id in enumerate(ids, 1):
        if not id.strip():
            raise ImportFailure(f"the {kind} id in the header is empty (the {column}. of {len(ids)})", path, line)
        if id in seen:
            raise ImportFailure(
                f"the {kind} id {shortened(id)} stands in the header twice "
                f"(the {seen[id]}. and the {column}. of {len(ids)}): ids must be unique, so rename one",
                path,
                line,
            )
        seen[id] = column
